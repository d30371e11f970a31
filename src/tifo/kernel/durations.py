"""Reads durations and moments as people write them: `30m`, `2h` ago, `2026-11-25T10:00:00Z`."""

import re
from datetime import datetime, timedelta

from tifo.kernel.clock import from_iso
from tifo.kernel.errors import Rejected

_DURATION = re.compile(r"(\d{1,6})([smhd])")
_UNITS = {
    "s": timedelta(seconds=1),
    "m": timedelta(minutes=1),
    "h": timedelta(hours=1),
    "d": timedelta(days=1),
}


def read_duration(text: str, field: str) -> timedelta:
    """Reads `90s`, `30m`, `2h` or `3d`. Raises `Rejected`, naming the field, for anything else."""
    found = _DURATION.fullmatch(text)
    if found is None:
        raise Rejected(f"{field} is {text!r:.60}. Give a time such as 30m, 24h or 7d.", field=field)
    return int(found[1]) * _UNITS[found[2]]


def read_moment(text: str, field: str, now: datetime) -> datetime:
    """Reads an ISO 8601 time (UTC where it has no offset), or a duration before `now`.

    Raises `Rejected`, naming the field, for anything else.
    """
    try:
        return now - read_duration(text, field) if _DURATION.fullmatch(text) else from_iso(text)
    except (ValueError, OverflowError) as error:  # OverflowError: 999999d before now is before the year 1
        raise Rejected(
            f"{field} is {text!r:.60}. Give a time such as 2026-11-25T10:00:00Z, or 2h for two hours ago.", field=field
        ) from error
