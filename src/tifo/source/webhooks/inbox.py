"""What the intake of LiveLike's webhooks needs from outside, and what is kept of each webhook."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import NamedTuple, Protocol

from tifo.kernel.ids import SourceId
from tifo.source.webhooks.incoming import SignedForm


@dataclass(frozen=True)
class Intake:
    """How one source takes LiveLike's webhooks."""

    source_id: SourceId
    client_secret: str = field(repr=False)
    signed_form: SignedForm = SignedForm.BYTES
    api: str | None = None
    """Base address of LiveLike's API, such as `https://cf-blast.livelikecdn.com/api/v1/`; None: not set yet."""
    token: str | None = field(default=None, repr=False)
    """A producer's."""


class WebhookState(StrEnum):
    WAITING = "waiting"
    """To be sent, or held back because something cannot be looked up yet."""
    SENT = "sent"
    IGNORED = "ignored"
    """Of an event that is none of the six."""
    DEAD_LETTERED = "aside"
    """It cannot become an event as it is. Kept whole; it may be tried again."""


class ReceivedWebhook(NamedTuple):
    source_id: SourceId
    webhook_id: str
    event: str
    body: bytes
    received_at: datetime


class WaitingWebhook(NamedTuple):
    number: int
    """In the order of arrival."""
    webhook_id: str
    event: str
    body: bytes
    received_at: datetime
    attempts: int
    """That did not get it sent."""


class WebhookOutcome(NamedTuple):
    number: int
    state: WebhookState
    reason: str | None = None
    next_at: datetime | None = None
    """When a waiting one is tried again."""


class HeldWebhook(NamedTuple):
    """A webhook that someone may have to look at: it waits after a failure, or stands aside."""

    webhook_id: str
    event: str
    state: WebhookState
    received_at: datetime
    attempts: int
    reason: str | None
    next_at: datetime | None


class WebhookInbox(Protocol):
    """Methods block. Every change is durable on return. All raise `Transient` where the store is out of reach."""

    def intakes(self) -> Sequence[Intake]: ...

    def configure(self, intake: Intake) -> None:
        """Replaces the source's earlier one; None for `api` or `token` leaves those as they were."""

    def add(self, batch: Sequence[ReceivedWebhook]) -> list[bool]:
        """Keep those whose (source, id) is new, in one transaction. The n-th answer: whether the n-th was new.

        Ids are remembered until `forget`.
        """

    def due(self, source_id: SourceId, now: datetime, limit: int) -> Sequence[WaitingWebhook]:
        """Waiting ones whose time has come, in the order of arrival."""

    def settle(self, outcomes: Sequence[WebhookOutcome]) -> None:
        """One transaction. What is sent or ignored keeps its id but not its body."""

    def held(self, source_id: SourceId, limit: int) -> Sequence[HeldWebhook]: ...

    def counts(self, source_id: SourceId) -> dict[WebhookState, int]:
        """Of those not forgotten."""

    def retry(self, source_id: SourceId, at: datetime) -> int:
        """What waits or stands aside is tried again at once. Returns how many."""

    def forget(self, before: datetime) -> int:
        """Sent and ignored ones that were received before. Returns how many."""
