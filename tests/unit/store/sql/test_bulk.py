"""Upserts on both databases."""

from collections.abc import Sequence

import pytest
from sqlalchemy import select

from tests.conftest import NewState
from tifo.store.sql.bulk import Row, insert_rows, upsert_each, upsert_rows, without_nul
from tifo.store.sql.database import Database
from tifo.store.sql.tables import ingest_counts as counts


def _count(at: int, total: int) -> Row:
    return {"source_id": "s", "code": "received", "grain": "minute", "at": at, "total": total}


def _totals(database: Database) -> dict[int, int]:
    with database.reading() as connection:
        rows: Sequence[Row] = [row._asdict() for row in connection.execute(select(counts).order_by(counts.c.at))]
    return {row["at"]: row["total"] for row in rows}


@pytest.fixture(params=["sqlite", "postgres"])
def database(request: pytest.FixtureRequest, new_state: NewState) -> Database:
    return new_state(request.param)


def test_rows_replace_those_with_their_key_or_add_to_them(database: Database) -> None:
    with database.writing() as connection:
        insert_rows(connection, counts, [_count(1, 10), _count(2, 20)])
        upsert_rows(connection, counts, [_count(2, 5), _count(3, 30)])
        upsert_rows(connection, counts, [_count(1, 1), _count(4, 40)], adding=["total"])
    assert _totals(database) == {1: 11, 2: 5, 3: 30, 4: 40}


def test_any_number_of_rows_is_written_once_each(database: Database) -> None:
    with database.writing() as connection:
        upsert_rows(connection, counts, [_count(number, number) for number in range(150)])
    assert _totals(database) == {number: number for number in range(150)}


def test_row_by_row_a_key_may_come_several_times(database: Database) -> None:
    with database.writing() as connection:
        upsert_each(connection, counts, [_count(1, 10), _count(1, 5)], adding=["total"])
        upsert_each(connection, counts, [_count(2, 10), _count(2, 5)])
        upsert_each(connection, counts, [])
    assert _totals(database) == {1: 15, 2: 5}


def test_a_text_without_nul_can_be_stored_everywhere() -> None:
    assert without_nul("a\0b") == "a\N{REPLACEMENT CHARACTER}b"
