"""Specifies the store from which webhooks are sent to their subscribers.

Each subscriber has a cursor over its application's facts. A fact at or below the cursor that is not undelivered was
delivered, or its event is none that the subscriber asked for; deliveries leave no row. An undelivered webhook waits for
its next attempt, waits behind such a webhook of the same profile, or is dead-lettered.
"""

from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum
from typing import NamedTuple, Protocol

from tifo.engagement.facts import AnyFact
from tifo.kernel.ids import ClientId, FactId, ProfileId
from tifo.leases.ports import Lease
from tifo.source.webhooks.outgoing import FactContext


class Subscriber(NamedTuple):
    id: str
    client_id: ClientId
    url: str
    events: tuple[str, ...]
    secret: str
    """The subscriber's own secret, or else the application's client secret."""
    created_at: datetime

    def __repr__(self) -> str:
        # Without the secret: values are written into logs and tracebacks by their repr.
        return f"Subscriber(id={self.id!r}, client_id={self.client_id!r}, url={self.url!r})"


class UndeliveredWebhookState(StrEnum):
    WAITING = "waiting"
    DEAD_LETTERED = "aside"  # the value that is stored and shown


class PlacedFact(NamedTuple):
    """Pairs a fact with its position among all facts."""

    position: int
    fact: AnyFact
    attempts: int = 0
    """Attempts that failed."""
    first_at: datetime | None = None
    """When the first attempt failed."""


class UndeliveredWebhook(NamedTuple):
    """Holds a webhook behind the cursor. `attempts` is 0 while it only waits behind another one of its profile."""

    position: int
    fact_id: FactId
    profile_id: ProfileId
    event: str
    state: UndeliveredWebhookState = UndeliveredWebhookState.WAITING
    attempts: int = 0
    first_at: datetime | None = None
    tried_at: datetime | None = None
    next_at: datetime | None = None
    status: int | None = None
    """The newest answer's status; 0 where none came."""
    answer: str | None = None


class OutboxReport(NamedTuple):
    to_send: int
    """Facts beyond the cursor, whether or not the subscriber asked for their event."""
    waiting: int
    dead_lettered: int
    delivered: int
    last_delivered: FactId | None
    last_delivered_at: datetime | None
    failed_in_a_row: int
    """New facts whose first attempt failed since the endpoint accepted one. From `DEAD_AFTER` on, all wait."""


class WebhookOutbox(Protocol):
    """Methods block; every change is durable on return. All raise `Transient` where the store is out of reach."""

    def subscribe(self, client_id: ClientId, url: str, events: Sequence[str], secret: str | None) -> Subscriber:
        """Adds a subscriber, who gets the facts that are committed from now on. No `events` means all six.

        Raises `NotFound` for an unknown application, `Rejected` for another URL than http(s) or an unknown event.
        """

    def subscribers(self, client_id: ClientId | None = None) -> Sequence[Subscriber]:
        """Returns one application's subscribers, or all, in the order in which they were made. Raises `NotFound`."""

    def unsubscribe(self, client_id: ClientId, subscriber_id: str) -> None:
        """Deletes the subscriber and all that waits for it. Raises `NotFound`."""

    def new(self, subscriber: Subscriber, limit: int) -> Sequence[PlacedFact]:
        """Returns the first facts beyond the cursor, whatever their event, in the order of commits."""

    def due(self, subscriber: Subscriber, now: datetime, limit: int) -> Sequence[PlacedFact]:
        """Returns each profile's first waiting webhook, if it is due. Never tried ones first, then the longest due."""

    def waiting_profiles(self, subscriber: Subscriber, profile_ids: Sequence[ProfileId]) -> set[ProfileId]:
        """Returns those of the profiles that have a waiting webhook: their new facts must wait behind it."""

    def contexts(self, facts: Sequence[AnyFact]) -> Sequence[FactContext]:
        """Reads what webhooks say beside each fact from the state. The facts are all of one application."""

    def settle(
        self,
        subscriber: Subscriber,
        *,
        through: int | None = None,
        delivered: Sequence[PlacedFact] = (),
        undelivered: Sequence[UndeliveredWebhook] = (),
        failed_in_a_row: int,
        at: datetime,
        under: Lease | None = None,
    ) -> None:
        """Stores the results of attempts, in one transaction.

        The cursor moves on to `through`, and never back. `delivered` webhooks stop being undelivered, `undelivered`
        ones are stored. Does nothing for a subscriber that was deleted meanwhile. Raises `LeaseLost`, with nothing
        stored, where the lease is not its holder's any more.
        """

    def undelivered(self, client_id: ClientId, subscriber_id: str, limit: int) -> Sequence[UndeliveredWebhook]:
        """Returns undelivered webhooks, oldest facts first. Raises `NotFound` for an unknown subscriber."""

    def retry(self, client_id: ClientId, subscriber_id: str) -> int:
        """Makes all undelivered webhooks due at once, as if never tried. Returns how many."""

    def report(self, client_id: ClientId, subscriber_id: str) -> OutboxReport:
        """Counts the subscriber's facts. Raises `NotFound` for an unknown subscriber."""
