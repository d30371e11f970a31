"""Specifies the store of received LiveLike webhooks, until each is sent on as an event."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import NamedTuple, Protocol

from tifo.kernel.ids import SourceId
from tifo.leases.ports import Lease
from tifo.source.webhooks.incoming import SignedForm


@dataclass(frozen=True)
class Intake:
    """Holds one source's settings for receiving LiveLike's webhooks."""

    source_id: SourceId
    client_secret: str = field(repr=False)
    signed_form: SignedForm = SignedForm.BYTES
    api: str | None = None
    """Base address of LiveLike's API, such as `https://cf-blast.livelikecdn.com/api/v1/`; None: not set yet."""
    token: str | None = field(default=None, repr=False)
    """A producer's access token for that API."""


class WebhookState(StrEnum):
    WAITING = "waiting"
    """To be sent, at once or after a pause."""
    SENT = "sent"
    IGNORED = "ignored"
    """Its event is none of the six."""
    DEAD_LETTERED = "aside"  # the value that is stored and shown
    """It cannot become an event as it is. It is stored whole, and may be tried again."""


DONE = frozenset((WebhookState.SENT, WebhookState.IGNORED))


class ReceivedWebhook(NamedTuple):
    source_id: SourceId
    webhook_id: str
    event: str
    body: bytes
    received_at: datetime


class WaitingWebhook(NamedTuple):
    number: int
    """Numbers follow the order of arrival."""
    webhook_id: str
    event: str
    body: bytes
    received_at: datetime
    attempts: int
    """Attempts that failed."""


class WebhookOutcome(NamedTuple):
    """Holds one attempt's result."""

    number: int
    state: WebhookState
    reason: str | None = None
    next_at: datetime | None = None
    """When a waiting webhook is tried again."""


class HeldWebhook(NamedTuple):
    """Shows a webhook that waits after a failure, or is dead-lettered."""

    webhook_id: str
    event: str
    state: WebhookState
    received_at: datetime
    attempts: int
    reason: str | None
    next_at: datetime | None


class WebhookInbox(Protocol):
    """Methods block. Every change is durable on return. All raise `Transient` where the store is out of reach."""

    def intakes(self) -> Sequence[Intake]:
        """Returns all sources' settings, in the order of the sources' ids."""

    def configure(self, intake: Intake) -> None:
        """Replaces the source's settings. None for `api` or `token` leaves those as they were."""

    def add(self, batch: Sequence[ReceivedWebhook]) -> list[bool]:
        """Stores the webhooks whose (source, id) is new, in one transaction. The n-th answer: whether the n-th was new.

        Ids are remembered until `forget`.
        """

    def due(self, source_id: SourceId, now: datetime, limit: int) -> Sequence[WaitingWebhook]:
        """Returns the waiting webhooks whose pause is over, in the order of arrival."""

    def settle(self, outcomes: Sequence[WebhookOutcome], *, under: Lease | None = None) -> None:
        """Stores the results of attempts, in one transaction.

        A sent or ignored webhook's body is deleted, its id stays. Any other outcome counts as a failed attempt. Raises
        `LeaseLost`, with nothing stored, where the lease is not its holder's any more.
        """

    def held(self, source_id: SourceId, limit: int) -> Sequence[HeldWebhook]:
        """Returns the webhooks that failed at least once and are not done, in the order of arrival."""

    def counts(self, source_id: SourceId) -> dict[WebhookState, int]:
        """Counts the webhooks that are not forgotten. Every state has a count."""

    def retry(self, source_id: SourceId, at: datetime) -> int:
        """Makes all waiting and dead-lettered webhooks due at `at`, as if never tried. Returns how many."""

    # Waiting and dead-lettered webhooks stay: each is an event that has not been sent.
    def forget(self, before: datetime) -> int:
        """Deletes sent and ignored webhooks that were received before `before`. Returns how many."""
