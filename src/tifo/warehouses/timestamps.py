"""Recognises ISO 8601 times among texts and reads them as timestamps.

| form | example |
| --- | --- |
| a date-time with `Z` or an offset (`+02:00`, `+0200`, `+02`), with or without seconds | `2026-11-28T10:00:00+02:00` |
| a date alone: midnight, UTC | `2026-11-28` |

Decimals beyond the sixth are cut: Go's and .NET's clients send seven or nine. A time outside the years 1 to 9999 in UTC
is none: PostgreSQL and DuckDB store it, yet Python and most clients cannot read it back. A date-time without an offset
is none either: nobody knows the moment that it means.
"""

from collections.abc import Sequence

import pyarrow as pa
import pyarrow.compute as pc

TIMESTAMP = pa.timestamp("us", "UTC")

_DATE_LENGTH = len("2026-11-28")
_FORM = r"^\d{4}-\d\d-\d\d(T\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d(:?\d\d)?))?$"
_FIRST_US, _LAST_US = -62_135_596_800_000_000, 253_402_300_799_999_999
"""The first and the last microsecond of the years 1 to 9999."""


def may_be_times(texts: Sequence[str | None]) -> bool:
    """Says whether the first text looks like a time. Some text must be there."""
    # The first alone: this spares nearly every text column the full check.
    return looks_like_time(next(text for text in texts if text is not None))


def looks_like_time(text: str) -> bool:
    if len(text) == _DATE_LENGTH:
        return text[4] == "-" and text[7] == "-"
    return len(text) > _DATE_LENGTH and text[_DATE_LENGTH] == "T" and text[4] == "-"


def as_timestamps(texts: pa.Array | pa.ChunkedArray) -> pa.Array | pa.ChunkedArray | None:
    """Reads the texts as timestamps. Returns None where one of them is no time."""
    return parsed(texts) if pc.all(pc.match_substring_regex(texts, _FORM)).as_py() else None


def parsed(texts: pa.Array | pa.ChunkedArray) -> pa.Array | pa.ChunkedArray | None:
    """Reads texts that may have another form too. Returns None where one cannot be read, or lies out of range."""
    try:
        moments = read(texts)
    except pa.ArrowInvalid:
        return None
    extremes = pc.min_max(pc.cast(moments, pa.int64())).as_py()
    return moments if extremes["min"] is None or _FIRST_US <= extremes["min"] <= extremes["max"] <= _LAST_US else None


def are_times(texts: pa.Array | pa.ChunkedArray) -> pa.Array | pa.ChunkedArray:
    """Says of each text whether it is a time; null for null."""
    by_form = pc.match_substring_regex(texts, _FORM)
    if as_timestamps(texts.filter(by_form)) is not None:
        return by_form
    each = [None if text is None else as_timestamps(pa.array([text])) is not None for text in texts.to_pylist()]
    return pa.array(each, pa.bool_())


def read(texts: pa.Array | pa.ChunkedArray) -> pa.Array | pa.ChunkedArray:
    """Reads texts that have the form of times. Raises `ArrowInvalid` for a day or hour that does not exist."""
    try:
        return pc.cast(texts, TIMESTAMP)
    except pa.ArrowInvalid:
        # Arrow refuses a date alone, and decimals that it would have to cut.
        cut = pc.replace_substring_regex(texts, r"(\.\d{6})\d+", r"\1")
        return pc.cast(pc.replace_substring_regex(cut, r"^([^T]+)$", r"\1T00:00:00Z"), TIMESTAMP)
