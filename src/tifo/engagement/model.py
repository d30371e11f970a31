"""The values of the game: an application's definitions, one fan's state, and the ledger's rows."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Any, Literal, TypeVar

import msgspec

from tifo.kernel.ids import (
    BadgeId,
    ClientId,
    EarnedBadgeId,
    InvokedActionId,
    LeaderboardId,
    ProfileId,
    ProgramId,
    QuestId,
    QuestRewardId,
    QuestTaskId,
    RewardActionId,
    RewardItemId,
    RewardTableEntryId,
    RewardTableId,
    SourceId,
    TransactionId,
    UserQuestId,
    UserQuestTaskId,
)


class Attribute(msgspec.Struct, frozen=True):
    key: str
    value: str


Attributes = tuple[Attribute, ...]


class Defined(msgspec.Struct, frozen=True, kw_only=True):
    """Fields that most definitions have in common, beside their ids."""

    name: str
    created_at: datetime
    key: str | None = None
    """The integrator's own name, unique among the application's live definitions of its kind (a quest's live tasks)."""
    archived_at: datetime | None = None
    """An archived definition is in no list and takes no part in play; what fans have of it stays readable."""


class Application(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind", tag="application"):
    id: ClientId
    name: str
    # Ours: LiveLike's application names no default program. Tables work before anybody makes programs.
    default_program_id: ProgramId
    created_at: datetime
    # LiveLike's setting: without it an action progresses only quests that the fan has started.
    automatic_quest_processing: bool = False
    """An action that a task is linked to starts the task's quest."""
    # Ours: LiveLike leaves the rewards of a completed quest unclaimed.
    auto_claim_quest_rewards: bool = False
    """A completed quest pays its rewards at once; otherwise the fan claims them."""


class Program(Defined, frozen=True, kw_only=True, tag_field="kind", tag="program"):
    id: ProgramId


class RewardItem(Defined, frozen=True, kw_only=True, tag_field="kind", tag="reward_item"):
    id: RewardItemId
    attributes: Attributes = ()


class Condition(msgspec.Struct, frozen=True, kw_only=True):
    """Compares a property of a tracked event with a value; see triggers.py."""

    property: str
    operator: str = "="
    value: str | int | float | bool | None = None


class SegmentTrigger(msgspec.Struct, frozen=True, kw_only=True):
    """Performs the action when this source receives a `track` of this event and every condition holds."""

    source_id: SourceId
    event: str
    conditions: tuple[Condition, ...] = ()
    program_id: ProgramId | None = None
    """None means the application's default program."""
    create_profiles: bool = False
    """Whether a user id that no profile has as custom id gets a new profile."""


class RewardAction(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind", tag="reward_action"):
    id: RewardActionId
    key: str
    """Callers name the action by its key. It is unique among the application's live actions."""
    name: str
    created_at: datetime
    description: str | None = None
    type: str = "custom"
    trigger: SegmentTrigger | None = None
    """Set if the type is `segment`."""
    archived_at: datetime | None = None


# LiveLike's field names, but its rule is a cooldown (limits.py).
class RateLimit(msgspec.Struct, frozen=True, kw_only=True):
    """Allows each fan `frequency` payments in each `unit` of the clock, UTC."""

    frequency: int
    unit: Literal["second", "minute", "hour", "day"]


class RewardLimit(msgspec.Struct, frozen=True, kw_only=True):
    """Allows each fan `action_limit_count` payments in each calendar day, week (from Monday) or month of the time zone,
    or in total.
    """

    action_limit_count: int
    duration: Literal["day", "week", "month", "all_time"]
    timezone: str = "UTC"


class RewardTableEntry(msgspec.Struct, frozen=True, kw_only=True):
    """Pays `reward_item_amount` (≥ 1) of the item to a fan who performs the action, within the limits."""

    id: RewardTableEntryId
    reward_item_id: RewardItemId
    reward_item_amount: int
    action_key: str
    rate_limit: RateLimit | None = None
    reward_limit: RewardLimit | None = None


class RewardTable(Defined, frozen=True, kw_only=True, tag_field="kind", tag="reward_table"):
    """Pays for actions in the programs that it is linked to: every matching entry pays."""

    id: RewardTableId
    entries: tuple[RewardTableEntry, ...] = ()
    program_ids: tuple[ProgramId, ...] = ()


class BadgeProgression(msgspec.Struct, frozen=True, kw_only=True):
    reward_item_id: RewardItemId
    reward_item_threshold: int


# LiveLike says neither balance nor total; that a fan may go "below the threshold" suggests the balance.
class Badge(Defined, frozen=True, kw_only=True, tag_field="kind", tag="badge"):
    """A fan earns it by any one progression: the balance right after a credit is at or above the threshold."""

    id: BadgeId
    description: str | None = None
    image_url: str | None = None
    progressions: tuple[BadgeProgression, ...] = ()
    attributes: Attributes = ()


class QuestTask(Defined, frozen=True, kw_only=True):
    id: QuestTaskId
    description: str | None = None
    target_value: Decimal = Decimal(1)
    default_progress_increment: Decimal = Decimal(1)
    reward_action_key: str | None = None
    """An invoked action with this key progresses the task."""
    # LiveLike: a task may have several actions, each with its own increment.
    attributes: Attributes = ()


class QuestReward(msgspec.Struct, frozen=True, kw_only=True):
    id: QuestRewardId
    reward_item_id: RewardItemId
    reward_item_amount: int


class Quest(Defined, frozen=True, kw_only=True, tag_field="kind", tag="quest"):
    """Fans can start it from `started_at` until `stopped_at` (None: no bound); `timeout` limits each fan's run."""

    id: QuestId
    description: str | None = None
    started_at: datetime | None = None
    stopped_at: datetime | None = None
    timeout: timedelta | None = None
    tasks: tuple[QuestTask, ...] = ()
    rewards: tuple[QuestReward, ...] = ()
    badge_ids: tuple[BadgeId, ...] = ()
    """Fans who complete the quest get these badges when they claim them."""
    attributes: Attributes = ()


# Ours: LiveLike's scores add up what was earned in the linked programs, and never fall (docs/leaderboards.md).
class Leaderboard(Defined, frozen=True, kw_only=True, tag_field="kind", tag="leaderboard"):
    """Ranks fans by their balance of one reward item; shown with the programs that it is linked to.

    A locked leaderboard shows the standings from when it was locked. An archived one is in no list and has no address.
    """

    id: LeaderboardId
    reward_item_id: RewardItemId
    custom_id: str | None = None
    """Unique among the application's leaderboards."""
    program_ids: tuple[ProgramId, ...] = ()
    is_locked: bool = False
    attributes: Attributes = ()


Definition = Application | Program | RewardItem | RewardAction | RewardTable | Badge | Quest | Leaderboard
"""The store holds each definition as one document; a table or quest is one definition with all its parts."""


D = TypeVar("D", bound="Defined | RewardAction")


def is_live(definition: Defined | RewardAction) -> bool:
    return definition.archived_at is None


def live(definitions: Mapping[Any, D]) -> list[D]:
    """Returns the live definitions, in the order of making."""
    return [definition for definition in definitions.values() if is_live(definition)]


class Game:
    """All definitions of one application, indexed for the rules. Immutable: `with_` returns another game.

    Dictionaries keep the order of making. Those by id also hold archived definitions, because fans may still have
    something of them; play considers live ones only.
    """

    def __init__(self, application: Application, definitions: tuple[Definition, ...] = ()) -> None:
        self.application = application
        self.definitions = definitions
        self.programs = {d.id: d for d in definitions if isinstance(d, Program)}
        self.reward_items = {d.id: d for d in definitions if isinstance(d, RewardItem)}
        self.actions_by_id = {d.id: d for d in definitions if isinstance(d, RewardAction)}
        # Live actions come last: a key that was freed and used again then refers to its live action.
        by_life = sorted(self.actions_by_id.values(), key=is_live)
        self.reward_actions = {action.key: action for action in by_life}
        """Actions by key."""
        self.reward_tables = {d.id: d for d in definitions if isinstance(d, RewardTable)}
        self.badges = {d.id: d for d in definitions if isinstance(d, Badge)}
        self.quests = {d.id: d for d in definitions if isinstance(d, Quest)}
        self.leaderboards = {d.id: d for d in definitions if isinstance(d, Leaderboard) and is_live(d)}
        self.ranked_items = frozenset(b.reward_item_id for b in self.leaderboards.values() if not b.is_locked)
        """Items whose balances move an open leaderboard."""
        self.quest_of_task = {t.id: q.id for q in self.quests.values() for t in q.tasks}
        self.entries: dict[tuple[ProgramId, str], list[tuple[RewardTable, RewardTableEntry]]] = {}
        """Entries that an action pays in a program."""
        for table in filter(is_live, self.reward_tables.values()):
            for program_id in table.program_ids:
                for entry in table.entries:
                    self.entries.setdefault((program_id, entry.action_key), []).append((table, entry))
        self.badges_by_item: dict[RewardItemId, list[tuple[Badge, BadgeProgression]]] = {}
        for badge in filter(is_live, self.badges.values()):
            for progression in badge.progressions:
                self.badges_by_item.setdefault(progression.reward_item_id, []).append((badge, progression))
        self.quests_by_action: dict[str, list[Quest]] = {}
        """Live quests with a task that the action progresses, each once. Archived tasks count, as in earlier runs."""
        for quest in filter(is_live, self.quests.values()):
            for key in dict.fromkeys(t.reward_action_key for t in quest.tasks if t.reward_action_key):
                self.quests_by_action.setdefault(key, []).append(quest)

    def with_(self, definition: Definition) -> "Game":
        """Returns the game with the definition added, or replaced if one has its id."""
        if isinstance(definition, Application):
            return Game(definition, self.definitions)
        # All indexes are built anew: definitions change rarely, and every command reads them.
        kept = tuple(definition if d.id == definition.id else d for d in self.definitions)
        return Game(self.application, kept if definition in kept else (*kept, definition))


class Profile(msgspec.Struct, frozen=True, kw_only=True):
    id: ProfileId
    client_id: ClientId
    nickname: str
    created_at: datetime
    custom_id: str | None = None
    """The integrator's own id of the fan: unique in the application, at most 255 characters, set once."""
    # LiveLike: one text, which no query searches.
    custom_data: str | None = None
    attributes: Attributes = ()


class UserQuestTask(msgspec.Struct, frozen=True, kw_only=True):
    id: UserQuestTaskId
    quest_task_id: QuestTaskId
    # LiveLike: progress may be a fraction. Decimals add up exactly, floats do not.
    progress: Decimal = Decimal(0)
    completed_at: datetime | None = None


class UserQuest(msgspec.Struct, frozen=True, kw_only=True):
    """One fan's run of one quest. A fan has at most one run of a quest."""

    id: UserQuestId
    profile_id: ProfileId
    quest_id: QuestId
    created_at: datetime
    active_until: datetime | None = None
    """The run ends here, by the quest's timeout: nothing progresses afterwards."""
    # Stored with the run: a timeout that changes later does not move the end of a run that has started.
    completed_at: datetime | None = None
    rewards_claimed_at: datetime | None = None
    tasks: tuple[UserQuestTask, ...] = ()


class EarnedBadge(msgspec.Struct, frozen=True, kw_only=True):
    """Exists at most once for a profile and badge. A revoked one is stored, and an award restores it."""

    id: EarnedBadgeId
    profile_id: ProfileId
    badge_id: BadgeId
    awarded_at: datetime
    revoked_at: datetime | None = None


class Payments(msgspec.Struct, frozen=True, kw_only=True):
    """Counts how often an entry with limits has paid one fan, in the last window of each limit."""

    rate_window: int = 0
    rate_count: int = 0
    limit_window: int = 0
    limit_count: int = 0


class Fan(msgspec.Struct, frozen=True, kw_only=True):
    """One profile with everything that the rules need. Rules return another Fan; they never change one."""

    profile: Profile
    balances: dict[RewardItemId, int] = {}
    badges: dict[BadgeId, EarnedBadge] = {}
    user_quests: dict[QuestId, UserQuest] = {}
    payments: dict[RewardTableEntryId, Payments] = {}
    """The counts of entries with limits, by entry."""


class TransactionKind(StrEnum):
    REWARD_TABLE = "reward_table"
    QUEST = "quest"
    CREDIT = "credit"
    DEBIT = "debit"
    TRANSFER_SENT = "transfer_sent"
    TRANSFER_RECEIVED = "transfer_received"


class Transaction(msgspec.Struct, frozen=True, kw_only=True):
    """One row of the append-only ledger."""

    id: TransactionId
    profile_id: ProfileId
    reward_item_id: RewardItemId
    amount: int
    """The signed change of the balance; never 0."""
    balance: int
    """The balance right after this row; never negative."""
    kind: TransactionKind
    created_at: datetime
    invoked_action_id: InvokedActionId | None = None
    reward_action_key: str | None = None
    reward_table_entry_id: RewardTableEntryId | None = None
    user_quest_id: UserQuestId | None = None
    transfer_id: str | None = None
    """Shared by a transfer's two rows."""
    counterpart_profile_id: ProfileId | None = None
    """The other fan of a transfer."""
    reason: str | None = None
    description: str | None = None
    custom_data: str | None = None
    attributes: Attributes = ()


class InvokedReward(msgspec.Struct, frozen=True, kw_only=True):
    reward_item_id: RewardItemId
    reward_item_name: str
    reward_item_amount: int


class InvokedAction(msgspec.Struct, frozen=True, kw_only=True):
    """An action that a fan performed. `code` is the integrator's idempotency key: unique for an action and profile."""

    id: InvokedActionId
    program_id: ProgramId
    profile_id: ProfileId
    reward_action_key: str
    created_at: datetime
    code: str | None = None
    rewards: tuple[InvokedReward, ...] = ()
    """Payments by the reward tables, in order."""
    description: str | None = None
    attributes: Attributes = ()


class Invocation(msgspec.Struct, frozen=True, kw_only=True):
    """The outcome of one of several invoked actions: exactly one of the two fields is set."""

    invoked: InvokedAction | None = None
    refused: str | None = None
    """The reason."""
