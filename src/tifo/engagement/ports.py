"""What the engagement half needs from outside, and what it offers to those who route requests to it."""

from collections.abc import Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from datetime import datetime
from typing import Any, Generic, NamedTuple, Protocol, TypeVar

import msgspec

from tifo.engagement.commands import Command
from tifo.engagement.facts import AnyFact
from tifo.engagement.leaderboards import Standing
from tifo.engagement.model import (
    Application,
    Attributes,
    EarnedBadge,
    Fan,
    Game,
    InvokedAction,
    Leaderboard,
    Profile,
    Transaction,
    TransactionKind,
    UserQuest,
)
from tifo.kernel.ids import (
    BadgeId,
    ClientId,
    EarnedBadgeId,
    FactId,
    LeaderboardId,
    ProfileId,
    ProgramId,
    QuestId,
    RewardItemId,
    UserQuestId,
    UserQuestTaskId,
)

A = TypeVar("A")
T_co = TypeVar("T_co", covariant=True)


class BatchState(NamedTuple):
    """What a batch of play commands of one application may touch, loaded beforehand with a few queries.

    Absent keys mean "there is none". The rules find every fan by profile id here.
    """

    fans: Mapping[ProfileId, Fan]
    by_custom_id: Mapping[str, ProfileId]
    by_user_quest: Mapping[UserQuestId, ProfileId]
    by_user_quest_task: Mapping[UserQuestTaskId, ProfileId]
    by_earned_badge: Mapping[EarnedBadgeId, ProfileId]
    used_codes: AbstractSet[tuple[ProfileId, str, str]] = frozenset()
    """(profile, action key, code) of those among the batch's codes that were used before."""


class Decision(NamedTuple):
    """One accepted command's effects: applied whole, or not at all."""

    answer: Any
    """Of the command's answer type."""
    fans: tuple[Fan, ...] = ()
    """The new state of each fan that changed (or was created)."""
    transactions: tuple[Transaction, ...] = ()
    invoked: InvokedAction | None = None
    facts: tuple[AnyFact, ...] = ()
    """In causal order."""


class Idempotency(NamedTuple):
    """The `Idempotency-Key` header and a digest of method, path and body. Keys are scoped to the application."""

    key: str
    digest: bytes


class Engine(Protocol):
    """Accepts commands. State, ledger and facts of a command commit in one transaction, shared with others'."""

    async def handle(self, command: Command[A], idempotency: Idempotency | None = None) -> A:
        """The answer, once it is durable.

        Raises `Rejected` (and its children) for bad input, with nothing changed; `Overloaded` where the bounded
        queue is full; `Transient` where the store is out of reach. With `idempotency`: the same key and digest
        again gives the first answer again, another digest raises `Conflict`.
        """


COUNTED = 10_000
"""Lists are counted so far: the cost of a page must not grow with its list."""


class Anchor(NamedTuple):
    """Where a page begins: behind one row of the list, so that rows added or removed since shift nothing."""

    before: int | None = None
    """The rows that follow, in the order of the list, the row at this position."""
    after: int | None = None
    """The page that ends right in front of the row at this position."""


NOWHERE = Anchor()
"""Then the page's number tells where it begins."""


class Page(msgspec.Struct, Generic[T_co], frozen=True):
    """One page of a list; `number` counts from 1."""

    count: int
    """At most `COUNTED` where the list is not in memory."""
    results: Sequence[T_co]
    number: int
    size: int
    first: int | None = None
    """The positions of the first and the last row, for anchors; None where the list has none."""
    last: int | None = None
    more: bool | None = None
    """Whether rows follow; None where `count` tells."""


class InvokedFilter(msgspec.Struct, frozen=True, kw_only=True):
    """Every given field narrows; several values of one field widen, but all of `attributes` must be there."""

    profile_ids: Sequence[ProfileId] = ()
    program_id: ProgramId | None = None
    reward_action_keys: Sequence[str] = ()
    codes: Sequence[str] = ()
    attributes: Attributes = ()
    since: datetime | None = None
    until: datetime | None = None
    oldest_first: bool = False


EARNED = (TransactionKind.REWARD_TABLE, TransactionKind.QUEST)


class TransactionFilter(msgspec.Struct, frozen=True, kw_only=True):
    """Every given field narrows; several values of one field widen."""

    profile_ids: Sequence[ProfileId] = ()
    reward_item_ids: Sequence[RewardItemId] = ()
    reward_action_keys: Sequence[str] = ()
    created_since: datetime | None = None
    created_until: datetime | None = None
    kinds: Sequence[TransactionKind] = EARNED
    """LiveLike's reward-transactions list what was earned. None given: all kinds."""


class Standings(Protocol):
    """Where fans stand: exact, and of the same commit as their balances. Methods block.

    On a leaderboard are all fans who ever had some of its item, also those who have 0 left. The order is by score,
    the highest first, then by profile id.
    """

    def client_of_leaderboard(self, leaderboard_id: LeaderboardId) -> ClientId:
        """`NotFound` for an id of none, also for a deleted one."""

    def standings(self, leaderboard: Leaderboard, *, page: int = 1, size: int = 20) -> Page[Standing]: ...
    def standings_of(self, leaderboard: Leaderboard, profile_ids: Sequence[ProfileId]) -> Sequence[Standing]:
        """In their order. Fans who are not on it are not in the answer."""

    def standings_count(self, leaderboard: Leaderboard) -> int: ...


class Glance(NamedTuple):
    game: Game
    balances: Mapping[RewardItemId, int]
    """Of the fan who was asked for; empty where none was."""


class Queries(Standings, Protocol):
    """Reads, for routes. Methods block; call them off the event loop. Lists are newest first and stable.

    `NotFound` where the client id is unknown; a profile of another application is not found either.
    """

    def game(self, client_id: ClientId) -> Game: ...
    def client_secret(self, client_id: ClientId) -> str: ...
    def client_of_producer_token(self, token: str) -> ClientId | None:
        """None for a token that is not valid. Tokens are stored as digests and compared in constant time."""

    def glances(self, asked: Sequence[tuple[ClientId, ProfileId | None]]) -> Sequence[Glance | Exception]:
        """The n-th answer, or what it is refused with, belongs to the n-th question."""

    def profile(self, client_id: ClientId, profile_id: ProfileId) -> Profile: ...
    def profile_by_custom_id(self, client_id: ClientId, custom_id: str) -> Profile: ...
    def fan(self, client_id: ClientId, profile_id: ProfileId) -> Fan: ...
    def profiles(self, client_id: ClientId, profile_ids: Sequence[ProfileId]) -> dict[ProfileId, Profile]: ...
    def user_quest(self, client_id: ClientId, user_quest_id: UserQuestId) -> UserQuest: ...
    def user_quests(
        self,
        client_id: ClientId,
        profile_id: ProfileId,
        *,
        quest_ids: Sequence[QuestId] = (),
        ids: Sequence[UserQuestId] = (),
        page: int = 1,
        size: int = 20,
    ) -> Page[UserQuest]: ...
    def transactions(
        self, client_id: ClientId, where: TransactionFilter, *, page: int = 1, size: int = 20, anchor: Anchor = NOWHERE
    ) -> Page[Transaction]: ...
    def invoked_actions(
        self, client_id: ClientId, where: InvokedFilter, *, page: int = 1, size: int = 20, anchor: Anchor = NOWHERE
    ) -> Page[InvokedAction]: ...
    def earned_badges(
        self,
        client_id: ClientId,
        *,
        profile_id: ProfileId | None = None,
        badge_id: BadgeId | None = None,
        page: int = 1,
        size: int = 20,
        anchor: Anchor = NOWHERE,
    ) -> Page[EarnedBadge]: ...
    def earned_badge(self, client_id: ClientId, earned_badge_id: EarnedBadgeId) -> EarnedBadge:
        """Revoked ones are neither listed nor found."""


class LedgerAudit(Protocol):
    """Proves what the state can prove alone: balances, ledger and facts agree with one another. Methods block."""

    def problems(self) -> Sequence[str]:
        """One sentence for each kind of problem, with their number and the first few ids. Empty if all is well."""

    def facts_by_application(self) -> Mapping[ClientId, int]:
        """The number of facts of each application that has any."""

    def fact_ids(self, client_id: ClientId) -> Iterator[Sequence[FactId]]:
        """Facts' ids in the order of their commits, some thousands at a time."""


class NewApplication(msgspec.Struct, frozen=True, kw_only=True):
    """Shown once: the producer token is stored as a digest only."""

    application: Application
    client_secret: str
    producer_token: str
