"""Reads the body of a request to the Tracking API: its envelope first (for the write key), then its messages."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple

import msgspec

from tifo.kernel.errors import Rejected, TooLarge
from tifo.kernel.ids import NewId
from tifo.tracking.envelope import Check, Envelope, Message, Refused
from tifo.tracking.limits import MAX_BATCH_EVENTS, MAX_BODY_BYTES, SAMPLE_BYTES
from tifo.tracking.messages import canonical
from tifo.tracking.plans.checking import Verdict
from tifo.tracking.times import receipt

BATCH = "batch"
_DETAIL = 1_000
"""Characters of a refusal's reason that are stored."""


class TrackingRequest(msgspec.Struct, frozen=True):
    """Holds a body of the right shape. Its messages are not decoded before their write key is known."""

    call: str
    """`track`, …, or `batch`."""
    write_key: str | None
    sent_at: str | None
    context: dict[str, Any] | None
    integrations: dict[str, Any] | None
    items: Sequence[msgspec.Raw]


# The messages stay undecoded bytes: each is read alone, so that a broken one harms no neighbour.
class _Batch(msgspec.Struct, rename="camel"):
    batch: list[msgspec.Raw]
    write_key: str | None = None
    sent_at: str | None = None
    context: dict[str, Any] | None = None
    integrations: dict[str, Any] | None = None


class _Call(msgspec.Struct, rename="camel"):
    write_key: str | None = None


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
        # A single call has its own sentAt, context and integrations: there is no envelope around it.
        if call != BATCH:
            return TrackingRequest(call, _call.decode(body).write_key, None, None, None, [msgspec.Raw(body)])
        batch = _batch.decode(body)
    except msgspec.ValidationError as error:
        raise Rejected(f"The body is not what /v1/{call} takes: {error}. See Segment's Tracking API.") from error
    except RecursionError as error:
        raise Rejected("The body is nested too deeply. Send flatter properties.") from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Rejected(
            f"The body is no valid JSON: {error}. Send one JSON object, in UTF-8.", code="invalid_json"
        ) from error
    # Segment fails such a request on ingest under this code.
    if not batch.batch:
        raise Rejected("The batch holds no message. Send at least one.", code="empty_batch", field="batch")
    return TrackingRequest(call, batch.write_key, batch.sent_at, batch.context, batch.integrations, batch.batch)


class Read(NamedTuple):
    """Sorts the messages of one request."""

    good: list[Message]
    refused: list[Refused]
    """Invalid messages, and messages that the source's tracking plan blocks."""
    unplanned: list[Message]
    """All messages that are not as planned, accepted or blocked."""


def read_messages(request: TrackingRequest, received_at: datetime, new_id: NewId, check: Check | None = None) -> Read:
    """Writes valid messages in canonical form, and says why each other one is refused.

    Never raises: an invalid message must not harm the messages beside it.
    """
    envelope = Envelope(
        call=None if request.call == BATCH else request.call,
        receipt=receipt(received_at, request.sent_at),
        context=request.context,
        integrations=request.integrations,
        check=check,
    )
    read = Read([], [], [])
    for raw in request.items[:MAX_BATCH_EVENTS]:
        try:
            message = canonical(raw, envelope, new_id)
        except Rejected as error:
            read.refused.append(Refused(error.code, error.message, bytes(raw)[:SAMPLE_BYTES]))
            continue
        if message.verdict is None:
            read.good.append(message)
        else:
            _sort(message, message.verdict, bytes(raw), read)
    # Segment: the first 2,500 events of a batch are accepted, the excess is rejected.
    for raw in request.items[MAX_BATCH_EVENTS:]:
        detail = f"The batch holds more than {MAX_BATCH_EVENTS:,} messages; this one is beyond. Send smaller batches."
        read.refused.append(Refused("bad_request", detail, bytes(raw)[:SAMPLE_BYTES]))
    return read


def _sort(message: Message, verdict: Verdict, raw: bytes, read: Read) -> None:
    read.unplanned.append(message)
    if verdict.blocked is None:
        read.good.append(message)
        return
    violations = "; ".join(f"{each.field or verdict.name}: {each.description}" for each in verdict.violations)
    read.refused.append(
        Refused(verdict.blocked, f"Blocked by the tracking plan. {violations}"[:_DETAIL], raw[:SAMPLE_BYTES])
    )
