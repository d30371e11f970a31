"""Engagement's contracts: the engine that accepts commands, the queries that read, and the audit of the ledger."""

from collections.abc import Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from datetime import datetime
from typing import Any, Generic, NamedTuple, Protocol, TypeVar

import msgspec

from tifo.engagement.commands import Command
from tifo.engagement.facts import AnyFact
from tifo.engagement.leaderboards import Places, Standing
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
    """The fans and keys that a batch of one application's play commands may touch, loaded beforehand.

    The rules find every fan by profile id here. An absent key means that there is none.
    """

    fans: Mapping[ProfileId, Fan]
    by_custom_id: Mapping[str, ProfileId]
    by_user_quest: Mapping[UserQuestId, ProfileId]
    by_user_quest_task: Mapping[UserQuestTaskId, ProfileId]
    by_earned_badge: Mapping[EarnedBadgeId, ProfileId]
    used_codes: AbstractSet[tuple[ProfileId, str, str]] = frozenset()
    """(profile, action key, code) of the batch's codes that were used before."""


class Decision(NamedTuple):
    """Holds one accepted command's effects, which are applied whole or not at all."""

    answer: Any
    """A value of the command's answer type."""
    fans: tuple[Fan, ...] = ()
    """The new state of each fan that changed (or was created)."""
    transactions: tuple[Transaction, ...] = ()
    invoked: InvokedAction | None = None
    facts: tuple[AnyFact, ...] = ()
    """In causal order."""


class Idempotency(NamedTuple):
    """The `Idempotency-Key` header and a digest of method, path and body. Keys are scoped to the application."""

    # The digest tells a repeated request from another one with the same key, which would get a wrong answer.

    key: str
    digest: bytes


class Engine(Protocol):
    """Accepts commands. State, ledger and facts of a command commit in one transaction, shared with others'."""

    async def handle(self, command: Command[A], idempotency: Idempotency | None = None) -> A:
        """Returns the answer as soon as it is durable.

        Raises `Rejected` (and its children) for bad input, with nothing changed; `Overloaded` if the bounded queue
        is full; `Transient` if the store cannot be reached. With `idempotency`, the same key and digest again give
        the first answer again; another digest raises `KeyReused`, a `Conflict`.
        """


# LiveLike's envelope needs a `count`, and an exact one reads the whole list.
COUNTED = 10_000
"""Lists are counted up to this number."""


class Anchor(NamedTuple):
    """A page's place: beside one row of the list, so that rows added or removed since do not shift the page."""

    before: int | None = None
    """The page begins right behind the row at this position, in the order of the list."""
    after: int | None = None
    """The page ends right in front of the row at this position."""


NOWHERE = Anchor()
"""Without an anchor, the page's number says where the page begins."""


class Page(msgspec.Struct, Generic[T_co], frozen=True, kw_only=True):
    """One page of a list; `number` counts from 1."""

    count: int
    """At most `COUNTED`, if the list is not in memory."""
    results: Sequence[T_co]
    number: int
    size: int
    first: int | None = None
    """The positions of the first and the last row, for anchors; None if the list has no positions."""
    last: int | None = None
    more: bool | None = None
    """Whether rows follow; None if `count` says so."""


class InvokedFilter(msgspec.Struct, frozen=True, kw_only=True):
    """Selects invoked actions. Every given field narrows, and several values of one field widen.

    An action must have all of `attributes`.
    """

    profile_ids: Sequence[ProfileId] = ()
    program_id: ProgramId | None = None
    reward_action_keys: Sequence[str] = ()
    codes: Sequence[str] = ()
    attributes: Attributes = ()
    since: datetime | None = None
    until: datetime | None = None
    oldest_first: bool = False


EARNED = (TransactionKind.REWARD_TABLE, TransactionKind.QUEST)
"""Kinds that the rules pay. Fans or operators cause the others."""


class TransactionFilter(msgspec.Struct, frozen=True, kw_only=True):
    """Selects ledger rows. Every given field narrows, and several values of one field widen."""

    profile_ids: Sequence[ProfileId] = ()
    reward_item_ids: Sequence[RewardItemId] = ()
    reward_action_keys: Sequence[str] = ()
    created_since: datetime | None = None
    created_until: datetime | None = None
    # Credits, debits and transfers are in the ledger too, and would appear as rewards.
    kinds: Sequence[TransactionKind] = EARNED
    """LiveLike's reward-transactions list earned rewards only. An empty sequence selects all kinds."""


class Standings(Protocol):
    """Fans' places on leaderboards: exact, and from the same commit as their balances. Methods block.

    A leaderboard holds all fans who ever had some of its item, also those who have 0 left. The order is by score,
    the highest first, then by profile id.
    """

    def client_of_leaderboard(self, leaderboard_id: LeaderboardId) -> ClientId:
        """Raises `NotFound` for an unknown or deleted leaderboard."""

    def standings(self, leaderboard: Leaderboard, *, page: int = 1, size: int = 20) -> Page[Standing]: ...
    def standings_of(self, leaderboard: Leaderboard, profile_ids: Sequence[ProfileId]) -> Places:
        """Returns the places of these fans in the leaderboard's order, without fans who are not on it."""


class Glance(NamedTuple):
    """A game and one fan's balances, read together."""

    # The hottest reads need just these, so one query answers many of them (livelike/batched_reads.py).

    game: Game
    balances: Mapping[RewardItemId, int]
    """Empty if no fan was asked for."""


class Queries(Standings, Protocol):
    """Reads for routes. Methods block; call them off the event loop. Lists are newest first and stable.

    Raises `NotFound` for an unknown client id, and for a profile of another application.
    """

    def game(self, client_id: ClientId) -> Game: ...
    def client_secret(self, client_id: ClientId) -> str: ...
    def client_of_producer_token(self, token: str) -> ClientId | None:
        """Returns None for an invalid token. Tokens are stored as digests and compared in constant time."""

    def glances(self, asked: Sequence[tuple[ClientId, ProfileId | None]]) -> Sequence[Glance | Exception]:
        """Answers the n-th question by the n-th answer, or by the error that refuses it."""

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


class LedgerTrace(Protocol):
    """Finds ledger rows of any application, for a person who follows an achievement. Methods block."""

    def about(self, wanted: str, *, limit: int) -> Sequence[Transaction]:
        """Returns the transaction with this id, or the newest of the profile with this id; oldest first."""


class LedgerAudit(Protocol):
    """Proves what the state can prove alone: balances, ledger and facts agree with one another. Methods block."""

    def problems(self) -> Sequence[str]:
        """Returns one sentence for each kind of problem, with its count and the first few ids; none if all is well."""

    def facts_by_application(self) -> Mapping[ClientId, int]:
        """Counts the facts of each application that has any."""

    def fact_ids(self, client_id: ClientId) -> Iterator[Sequence[FactId]]:
        """Yields the ids of facts in the order of their commits, some thousands at a time."""


class NewApplication(msgspec.Struct, frozen=True, kw_only=True):
    """A new application with its secrets. They are shown once: the producer token is stored as a digest only."""

    application: Application
    client_secret: str
    producer_token: str
