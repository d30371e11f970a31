"""Reads how long an endpoint asks its clients to wait."""

from datetime import UTC, datetime
from email.utils import parsedate_to_datetime


def retry_after_s(header: str | None, now: datetime) -> float | None:
    """Reads `Retry-After`, which holds seconds or an HTTP date. None where it is missing or cannot be read."""
    if header is None:
        return None
    if header.strip().isdecimal():
        return float(header)
    try:
        moment = parsedate_to_datetime(header)
    except (ValueError, OverflowError):  # OverflowError: a year of eleven digits
        return None
    # A zone of `-0000` is read as no zone; the time is UTC all the same (RFC 5322).
    aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return max(0.0, (aware - now).total_seconds())
