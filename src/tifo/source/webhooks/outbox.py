"""What the sender of webhooks needs from outside.

Each subscriber has a cursor over its application's facts. What is at or below the cursor and in no exception was
delivered, or is of an event that the subscriber did not ask for. An exception is a fact that waits for its next
attempt, one that waits behind such a fact of the same profile, or one that was set aside.
"""

from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum
from typing import NamedTuple, Protocol

from tifo.engagement.facts import AnyFact
from tifo.kernel.ids import ClientId, FactId, ProfileId
from tifo.source.webhooks.outgoing import FactContext


class Subscriber(NamedTuple):
    id: str
    client_id: ClientId
    url: str
    events: tuple[str, ...]
    secret: str
    """Its own, or the application's client secret."""
    created_at: datetime

    def __repr__(self) -> str:
        return f"Subscriber(id={self.id!r}, client_id={self.client_id!r}, url={self.url!r})"


class LateState(StrEnum):
    WAITING = "waiting"
    DEAD_LETTERED = "aside"


class PlacedFact(NamedTuple):
    """A fact at its place among all facts."""

    position: int
    fact: AnyFact
    attempts: int = 0
    first_at: datetime | None = None
    """When the first attempt failed."""


class Late(NamedTuple):
    """An exception: no attempt was made yet where `attempts` is 0."""

    position: int
    fact_id: FactId
    profile_id: ProfileId
    event: str
    state: LateState = LateState.WAITING
    attempts: int = 0
    first_at: datetime | None = None
    tried_at: datetime | None = None
    next_at: datetime | None = None
    status: int | None = None
    """Of the newest attempt's answer; 0 where none came."""
    answer: str | None = None


class OutboxReport(NamedTuple):
    to_send: int
    """Facts beyond the cursor, whether or not their event is wanted."""
    waiting: int
    aside: int
    delivered: int
    last_delivered: FactId | None
    last_delivered_at: datetime | None
    failed_in_a_row: int
    """New facts whose first attempt failed since the endpoint took one. From `sender.DEAD_AFTER` on, the line waits."""


class WebhookOutbox(Protocol):
    """Methods block; every change is durable on return. All raise `Transient` where the store is out of reach."""

    def subscribe(self, client_id: ClientId, url: str, events: Sequence[str], secret: str | None) -> Subscriber:
        """It gets the facts that come from now on. Raises `NotFound` for an unknown application, `Rejected` for what
        is no http(s) address or no event; none given means all six.
        """

    def subscribers(self, client_id: ClientId | None = None) -> Sequence[Subscriber]:
        """In the order of making; of all applications where none is named."""

    def unsubscribe(self, client_id: ClientId, subscriber_id: str) -> None:
        """With all that waits for it. Raises `NotFound`."""

    def new(self, subscriber: Subscriber, limit: int) -> Sequence[PlacedFact]:
        """The first facts beyond the cursor, whatever their event, in the order of commits."""

    def due(self, subscriber: Subscriber, now: datetime, limit: int) -> Sequence[PlacedFact]:
        """Of each profile the first waiting exception, where its time has come; those that wait longest first."""

    def waiting_profiles(self, subscriber: Subscriber, profile_ids: Sequence[ProfileId]) -> set[ProfileId]:
        """Those of them that have a waiting exception."""

    def contexts(self, facts: Sequence[AnyFact]) -> Sequence[FactContext]:
        """What the state tells beside each fact, all of one application."""

    def settle(
        self,
        subscriber: Subscriber,
        *,
        through: int | None = None,
        delivered: Sequence[PlacedFact] = (),
        late: Sequence[Late] = (),
        failed_in_a_row: int,
        at: datetime,
    ) -> None:
        """One transaction: the cursor moves to `through`, what was delivered is no exception, what is late is one."""

    def late(self, client_id: ClientId, subscriber_id: str, limit: int) -> Sequence[Late]:
        """Exceptions, oldest facts first. Raises `NotFound` for a subscriber that there is not."""

    def retry(self, client_id: ClientId, subscriber_id: str) -> int:
        """Everything that waits or was set aside is due now, and counts as not tried. Returns how many."""

    def report(self, client_id: ClientId, subscriber_id: str) -> OutboxReport: ...
