"""Computes the times of a message: the client's time, corrected by the skew of the client's clock."""

from datetime import UTC, datetime, timedelta
from typing import NamedTuple

import msgspec

from tifo.kernel.clock import from_iso, to_iso
from tifo.kernel.errors import Rejected


class Times(msgspec.Struct, frozen=True, gc=False):
    """Holds the times of a canonical message. `sent_at` is None where neither message nor envelope has one."""

    original_timestamp: str
    timestamp: str
    sent_at: str | None


class Receipt(NamedTuple):
    """Holds when a request was received, and when its envelope says that it was sent."""

    received_at: datetime
    received_at_text: str
    sent_at: str | None
    skew: timedelta | None
    """How far the client's clock is behind ours; None where `sent_at` is absent or no time."""


def receipt(received_at: datetime, sent_at: str | None) -> Receipt:
    # An envelope's sentAt that is no time counts as absent: refusing it would refuse every message of the batch.
    moment = parsed_time(sent_at) if sent_at is not None else None
    return Receipt(received_at, to_iso(received_at), sent_at, None if moment is None else received_at - moment)


def times_of(original: object, own_sent_at: object, receipt: Receipt) -> Times:
    """Applies Segment's rule: timestamp = receivedAt - (sentAt - originalTimestamp); without sentAt no correction.

    `own_sent_at` is the message's, and wins over the envelope's.
    """
    sent_at, skew = receipt.sent_at, receipt.skew
    if own_sent_at and own_sent_at is not sent_at:
        sent_at, skew = _own_sent_at(own_sent_at, receipt)
    # Segment does not say what an absent sentAt means. Ours: no skew, so `timestamp` is the client's own.
    known = None if skew is None else sent_at
    # Segment: a message without a timestamp gets the server's time.
    if original is None:
        return Times(receipt.received_at_text, receipt.received_at_text, known)
    moment = parsed_time(original) if isinstance(original, str) else None
    if moment is None or not isinstance(original, str):
        raise Rejected(
            f"timestamp is {original!r:.80}, which is no ISO 8601 time. Send one such as 2026-11-24T10:00:00.000Z.",
            field="timestamp",
        )
    try:
        return Times(original, to_iso(moment if skew is None else moment + skew), known)
    except OverflowError as error:
        raise Rejected(
            f"timestamp is {original!r}, beyond the years 1 to 9999. Set the client's clock.", field="timestamp"
        ) from error


def parsed_time(text: str) -> datetime | None:
    """Returns None for what is no ISO 8601 time. A bare date is one: midnight, UTC."""
    try:
        return from_iso(text)
    except (ValueError, OverflowError):
        return None


def _own_sent_at(sent_at: object, receipt: Receipt) -> tuple[str, timedelta]:
    moment = parsed_time(sent_at) if isinstance(sent_at, str) else None
    if moment is None or not isinstance(sent_at, str):
        raise Rejected(f"sentAt is {sent_at!r:.80}, which is no ISO 8601 time. Send one or none.", field="sentAt")
    return sent_at, receipt.received_at.astimezone(UTC) - moment
