"""Computes the times of a message: the client's time, corrected by the skew of the client's clock.

A time that cannot be read costs the time, not the message: the receipt's stands in for it.
"""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

import msgspec

from tifo.kernel.clock import from_iso, to_iso
from tifo.tracking.nesting import shown
from tifo.tracking.plans.checking import Violation

UNREADABLE_TIME = "Unreadable Time"


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
    """How far the client's clock is behind ours; None where `sent_at` is absent."""


def receipt(received_at: datetime, sent_at: object) -> Receipt:
    """A `sent_at` that is no time becomes the time of the receipt: `time_violation` says so."""
    text = to_iso(received_at)
    if is_absent(sent_at):
        return Receipt(received_at, text, None, None)
    moment = parsed_time(sent_at)
    if moment is None or not isinstance(sent_at, str):
        return Receipt(received_at, text, text, timedelta())
    return Receipt(received_at, text, sent_at, received_at - moment)


def times_of(original: str | None, own_sent_at: str | None, receipt: Receipt) -> Times | None:
    """Applies Segment's rule: timestamp = receivedAt - (sentAt - originalTimestamp); without sentAt no correction.

    `own_sent_at` is the message's, and wins over the envelope's. Returns None where one of them is no time, or where
    the correction leads beyond the years 1 to 9999: `times_as_readable` then says what stands in for it.
    """
    sent_at, skew = receipt.sent_at, receipt.skew
    if own_sent_at and own_sent_at is not sent_at:
        moment = parsed_time(own_sent_at)
        if moment is None:
            return None
        sent_at, skew = own_sent_at, receipt.received_at.astimezone(UTC) - moment
    # Segment: a message without a timestamp gets the server's time.
    if not original:
        return Times(receipt.received_at_text, receipt.received_at_text, sent_at)
    moment = parsed_time(original)
    if moment is None:
        return None
    try:
        # Segment does not say what an absent sentAt means. Ours: no skew, so `timestamp` is the client's own.
        return Times(original, to_iso(moment if skew is None else moment + skew), sent_at)
    except OverflowError:
        return None


def times_as_readable(item: Mapping[str, Any], receipt: Receipt) -> tuple[Times, list[Violation]]:
    """Computes the times of any message, and says which of its times could not be read."""
    violations: list[Violation] = []

    def readable(field: str) -> str | None:
        value = item.get(field)
        if isinstance(value, str) and parsed_time(value) is not None:
            return value
        if not is_absent(value):
            violations.append(time_violation(field, value))
        return None

    # Segment: the client's `timestamp` becomes `originalTimestamp`, and `timestamp` is the corrected time.
    original = readable("timestamp") or readable("originalTimestamp")
    sent_at = readable("sentAt")
    if sent_at is None and receipt.sent_at is None and not is_absent(item.get("sentAt")):
        sent_at = receipt.received_at_text
    times = times_of(original, sent_at, receipt)
    if times is None:
        violations.append(Violation(UNREADABLE_TIME, "timestamp", _beyond(original)))
        times = Times(receipt.received_at_text, receipt.received_at_text, sent_at or receipt.sent_at)
    return times, violations


def is_absent(value: object) -> bool:
    return value is None or value == ""


def time_violation(field: str, value: object) -> Violation:
    return Violation(
        UNREADABLE_TIME,
        field,
        f"{field} is {shown(value)}, which is no ISO 8601 time; the time of the receipt stands in for it. Send one such"
        " as 2026-11-24T10:00:00.000Z.",
    )


def _beyond(original: object) -> str:
    return (
        f"timestamp is {shown(original)}, which the skew of the client's clock moves beyond the years 1 to 9999; the"
        " time of the receipt stands in for it. Set the client's clock."
    )


def parsed_time(value: object) -> datetime | None:
    """Returns None for what is no ISO 8601 time. A bare date is one: midnight, UTC."""
    if not isinstance(value, str):
        return None
    try:
        return from_iso(value)
    except (ValueError, OverflowError):
        return None
