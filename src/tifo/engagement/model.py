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
    """What the definitions of a game have in common, beside their ids."""

    name: str
    created_at: datetime
    key: str | None = None
    """The integrator's own name for it, unique among the application's live ones of its kind (tasks: of its quest)."""
    archived_at: datetime | None = None
    """Since then it is in no list and has no part in play; what fans have of it stays readable."""


class Application(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind", tag="application"):
    id: ClientId
    name: str
    default_program_id: ProgramId
    created_at: datetime
    automatic_quest_processing: bool = False
    """An action that a task is linked to starts the task's quest."""
    auto_claim_quest_rewards: bool = False
    """A completed quest pays its rewards at once; otherwise the fan claims them."""


class Program(Defined, frozen=True, kw_only=True, tag_field="kind", tag="program"):
    id: ProgramId


class RewardItem(Defined, frozen=True, kw_only=True, tag_field="kind", tag="reward_item"):
    id: RewardItemId
    attributes: Attributes = ()


class Condition(msgspec.Struct, frozen=True, kw_only=True):
    """Of a tracked event's property; see triggers.py."""

    property: str
    operator: str = "="
    value: str | int | float | bool | None = None


class SegmentTrigger(msgspec.Struct, frozen=True, kw_only=True):
    """A `track` of this event on this source is the action, where every condition holds."""

    source_id: SourceId
    event: str
    conditions: tuple[Condition, ...] = ()
    program_id: ProgramId | None = None
    """None for the application's default program."""
    create_profiles: bool = False
    """Whether a user that no profile has as its custom id gets one."""


class RewardAction(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind", tag="reward_action"):
    id: RewardActionId
    key: str
    """Unique among the application's live ones; this is what callers name."""
    name: str
    created_at: datetime
    description: str | None = None
    type: str = "custom"
    trigger: SegmentTrigger | None = None
    """Of an action of the type `segment`."""
    archived_at: datetime | None = None


class RateLimit(msgspec.Struct, frozen=True, kw_only=True):
    """At most `frequency` payments a fan in each `unit` of the clock, UTC."""

    frequency: int
    unit: Literal["second", "minute", "hour", "day"]


class RewardLimit(msgspec.Struct, frozen=True, kw_only=True):
    """At most `action_limit_count` payments a fan in each calendar day, week (from Monday) or month of the time zone,
    or in all.
    """

    action_limit_count: int
    duration: Literal["day", "week", "month", "all_time"]
    timezone: str = "UTC"


class RewardTableEntry(msgspec.Struct, frozen=True, kw_only=True):
    """Whoever performs the action `action_key` is paid `reward_item_amount` (≥ 1) of the item, within the limits."""

    id: RewardTableEntryId
    reward_item_id: RewardItemId
    reward_item_amount: int
    action_key: str
    rate_limit: RateLimit | None = None
    reward_limit: RewardLimit | None = None


class RewardTable(Defined, frozen=True, kw_only=True, tag_field="kind", tag="reward_table"):
    """Consulted for actions in the programs that it is linked to; every matching entry pays."""

    id: RewardTableId
    entries: tuple[RewardTableEntry, ...] = ()
    program_ids: tuple[ProgramId, ...] = ()


class BadgeProgression(msgspec.Struct, frozen=True, kw_only=True):
    reward_item_id: RewardItemId
    reward_item_threshold: int


class Badge(Defined, frozen=True, kw_only=True, tag_field="kind", tag="badge"):
    """Reaching any one progression's threshold (balance right after a credit ≥ threshold) earns the badge."""

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
    """The action that progresses this task."""
    attributes: Attributes = ()


class QuestReward(msgspec.Struct, frozen=True, kw_only=True):
    id: QuestRewardId
    reward_item_id: RewardItemId
    reward_item_amount: int


class Quest(Defined, frozen=True, kw_only=True, tag_field="kind", tag="quest"):
    """Can be started from `started_at` until `stopped_at` (None: no bound); `timeout` limits each fan's run."""

    id: QuestId
    description: str | None = None
    started_at: datetime | None = None
    stopped_at: datetime | None = None
    timeout: timedelta | None = None
    tasks: tuple[QuestTask, ...] = ()
    rewards: tuple[QuestReward, ...] = ()
    badge_ids: tuple[BadgeId, ...] = ()
    """Badges that completing the quest gives, when they are claimed."""
    attributes: Attributes = ()


class Leaderboard(Defined, frozen=True, kw_only=True, tag_field="kind", tag="leaderboard"):
    """Fans by their balance of one reward item; shown with the programs that it is linked to.

    A locked one shows what it held when it was locked. An archived one is in no list and at no address.
    """

    id: LeaderboardId
    reward_item_id: RewardItemId
    custom_id: str | None = None
    """Unique among the application's leaderboards."""
    program_ids: tuple[ProgramId, ...] = ()
    is_locked: bool = False
    attributes: Attributes = ()


Definition = Application | Program | RewardItem | RewardAction | RewardTable | Badge | Quest | Leaderboard
"""What the store keeps as one document each. The whole of a table or quest is one definition."""


D = TypeVar("D", bound="Defined | RewardAction")


def is_live(definition: Defined | RewardAction) -> bool:
    return definition.archived_at is None


def live(definitions: Mapping[Any, D]) -> list[D]:
    """In the order of making."""
    return [definition for definition in definitions.values() if is_live(definition)]


class Game:
    """All definitions of one application, indexed for the rules. Immutable: `with_` returns another one.

    Dictionaries keep the order of making. Those by id hold what is archived too, so that what fans have of it can be
    read; play looks at live ones only.
    """

    def __init__(self, application: Application, definitions: tuple[Definition, ...] = ()) -> None:
        self.application = application
        self.definitions = definitions
        self.programs = {d.id: d for d in definitions if isinstance(d, Program)}
        self.reward_items = {d.id: d for d in definitions if isinstance(d, RewardItem)}
        self.actions_by_id = {d.id: d for d in definitions if isinstance(d, RewardAction)}
        # A key that was used again belongs to its live action.
        by_life = sorted(self.actions_by_id.values(), key=is_live)
        self.reward_actions = {action.key: action for action in by_life}
        """By key."""
        self.reward_tables = {d.id: d for d in definitions if isinstance(d, RewardTable)}
        self.badges = {d.id: d for d in definitions if isinstance(d, Badge)}
        self.quests = {d.id: d for d in definitions if isinstance(d, Quest)}
        self.leaderboards = {d.id: d for d in definitions if isinstance(d, Leaderboard) and is_live(d)}
        self.ranked_items = frozenset(b.reward_item_id for b in self.leaderboards.values() if not b.is_locked)
        """Those whose balances move a leaderboard."""
        self.quest_of_task = {t.id: q.id for q in self.quests.values() for t in q.tasks}
        self.entries: dict[tuple[ProgramId, str], list[tuple[RewardTable, RewardTableEntry]]] = {}
        """What an action pays in a program."""
        for table in filter(is_live, self.reward_tables.values()):
            for program_id in table.program_ids:
                for entry in table.entries:
                    self.entries.setdefault((program_id, entry.action_key), []).append((table, entry))
        self.has_limits = any(
            entry.rate_limit or entry.reward_limit for paying in self.entries.values() for _, entry in paying
        )
        self.badges_by_item: dict[RewardItemId, list[tuple[Badge, BadgeProgression]]] = {}
        for badge in filter(is_live, self.badges.values()):
            for progression in badge.progressions:
                self.badges_by_item.setdefault(progression.reward_item_id, []).append((badge, progression))
        self.quests_by_action: dict[str, list[Quest]] = {}
        """Live quests with a task that the action progresses, each once; a run keeps a task that was archived since."""
        for quest in filter(is_live, self.quests.values()):
            for key in dict.fromkeys(t.reward_action_key for t in quest.tasks if t.reward_action_key):
                self.quests_by_action.setdefault(key, []).append(quest)

    def with_(self, definition: Definition) -> "Game":
        """The game with the definition added, or put in the place of the one with its id."""
        if isinstance(definition, Application):
            return Game(definition, self.definitions)
        kept = tuple(definition if d.id == definition.id else d for d in self.definitions)
        return Game(self.application, kept if definition in kept else (*kept, definition))


class Profile(msgspec.Struct, frozen=True, kw_only=True):
    id: ProfileId
    client_id: ClientId
    nickname: str
    created_at: datetime
    custom_id: str | None = None
    """The integrator's own id of the fan: unique in the application, at most 255 characters, set once."""
    custom_data: str | None = None
    attributes: Attributes = ()


class UserQuestTask(msgspec.Struct, frozen=True, kw_only=True):
    id: UserQuestTaskId
    quest_task_id: QuestTaskId
    progress: Decimal = Decimal(0)
    completed_at: datetime | None = None


class UserQuest(msgspec.Struct, frozen=True, kw_only=True):
    """One fan's run of one quest; there is at most one for each pair."""

    id: UserQuestId
    profile_id: ProfileId
    quest_id: QuestId
    created_at: datetime
    active_until: datetime | None = None
    """After this moment nothing progresses (the quest's timeout)."""
    completed_at: datetime | None = None
    rewards_claimed_at: datetime | None = None
    tasks: tuple[UserQuestTask, ...] = ()


class EarnedBadge(msgspec.Struct, frozen=True, kw_only=True):
    """Unique for a profile and badge, for ever: a revoked one is kept, and awarding the badge again gives it back."""

    id: EarnedBadgeId
    profile_id: ProfileId
    badge_id: BadgeId
    awarded_at: datetime
    revoked_at: datetime | None = None


class Payments(msgspec.Struct, frozen=True, kw_only=True):
    """How often an entry with limits has paid one fan, in the last window of each limit."""

    rate_window: int = 0
    rate_count: int = 0
    limit_window: int = 0
    limit_count: int = 0


class Fan(msgspec.Struct, frozen=True, kw_only=True):
    """All that the rules need to know of one profile. Rules return another Fan; they never change one."""

    profile: Profile
    balances: dict[RewardItemId, int] = {}
    badges: dict[BadgeId, EarnedBadge] = {}
    user_quests: dict[QuestId, UserQuest] = {}
    payments: dict[RewardTableEntryId, Payments] = {}
    """Of entries with limits; loaded where the game has any."""


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
    """Signed: what the balance changed by; never 0."""
    balance: int
    """Right after this row; never negative."""
    kind: TransactionKind
    created_at: datetime
    invoked_action_id: InvokedActionId | None = None
    reward_action_key: str | None = None
    reward_table_entry_id: RewardTableEntryId | None = None
    user_quest_id: UserQuestId | None = None
    transfer_id: str | None = None
    """Shared by a transfer's two rows."""
    counterpart_profile_id: ProfileId | None = None
    """The other side of a transfer."""
    reason: str | None = None
    description: str | None = None
    custom_data: str | None = None
    attributes: Attributes = ()


class InvokedReward(msgspec.Struct, frozen=True, kw_only=True):
    reward_item_id: RewardItemId
    reward_item_name: str
    reward_item_amount: int


class InvokedAction(msgspec.Struct, frozen=True, kw_only=True):
    """`code` is the integrator's idempotency key: unique for an action and profile."""

    id: InvokedActionId
    program_id: ProgramId
    profile_id: ProfileId
    reward_action_key: str
    created_at: datetime
    code: str | None = None
    rewards: tuple[InvokedReward, ...] = ()
    """What the reward tables paid, in the order of paying."""
    description: str | None = None
    attributes: Attributes = ()


class Invocation(msgspec.Struct, frozen=True, kw_only=True):
    """What became of one of several invoked actions: exactly one of the two."""

    invoked: InvokedAction | None = None
    refused: str | None = None
    """Why."""
