from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.warehouses.named import FirstCome
from tifo.kernel.clock import from_iso
from tifo.kernel.errors import TooLarge
from tifo.kernel.json import JsonObject
from tifo.warehouses.budgets import MAX_COLUMNS
from tifo.warehouses.columns import MAX_CELLS, flatten, typed
from tifo.warehouses.ports import ColumnType
from tifo.warehouses.timestamps import read

T = ColumnType
names = FirstCome()


def refuse(column: str, number: int, value: Any) -> None:
    pytest.fail(f"no room for {column} of {number}: {value}")


def column(*values: Any) -> tuple[ColumnType, list[Any]]:
    result = typed(values)
    assert result is not None
    return result.type, result.values.to_pylist()


def test_there_is_no_column_without_a_value() -> None:
    assert typed([None, None]) is None
    assert flatten([{"a": None, "b": {}}, {}], names, refuse) == {}


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
        ((1.0, 1e21, -0.0, 1e-7, 1e17, "x"), (T.VARCHAR, ["1", "1e21", "-0", "1e-7", "100000000000000000", "x"])),
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
        "2026-11-24T10:00:00+02:00",
        "2026-11-24T10:00:00+0530",
        "2026-11-24T10:00:00-08",
        "2026-11-24T10:00:00.123456789+01:00",
        "2026-11-24T10:00:00.1234567Z",
        "2026-11-24T10:00Z",
        "2026-11-24",
        "0001-01-01T00:00:00Z",
        "0001-01-01",
        "9999-12-31T23:59:59.999999Z",
        "9999-12-31T23:59:59.999999999Z",
    ],
)
def test_times_in_iso_8601_are_timestamps_of_the_moment_that_python_reads(text: str) -> None:
    made = typed([None, text, "2026-11-24T10:00:00Z", text])
    assert made is not None
    assert made.type == T.TIMESTAMP
    assert read(made.values).to_pylist()[1] == from_iso(text)


@pytest.mark.parametrize(
    "text",
    [
        "2026-11-24T10:00:00",
        "2026-11-24 10:00:00Z",
        "2026-11-24T10Z",
        "2026-11-24T10:00:00+2",
        "2026-11-24T10:00:00+24:00",
        "2026-11-24Z",
        "2026-02-30T10:00:00Z",
        "2026-02-30",
        "2026-11-24T24:00:00Z",
        "2026-11-24T10:00:60Z",
        "2026-11-24T10:00:00Z\n",
        "2026-11-24\n",
        "2026",
        "12",
        "2026-11",
        "20261124",
        "24-11-2026",
        "2026-11-24T10:00:00Z[Europe/Paris]",
        "0000-01-01T00:00:00Z",
        "0000-01-01",
        "0001-01-01T00:00:00+02:00",
        "9999-12-31T23:59:59-01:00",
        "10000-01-01T00:00:00Z",
        "-001-01-01",
        "infinity",
    ],
)
def test_what_is_no_time_of_the_years_1_to_9999_stays_text(text: str) -> None:
    assert column(text) == (T.VARCHAR, [text])
    assert column("2026-11-24T10:00:00Z", text)[0] == T.VARCHAR


@settings(max_examples=300)
@given(
    st.from_regex(
        r"[0-9]{4}-[01][0-9]-[0-3][0-9](T[0-2][0-9]:[0-5][0-9](:[0-5][0-9](\.[0-9]{1,9})?)?)?", fullmatch=True
    ),
    st.sampled_from(["", "Z", "+00:00", "-00:00", "+02", "-0530", "+14:00", "-23:59"]),
)
def test_every_timestamp_is_the_moment_that_the_tracking_api_would_read(moment: str, offset: str) -> None:
    made = typed([moment + offset])
    assert made is not None
    if made.type == T.TIMESTAMP:
        assert read(made.values).to_pylist() == [from_iso(moment + offset)]


def test_nested_objects_are_flattened_and_rows_stay_aligned() -> None:
    columns = flatten([{"a": 1}, {"b": {"c": "x", "d": {"e": True}}}, {}, {"a": {"z": 2}, "b": 5}], names, refuse)
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
    (only,) = flatten([nested], names, refuse).values()
    assert only.values.to_pylist() == ["leaf"]


def test_of_too_many_columns_the_fullest_stay_and_the_others_values_are_handed_back() -> None:
    excess: list[tuple[str, int, Any]] = []
    odd: list[JsonObject] = [{f"odd_{n}": n, "common": n} for n in range(MAX_COLUMNS)]
    columns = flatten([*odd, {"late": None}], names, lambda *what: excess.append(what))
    assert len(columns) == MAX_COLUMNS
    assert columns["common"].values.to_pylist() == [*range(MAX_COLUMNS), None]
    assert excess == [(f"odd_{MAX_COLUMNS - 1}", MAX_COLUMNS - 1, MAX_COLUMNS - 1)]


def test_objects_that_are_too_sparse_together_are_refused_whole() -> None:
    size = MAX_CELLS // MAX_COLUMNS + 1
    with pytest.raises(TooLarge):
        flatten([{f"p{n}": n} for n in range(size)], names, refuse)
