"""Replays each fan's recorded play from the beginning by other rules, and counts what the fans would have earned.

Fans are independent here: a transfer is in each side's own ledger, and is replayed as a credit or a debit.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from typing import NamedTuple, Protocol

from msgspec.structs import replace

from tifo.engagement.batch import Working
from tifo.engagement.commands import Credit, Debit, InvokeAction, PlayCommand, StartQuest
from tifo.engagement.model import Fan, Game, InvokedAction, Profile, Transaction, UserQuest
from tifo.engagement.ports import EARNED
from tifo.engagement.rules import quest_status
from tifo.kernel.errors import Conflict, Rejected
from tifo.kernel.ids import BadgeId, ClientId, NewId, QuestId, RewardItemId, uuid7


class Recorded(NamedTuple):
    """One fan's past: what they or their operators did, which other rules would not have changed."""

    profile: Profile
    actions: tuple[InvokedAction, ...] = ()
    transfers: tuple[Transaction, ...] = ()
    """Ledger rows of the kinds that are not `EARNED`: credits, debits and transfers."""
    starts: tuple[UserQuest, ...] = ()


class Tally:
    """Counts what fans earned, started and completed."""

    def __init__(self) -> None:
        self.fans = 0
        self.item_fans: Counter[RewardItemId] = Counter()
        """Fans who earned any of the item by the rules."""
        self.item_totals: Counter[RewardItemId] = Counter()
        self.badges: Counter[BadgeId] = Counter()
        self.started: Counter[QuestId] = Counter()
        self.completed: Counter[QuestId] = Counter()
        self.left_out: Counter[str] = Counter()
        """Commands that could not be replayed, by reason."""


class RecordedActions(Protocol):
    """The recorded play of applications, read for a replay. Methods block; none holds the state for long.

    Raises `NotFound` or finds nothing for an unknown application.
    """

    def count_actions(self, client_id: ClientId) -> int: ...
    def groups(self, client_id: ClientId) -> Iterator[Sequence[Recorded]]:
        """Yields every fan once, ordered by profile id, in groups of which memory holds one at a time."""

    def earned(self, client_id: ClientId) -> Tally:
        """Counts what the fans have earned until now; `fans` and `left_out` stay 0."""


class RulesReplay:
    """Replays one fan after another by `game`'s rules; `tally` counts the result.

    A completed quest's rewards count as claimed at once. Fans could not start a quest in `new_quests`, because it
    did not exist: it starts with the first action that one of its tasks is linked to.
    """

    def __init__(self, game: Game, *, new_quests: frozenset[QuestId] = frozenset(), new_id: NewId = uuid7) -> None:
        self._game = _claiming(game)
        self._new_quests = new_quests
        self._new_id = new_id
        self.tally = Tally()

    def play(self, fans: Iterable[Recorded]) -> None:
        for recorded in fans:
            _FanReplay(self._game, recorded, self._new_quests, self._new_id, self.tally).run()
            self.tally.fans += 1


def _claiming(game: Game) -> Game:
    # Claims are not recorded, so completed quests pay at once.
    return Game(replace(game.application, auto_claim_quest_rewards=True), game.definitions)


class _FanReplay:
    def __init__(
        self, game: Game, recorded: Recorded, new_quests: frozenset[QuestId], new_id: NewId, tally: Tally
    ) -> None:
        self._recorded = recorded
        self._id = recorded.profile.id
        self._working = Working(game, fans={self._id: Fan(profile=recorded.profile)})
        self._new_quests = new_quests
        self._new_id = new_id
        self._tally = tally
        self._earned: Counter[RewardItemId] = Counter()

    def run(self) -> None:
        for _, now, command in sorted(self._commands(), key=lambda each: each[0]):
            self._play(command, now)
        fan = self._working.fans[self._id]
        self._tally.item_fans.update(self._earned.keys())
        self._tally.item_totals.update(self._earned)
        self._tally.badges.update(fan.badges.keys())
        self._tally.started.update(fan.user_quests.keys())
        self._tally.completed.update(each for each, run in fan.user_quests.items() if run.completed_at is not None)

    def _commands(self) -> Iterable[tuple[str, datetime, PlayCommand]]:
        """Yields the fan's commands with ids and times."""
        # The ids sort them, because all rows of a batch have the same time.
        client_id = self._recorded.profile.client_id
        # A run with an action's time was started by that action. These rules start it again, if they let actions do so.
        is_automatic = self._working.game.application.automatic_quest_processing
        by_actions = {each.created_at for each in self._recorded.actions} if is_automatic else set()
        for each in self._recorded.actions:
            invoke = InvokeAction(
                client_id=client_id,
                program_id=each.program_id,
                reward_action_key=each.reward_action_key,
                profile_id=self._id,
                attributes=each.attributes,
            )
            yield each.id, each.created_at, invoke
        for run in self._recorded.starts:
            if run.created_at in by_actions:
                continue
            yield run.id, run.created_at, StartQuest(client_id=client_id, profile_id=self._id, quest_id=run.quest_id)
        for row in self._recorded.transfers:
            kind = Credit if row.amount > 0 else Debit
            moved = kind(
                client_id=client_id,
                profile_id=self._id,
                reward_item_id=row.reward_item_id,
                reward_item_amount=abs(row.amount),
            )
            yield row.id, row.created_at, moved

    def _play(self, command: PlayCommand, now: datetime) -> None:
        if isinstance(command, InvokeAction):
            self._start_new_quests(command, now)
        try:
            decision = self._working.play(command, now, self._new_id)
        except Rejected as error:
            if not (isinstance(command, StartQuest) and isinstance(error, Conflict)):  # an action has started it
                self._tally.left_out[_reason(command, error)] += 1
            return
        for row in decision.transactions:
            if row.kind in EARNED:
                self._earned[row.reward_item_id] += row.amount

    def _start_new_quests(self, command: InvokeAction, now: datetime) -> None:
        game, begun = self._working.game, self._working.fans[self._id].user_quests
        for quest in game.quests_by_action.get(command.reward_action_key, ()):
            is_new = quest.id in self._new_quests and quest.id not in begun
            if is_new and quest_status(quest, now) == "active":
                # Started here: the application's own setting need not let actions start quests.
                start = StartQuest(client_id=command.client_id, profile_id=self._id, quest_id=quest.id)
                self._working.play(start, now, self._new_id)


def _reason(command: PlayCommand, error: Rejected) -> str:
    match command:
        case InvokeAction() if error.field == "reward_action_key":
            return f"actions {command.reward_action_key!r}, which these rules do not have"
        case InvokeAction() if error.field == "program_id":
            return "actions in a program that these rules do not have"
        case StartQuest():
            return "starts of a quest that could not be started by these rules"
        case Credit() | Debit():
            return "credits, debits and transfers that the balance or the items of these rules did not allow"
        case _:
            return f"actions refused: {error.message}"
