"""Turns a query's Arrow rows into JSON-safe objects. No value of any type is refused."""

import math
import re
from collections.abc import Callable, Sequence
from datetime import date, datetime
from datetime import time as time_of_day
from decimal import Decimal
from typing import Any

import numpy as np
import pyarrow as pa

from tifo.kernel.json import JsonObject, JsonValue

# What stands for `infinity`: in DuckDB the largest number, in PostgreSQL what the driver's other epoch makes of it.
_INFINITE = {2**63 - 1: "infinity", 1 - 2**63: "-infinity", 2**31 - 1: "infinity", 1 - 2**31: "-infinity"} | {
    -9_222_425_352_054_775_809: "infinity",
    -9_222_425_352_054_775_808: "-infinity",
    -2_147_472_692: "infinity",
    -2_147_472_691: "-infinity",
}
_UNREADABLE = (OverflowError, ValueError, TypeError, NotImplementedError, pa.ArrowException)
"""Python's times end at the years 1 and 9999, and at microseconds; Arrow's do not."""


def objects(rows: pa.Table) -> list[JsonObject]:
    """Returns a JSON-safe object for each row."""
    columns = [[json_safe(value) for value in _plain(column)] for column in rows.columns]
    names = _different(rows.column_names)
    return [dict(zip(names, row, strict=True)) for row in zip(*columns, strict=True)]


def _different(names: Sequence[str]) -> list[str]:
    """Names columns as a JSON object can: of two alike, as SQL allows them, the second gets `_2`, and so on."""
    different: dict[str, None] = {}
    for name in names:
        number, free = 1, name
        while free in different or (number > 1 and free in names):
            number += 1
            free = f"{name}_{number}"
        different[free] = None
    return list(different)


def _plain(column: pa.ChunkedArray) -> list[Any]:
    """Returns the column's values as Python's."""
    try:
        values: list[Any] = column.to_pylist()
    except _UNREADABLE:
        values = [_value(scalar) for scalar in column]
    # ADBC hands out PostgreSQL's exact decimals as text, of an Arrow type that it calls `numeric`.
    if getattr(column.type, "type_name", None) == "numeric":
        return [None if value is None else Decimal(value) for value in values]
    return values


def _value(scalar: Any) -> Any:
    """Returns one value as Python's, or as text where Python has none such."""
    try:
        return scalar.as_py()
    except _UNREADABLE:
        return _unreadable_value(scalar)


def _unreadable_value(scalar: Any) -> Any:
    kind = scalar.type
    if pa.types.is_map(kind):
        return [[_value(pair[0]), _value(pair[1])] for pair in scalar.values]
    if pa.types.is_nested(kind) and not pa.types.is_union(kind):
        values = scalar.values if not pa.types.is_struct(kind) else scalar.values()
        read = [_value(each) for each in values]
        return dict(zip(kind.names, read, strict=True)) if pa.types.is_struct(kind) else read
    if pa.types.is_timestamp(kind) or pa.types.is_date(kind):
        return _moment(scalar.value, kind)
    inner = getattr(scalar, "value", None)
    return _value(inner) if isinstance(inner, pa.Scalar) else str(inner)


def _moment(number: int, kind: pa.DataType) -> str:
    if number in _INFINITE:
        return _INFINITE[number]
    unit = kind.unit if pa.types.is_timestamp(kind) else "D" if pa.types.is_date32(kind) else "ms"
    text = str(np.array([number]).astype(f"datetime64[{unit}]")[0])
    if pa.types.is_date(kind):
        return text.partition("T")[0]
    text = text if "." in text else f"{text}.000"
    return re.sub(r"(\.\d{3})(000)+$", r"\1", re.sub(r"(\.\d{6})000$", r"\1", text)) + ("Z" if kind.tz else "")


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


def _interval(value: pa.MonthDayNano) -> JsonValue:
    """Writes an interval as ISO 8601 does: `P1M2DT3.5S`."""
    # Exact: a double has too few digits for the nanoseconds of some years.
    seconds = f"{Decimal(value.nanoseconds) / 10**9:f}"
    return f"P{value.months}M{value.days}DT{seconds.rstrip('0').rstrip('.') if '.' in seconds else seconds}S"


# Searched in this order: a bool is an int, and a datetime is a date.
_JSON_FORMS: tuple[tuple[Any, Callable[[Any], JsonValue]], ...] = (
    ((type(None), bool, int, str), lambda value: value),
    (float, lambda value: value if math.isfinite(value) else str(value)),
    (Decimal, _number),
    (datetime, _time),
    ((date, time_of_day), lambda value: value.isoformat()),
    (bytes, lambda value: value.hex()),
    (pa.MonthDayNano, _interval),
    (dict, lambda value: {str(key): json_safe(item) for key, item in value.items()}),
    ((list, tuple), lambda value: [json_safe(item) for item in value]),
)
