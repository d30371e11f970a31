"""The stored form of undelivered events, which older versions of Tifo have written."""

from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy import select

from tests.shards import SHARD
from tifo.delivery.ports import Attempt, Undelivered, UndeliveredState
from tifo.destinations.ports import Event
from tifo.kernel.ids import DestinationId, Position
from tifo.store.delivery.undelivered import read_undelivered, undelivered_row
from tifo.store.sql import tables as t
from tifo.store.sql.bulk import upsert_each
from tifo.store.sql.database import open_sqlite

NOW = datetime.fromtimestamp(1_795_000_000.123456, UTC)


def test_a_row_keeps_the_form_that_older_versions_have_written(tmp_path: Path) -> None:
    event = Event(Position(7), "m7", "track", "Vote", "fan", NOW.timestamp(), b"{}")
    waiting = Undelivered(
        event=event,
        state=UndeliveredState.WAITING,
        first_at=NOW,
        next_at=NOW,
        attempts=1,
        history=(Attempt(NOW, "500", "as told", 0.25),),
        code="500",
        detail="as told",
    )
    row = undelivered_row(DestinationId("hook"), SHARD, waiting)
    assert row["history"] == '[[1795000000.123456,"500","as told",0.25]]'
    assert {row[name] for name in ("received_at", "first_at", "tried_at", "next_at")} == {1_795_000_000_123_456}
    database = open_sqlite(tmp_path / "tifo.db")
    with database.writing() as connection:
        upsert_each(connection, t.undelivered, [row])
        assert read_undelivered(connection.execute(select(t.undelivered)).one()) == waiting
    database.dispose()
