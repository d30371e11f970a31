import pyarrow as pa
import pytest

from tifo.warehouses.budgets import MAX_COLUMNS
from tifo.warehouses.columns import typed
from tifo.warehouses.ports import ColumnType, Table
from tifo.warehouses.schema import Existing, discards_of, evolve, fit

T = ColumnType


def table(**columns: list[object]) -> Table:
    made = {name: column for name, values in columns.items() if (column := typed(values)) is not None}
    return Table(
        {name: column.type for name, column in made.items()},
        pa.table({name: column.values for name, column in made.items()}),
    )


def widened(current: ColumnType, value: object, *, is_exact: bool = True) -> ColumnType:
    evolution = evolve({"a": current}, table(a=[value]), lambda _: is_exact)
    return evolution.widened.get("a", current)


@pytest.mark.parametrize(
    ("current", "value", "expected"),
    [
        (T.INTEGER, 1, T.INTEGER),
        (T.INTEGER, 1.5, T.FLOAT),
        (T.INTEGER, "x", T.VARCHAR),
        (T.INTEGER, 2**63, T.VARCHAR),
        (T.FLOAT, 1, T.FLOAT),
        (T.FLOAT, 2**53 + 1, T.VARCHAR),
        (T.BOOLEAN, 1, T.VARCHAR),
        (T.TIMESTAMP, "soon", T.VARCHAR),
        (T.VARCHAR, "2026-11-24T10:00:00Z", T.VARCHAR),
        (T.VARCHAR, True, T.VARCHAR),
    ],
)
def test_a_type_widens_only_as_far_as_it_must(current: ColumnType, value: object, expected: ColumnType) -> None:
    assert widened(current, value) == expected


def test_integers_that_a_double_would_change_become_text() -> None:
    assert widened(T.INTEGER, 1.5, is_exact=False) == T.VARCHAR


def test_a_foreign_column_is_left_alone() -> None:
    assert evolve({"a": None}, table(a=["x"]), lambda _: True).widened == {}


def test_columns_beyond_the_limit_are_refused_and_their_values_named() -> None:
    full: Existing = {f"c{n}": T.VARCHAR for n in range(MAX_COLUMNS - 1)}
    batch = table(id=["m1", "m2"], received_at=["now", "now"], b=[None, 7])
    evolution = evolve(full, batch, lambda _: True)
    assert list(evolution.added) == ["id"]
    assert evolution.refused == ["received_at", "b"]
    (discard,) = discards_of("t", batch, "b", "full")
    assert (discard.message_id, discard.column, discard.value) == ("m2", "b", "7")


def test_rows_are_cast_to_their_columns_and_text_stays_as_it_was_sent() -> None:
    batch = table(at=["2026-11-24T10:00:00.5Z"], late=["2026-11-24T10:00:00.5Z"], n=[1], yes=[True], f=[0.1])
    rows = fit(batch, {"at": T.VARCHAR, "late": T.TIMESTAMP, "n": T.FLOAT, "yes": T.VARCHAR, "f": T.VARCHAR})
    (row,) = rows.to_pylist()
    assert row["at"] == "2026-11-24T10:00:00.5Z"
    assert row["late"].isoformat() == "2026-11-24T10:00:00.500000+00:00"
    assert (row["n"], row["yes"], row["f"]) == (1.0, "true", "0.1")
