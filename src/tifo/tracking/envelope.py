"""Defines the input and the results of reading a message, alike for `usual` and `messages`."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, Protocol

import msgspec

from tifo.kernel.ids import MessageId
from tifo.tracking.plans.checking import Verdict, Violation
from tifo.tracking.times import Receipt


class Check(Protocol):
    """Checks an event against the source's tracking plan."""

    parts: frozenset[str] | None
    """The fields of an event that it reads beside type and name; None for all of them."""

    def __call__(self, event: Mapping[str, Any]) -> Verdict | None:
        """Returns None for an event that is as planned. May remove properties from the event that it gets."""


class Message(msgspec.Struct, frozen=True, gc=False):
    message_id: MessageId
    body: bytes
    """Canonical: one JSON object, UTF-8, no newline."""
    verdict: Verdict | None = None
    """Set where the message is not as the source's tracking plan expects, or was repaired."""


class Refused(NamedTuple):
    """Describes messages that failed on ingest, under Segment's code, with a sample of what was sent."""

    code: str
    detail: str
    sample: bytes
    """The message as it was sent, cut to `SAMPLE_BYTES`."""
    events: int = 1
    """The number of messages: those of a request that is refused whole share one reason and sample."""


class Envelope(NamedTuple):
    """Holds the values that all messages of one request share."""

    call: str | None
    """The type where the path names it; None in a batch, where each message has its own."""
    receipt: Receipt
    context: Mapping[str, Any] | None = None
    integrations: Mapping[str, Any] | None = None
    check: Check | None = None
    violations: Sequence[Violation] = ()
    """What could not be read in the envelope, or was repaired: it concerns all messages."""
