"""Reads the body of a request to the Tracking API: its envelope first (for the write key), then its messages.

A body that strict decoding refuses is read leniently: it is divided by its brackets, and each message is read alone.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

import msgspec

from tifo.kernel.errors import Rejected, TooLarge
from tifo.kernel.ids import NewId
from tifo.tracking.envelope import Check, Envelope, Message, Refused
from tifo.tracking.lenient import UnreadableEvent, decode_leniently, repaired
from tifo.tracking.limits import MAX_BATCH_EVENTS, MAX_BODY_BYTES, MAX_SHARED_BYTES, SAMPLE_BYTES
from tifo.tracking.messages import canonical, object_of
from tifo.tracking.nesting import shown
from tifo.tracking.outline import BYTE_ORDER_MARK, elements, outline
from tifo.tracking.plans.checking import MAX_VIOLATIONS, Verdict, Violation
from tifo.tracking.times import is_absent, parsed_time, receipt, time_violation

BATCH = "batch"
_DETAIL = 1_000
"""Characters of a refusal's reason that are stored."""
_CUT = b" ... "
_NULL = msgspec.Raw(b"null")
_EMPTY_OBJECTS = frozenset((b"null", b"{}", b"[]"))
"""What counts as an envelope without the object; PHP writes its empty arrays as `[]`."""


class TrackingRequest(msgspec.Struct, frozen=True):
    """Holds the parts of a body. Messages, context and integrations are not decoded before the write key is known."""

    call: str
    """`track`, …, or `batch`."""
    write_key: Any
    """As it was sent; `key` checks it."""
    sent_at: Any
    context: msgspec.Raw
    integrations: msgspec.Raw
    items: Sequence[msgspec.Raw]

    @property
    def key(self) -> str | None:
        """Returns the write key, None where there is none. Raises `Rejected` where it is no text."""
        if self.write_key is not None and not isinstance(self.write_key, str):
            message = f"writeKey is {shown(self.write_key)}, which is no text. Send a source's write key."
            raise Rejected(message, field="writeKey")
        return self.write_key


# The messages stay undecoded bytes: each is read alone, so that a broken one harms no neighbour.
class _Batch(msgspec.Struct, rename="camel"):
    batch: list[msgspec.Raw]
    write_key: Any = None
    sent_at: Any = None
    context: msgspec.Raw = _NULL
    integrations: msgspec.Raw = _NULL


class _Call(msgspec.Struct, rename="camel"):
    write_key: Any = None


_batch = msgspec.json.Decoder(_Batch)
_call = msgspec.json.Decoder(_Call)


def read_request(call: str, body: bytes) -> TrackingRequest:
    """Raises `Rejected` where the body is no JSON, or not of the call's shape: no message can be accepted then."""
    if len(body) > MAX_BODY_BYTES:
        raise TooLarge(
            f"The body has {len(body):,} bytes; at most {MAX_BODY_BYTES:,} are accepted. Send smaller batches.",
            code="payload_too_large",
        )
    try:
        request = _strictly(call, body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        found = _leniently(call, body.removeprefix(BYTE_ORDER_MARK))
        if found is None:
            raise _unreadable(call, error) from error
        request = found
    # Segment fails such a request on ingest under this code.
    if not request.items:
        raise Rejected("The batch holds no message. Send at least one.", code="empty_batch", field="batch")
    return request


def count_events(call: str, body: bytes) -> int:
    """Counts the messages of a body that is refused unread; 1 for a body that is no batch."""
    items = elements(outline(body).members.get("batch", b"")) if call == BATCH else None
    return len(items or b"1")


def _strictly(call: str, body: bytes) -> TrackingRequest:
    # A single call has its own sentAt, context and integrations: there is no envelope around it.
    if call != BATCH:
        return TrackingRequest(call, _call.decode(body).write_key, None, _NULL, _NULL, [msgspec.Raw(body)])
    batch = _batch.decode(body)
    return TrackingRequest(call, batch.write_key, batch.sent_at, batch.context, batch.integrations, batch.batch)


def _unreadable(call: str, error: Exception) -> Rejected:
    if isinstance(error, msgspec.ValidationError):
        return Rejected(f"The body is not what /v1/{call} takes: {error}. See Segment's Tracking API.")
    return Rejected(f"The body is no valid JSON: {error}. Send one JSON object, in UTF-8.", code="invalid_json")


def _leniently(call: str, body: bytes) -> TrackingRequest | None:
    """Returns None for a body that is no object, and for a batch without an array of messages."""
    members, strays = outline(body)
    write_key = _value(members.get("writeKey", b"null"))
    if call != BATCH:
        return TrackingRequest(call, write_key, None, _NULL, _NULL, [msgspec.Raw(body)]) if members else None
    items = elements(members.get("batch", b""))
    if items is None:
        return None
    return TrackingRequest(
        call=call,
        write_key=write_key,
        sent_at=_value(members.get("sentAt", b"null")),
        context=msgspec.Raw(members.get("context", b"null")),
        integrations=msgspec.Raw(members.get("integrations", b"null")),
        # A part that belongs nowhere may be an event: it is read or refused as one, never dropped in silence.
        items=[msgspec.Raw(item) for item in (*items, *strays)],
    )


def _value(raw: bytes) -> Any:
    """Returns the value, or the bytes themselves as text where they are no JSON."""
    try:
        return repaired(decode_leniently(raw), raw)[0]
    except (UnreadableEvent, RecursionError):
        return raw.decode(errors="replace")


class Read(NamedTuple):
    """Sorts the messages of one request."""

    good: list[Message]
    refused: list[Refused]
    """Invalid messages, and messages that the source's tracking plan blocks."""
    unplanned: list[Message]
    """All messages that are not as planned, or were repaired; accepted or blocked."""


def read_messages(request: TrackingRequest, received_at: datetime, new_id: NewId, check: Check | None = None) -> Read:
    """Writes valid messages in canonical form, and says why each other one is refused.

    An invalid message harms no message beside it. Raises `Rejected` where the envelope's context or integrations
    cannot be read: they are part of every message.
    """
    envelope = _envelope(request, received_at, check)
    read = Read([], [], [])
    for raw in request.items[:MAX_BATCH_EVENTS]:
        try:
            message = canonical(raw, envelope, new_id)
        except Rejected as error:
            read.refused.append(refusal(error, bytes(raw)))
            continue
        if message.verdict is None:
            read.good.append(message)
        else:
            _sort(message, message.verdict, bytes(raw), read)
    # Segment: the first 2,500 events of a batch are accepted, the excess is rejected.
    if excess := request.items[MAX_BATCH_EVENTS:]:
        detail = f"The batch holds more than {MAX_BATCH_EVENTS:,} messages; this one is beyond. Send smaller batches."
        read.refused.extend([Refused("bad_request", detail, bytes(excess[-1])[:SAMPLE_BYTES])] * len(excess))
    return read


def refusal(error: Rejected, sent: bytes, events: int = 1) -> Refused:
    """Describes the refusal of so many events, with a sample that shows the place at fault."""
    at = error.at if isinstance(error, UnreadableEvent) else 0
    return Refused(error.code, error.message[:_DETAIL], _sample(sent, at), events)


def _sample(sent: bytes, at: int) -> bytes:
    half, quarter = SAMPLE_BYTES // 2, SAMPLE_BYTES // 4
    if at < half + quarter:
        return sent[:SAMPLE_BYTES]
    return sent[: half - len(_CUT)] + _CUT + sent[at - quarter : at + quarter]


def _envelope(request: TrackingRequest, received_at: datetime, check: Check | None) -> Envelope:
    if request.call != BATCH:
        return Envelope(request.call, receipt(received_at, None), check=check)
    _check_shared(request)
    violations: list[Violation] = []
    if not is_absent(request.sent_at) and parsed_time(request.sent_at) is None:
        violations.append(time_violation("sentAt", request.sent_at))
    return Envelope(
        call=None,
        receipt=receipt(received_at, request.sent_at),
        context=_shared(request.context, "context", violations.extend),
        integrations=_shared(request.integrations, "integrations", violations.extend),
        check=check,
        violations=violations,
    )


def _check_shared(request: TrackingRequest) -> None:
    shared = len(bytes(request.context)) + len(bytes(request.integrations))
    messages = min(len(request.items), MAX_BATCH_EVENTS)
    if shared * messages > MAX_SHARED_BYTES:
        raise TooLarge(
            f"The batch's context and integrations have {shared:,} bytes and become part of each of its {messages:,}"
            f" messages; together at most {MAX_SHARED_BYTES:,} bytes are accepted. Send smaller batches.",
            code="payload_too_large",
            field="context",
        )


def _shared(raw: msgspec.Raw, field: str, note: Callable[[Sequence[Violation]], None]) -> Mapping[str, Any] | None:
    if raw is _NULL or bytes(raw).translate(None, b" \t\r\n") in _EMPTY_OBJECTS:
        return None
    value, violations = object_of(bytes(raw), field)
    note(violations[:MAX_VIOLATIONS])
    return value


def _sort(message: Message, verdict: Verdict, raw: bytes, read: Read) -> None:
    read.unplanned.append(message)
    if verdict.blocked is None:
        read.good.append(message)
        return
    violations = "; ".join(f"{each.field or verdict.name}: {each.description}" for each in verdict.violations)
    read.refused.append(
        Refused(verdict.blocked, f"Blocked by the tracking plan. {violations}"[:_DETAIL], raw[:SAMPLE_BYTES])
    )
