"""Turns a query's Arrow rows into JSON-safe objects."""

import math
from collections.abc import Callable
from datetime import date, datetime
from datetime import time as time_of_day
from decimal import Decimal
from typing import Any

import pyarrow as pa

from tifo.kernel.json import JsonObject, JsonValue


def objects(rows: pa.Table) -> list[JsonObject]:
    """Returns a JSON-safe object for each row."""
    # SQL may name two columns alike, which a JSON object cannot: the second gets `_2`, and so on.
    names: list[str] = []
    for name in rows.column_names:
        names.append(name if name not in names else f"{name}_{names.count(name) + 1}")
    columns = [[json_safe(value) for value in _plain(column)] for column in rows.columns]
    return [dict(zip(names, row, strict=True)) for row in zip(*columns, strict=True)]


def _plain(column: pa.ChunkedArray) -> list[Any]:
    """Returns the column's values as Python's."""
    values: list[Any] = column.to_pylist()
    # ADBC hands out PostgreSQL's exact decimals as text, of an Arrow type that it calls `numeric`.
    if getattr(column.type, "type_name", None) == "numeric":
        return [None if value is None else Decimal(value) for value in values]
    return values


def json_safe(value: Any) -> JsonValue:
    """Writes times as ISO 8601, decimals as numbers where a double holds them, and what JSON cannot hold as text."""
    for kinds, form in _JSON_FORMS:
        if isinstance(value, kinds):
            return form(value)
    return str(value)


def _time(value: datetime) -> JsonValue:
    timespec = "microseconds" if value.microsecond % 1000 else "milliseconds"
    return value.isoformat(timespec=timespec).replace("+00:00", "Z")


def _number(value: Decimal) -> JsonValue:
    if not value.is_finite():
        return str(value)
    if value == value.to_integral_value():
        return int(value)
    return float(value) if Decimal(repr(float(value))) == value else str(value)


# Searched in this order: a bool is an int, and a datetime is a date.
_JSON_FORMS: tuple[tuple[Any, Callable[[Any], JsonValue]], ...] = (
    ((type(None), bool, int, str), lambda value: value),
    (float, lambda value: value if math.isfinite(value) else str(value)),
    (Decimal, _number),
    (datetime, _time),
    ((date, time_of_day), lambda value: value.isoformat()),
    (bytes, lambda value: value.hex()),
    (dict, lambda value: {str(key): json_safe(item) for key, item in value.items()}),
    ((list, tuple), lambda value: [json_safe(item) for item in value]),
)
