"""What goes into reading a message, and what comes out: the same for the usual ones and for all others."""

from collections.abc import Mapping
from typing import Any, NamedTuple, Protocol

import msgspec

from tifo.kernel.ids import MessageId
from tifo.tracking.plans.checking import Verdict
from tifo.tracking.times import Receipt


class Check(Protocol):
    """By the source's tracking plan."""

    parts: frozenset[str] | None
    """The fields of an event that it looks at, beside its type and name; None for all of them."""

    def __call__(self, event: Mapping[str, Any]) -> Verdict | None:
        """It may take properties out of the event that it is given. None for an event that is as planned."""


class Message(msgspec.Struct, frozen=True, gc=False):
    message_id: MessageId
    body: bytes
    """Canonical: one JSON object, UTF-8, no newline."""
    verdict: Verdict | None = None
    """Of the source's tracking plan, where the message is not as planned."""


class Refused(NamedTuple):
    """One message that failed on ingest: counted under Segment's code, with a sample of what came."""

    code: str
    detail: str
    sample: bytes
    """The start of the message as it was sent: at most `SAMPLE_BYTES`."""


class Envelope(NamedTuple):
    """What the messages of one request share."""

    call: str | None
    """The type, where the path says it; None in a batch, where each message does."""
    receipt: Receipt
    context: Mapping[str, Any] | None = None
    integrations: Mapping[str, Any] | None = None
    check: Check | None = None
