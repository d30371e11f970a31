"""The state that the in-memory twins share."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from tifo.engagement.access import TokenInfo
from tifo.engagement.batch import Working
from tifo.engagement.dispatch import Effects
from tifo.engagement.facts import AnyFact
from tifo.engagement.idempotency import FirstAnswers
from tifo.engagement.model import Game, InvokedAction, Transaction
from tifo.engagement.ports import Decision
from tifo.kernel.errors import NotFound
from tifo.kernel.ids import ClientId, EarnedBadgeId, LeaderboardId, ProfileId, RewardItemId


class ApplicationState:
    """One application: its game and fans, and everything that its accepted commands left behind, in order."""

    def __init__(self, game: Game, client_secret: str = "") -> None:
        self.working = Working(game)
        self.client_secret = client_secret
        self.transactions: list[Transaction] = []
        self.invoked: list[InvokedAction] = []
        self.facts: list[AnyFact] = []
        self.earned: dict[EarnedBadgeId, int] = {}
        """The position of each earned badge, in the order of earning."""
        self.locked: dict[LeaderboardId, dict[ProfileId, int]] = {}
        """The scores of each locked leaderboard, as they were when it was locked."""

    @property
    def game(self) -> Game:
        return self.working.game

    def store(self, effects: Effects) -> None:
        for decision in effects.decisions:
            self._store(decision)
        if effects.definitions:
            self._lock_boards()

    def scores(self, item_id: RewardItemId) -> dict[ProfileId, int]:
        """Returns the balances of all fans who ever had some of the item."""
        fans = self.working.fans.values()
        return {fan.profile.id: fan.balances[item_id] for fan in fans if item_id in fan.balances}

    def _store(self, decision: Decision) -> None:
        self.transactions += decision.transactions
        self.facts += decision.facts
        if decision.invoked is not None:
            self.invoked.append(decision.invoked)
        for fan in decision.fans:
            for earned in fan.badges.values():
                # A badge that is awarded again after it was revoked keeps its first position.
                self.earned.setdefault(earned.id, len(self.earned))

    def _lock_boards(self) -> None:
        locked = {board.id: board.reward_item_id for board in self.game.leaderboards.values() if board.is_locked}
        self.locked = {
            # A leaderboard that is locked already keeps its scores, whatever definition changes beside it.
            board_id: self.locked[board_id] if board_id in self.locked else self.scores(item_id)
            for board_id, item_id in locked.items()
        }


@dataclass(frozen=True, kw_only=True)
class StoredToken:
    digest: bytes
    client_id: ClientId | None
    """None for a token of the organisation."""
    info: TokenInfo


@dataclass
class InMemoryState:
    """All applications and tokens, as one database holds them."""

    applications: dict[ClientId, ApplicationState] = field(default_factory=dict)
    tokens: list[StoredToken] = field(default_factory=list)
    answers: FirstAnswers = field(default_factory=FirstAnswers)

    @classmethod
    def of(cls, games: Iterable[Game]) -> "InMemoryState":
        """Makes a state with these games, in which nothing was played yet."""
        return cls({game.application.id: ApplicationState(game) for game in games})

    def application(self, client_id: ClientId) -> ApplicationState:
        if client_id not in self.applications:
            raise NotFound(f"There is no application {client_id!r:.100}.", field="client_id")
        return self.applications[client_id]
