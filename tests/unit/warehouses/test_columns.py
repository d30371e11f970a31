from typing import Any

import pytest

from tifo.warehouses.columns import flatten, typed
from tifo.warehouses.naming import property_naming
from tifo.warehouses.ports import ColumnType

T = ColumnType
names = property_naming((), "property")


def column(*values: Any) -> tuple[ColumnType, list[Any]]:
    result = typed(values)
    assert result is not None
    return result.type, result.values.to_pylist()


def test_there_is_no_column_without_a_value() -> None:
    assert typed([None, None]) is None
    assert flatten([{"a": None, "b": {}}, {}], names) == {}


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ((True, None), (T.BOOLEAN, [True, None])),
        ((1, -(2**63)), (T.INTEGER, [1, -(2**63)])),
        ((1, 2.5), (T.FLOAT, [1.0, 2.5])),
        ((2**53, 0.5), (T.FLOAT, [2.0**53, 0.5])),
        ((2**53 + 1, 0.5), (T.VARCHAR, ["9007199254740993", "0.5"])),
        ((2**63, 1), (T.VARCHAR, ["9223372036854775808", "1"])),
        ((True, 1), (T.VARCHAR, ["true", "1"])),
        (("a", 1, None, True), (T.VARCHAR, ["a", "1", None, "true"])),
        (([1, {"a": "ü"}], None), (T.VARCHAR, ['[1,{"a":"ü"}]', None])),
        (([],), (T.VARCHAR, ["[]"])),
        (("",), (T.VARCHAR, [""])),
    ],
)
def test_the_values_together_decide_the_type_and_lose_nothing(
    values: tuple[Any, ...], expected: tuple[ColumnType, list[Any]]
) -> None:
    assert column(*values) == expected


@pytest.mark.parametrize(
    "text",
    [
        "2026-11-24T10:00:00Z",
        "2026-11-24T10:00:00.1Z",
        "2026-11-24T10:00:00.123456Z",
        "2026-11-24T10:00:00.123456+00:00",
        "0001-01-01T00:00:00Z",
        "9999-12-31T23:59:59.999999Z",
    ],
)
def test_full_utc_date_times_are_timestamps(text: str) -> None:
    assert column(None, text, text) == (T.TIMESTAMP, [None, text, text])


@pytest.mark.parametrize(
    "text",
    [
        "2026-11-24",
        "2026-11-24T10:00:00",
        "2026-11-24 10:00:00Z",
        "2026-11-24T10:00:00+02:00",
        "2026-11-24T10:00:00.1234567Z",
        "2026-02-30T10:00:00Z",
        "2026-11-24T24:00:00Z",
        "2026-11-24T10:00:60Z",
        "2026-11-24T10:00:00Z\n",
        "2026",
    ],
)
def test_what_a_timestamp_would_not_keep_stays_text(text: str) -> None:
    assert column(text) == (T.VARCHAR, [text])
    assert column("2026-11-24T10:00:00Z", text)[0] == T.VARCHAR


def test_nested_objects_are_flattened_and_rows_stay_aligned() -> None:
    columns = flatten([{"a": 1}, {"b": {"c": "x", "d": {"e": True}}}, {}, {"a": {"z": 2}, "b": 5}], names)
    assert {name: c.values.to_pylist() for name, c in columns.items()} == {
        "a": [1, None, None, None],
        "b_c": [None, "x", None, None],
        "b_d_e": [None, True, None, None],
        "a_z": [None, None, None, 2],
        "b": [None, None, None, 5],
    }


def test_nesting_far_beyond_the_interpreters_recursion_is_flattened() -> None:
    nested: Any = "leaf"
    for _ in range(5_000):
        nested = {"k": nested}
    (only,) = flatten([nested], names).values()
    assert only.values.to_pylist() == ["leaf"]
