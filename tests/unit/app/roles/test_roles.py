import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import func, insert, select

from tifo.app.roles.upkeep import forget_old_answers
from tifo.engagement import commands as c
from tifo.engagement.access import create_application
from tifo.engagement.ports import Idempotency
from tifo.kernel.ids import uuid7
from tifo.leases.memory import InMemoryLeases
from tifo.leases.share import Holder, WorkShare
from tifo.store.engagement.access import SqlAccess
from tifo.store.engagement.answers import forget_answers
from tifo.store.engagement.engine import SqlEngine
from tifo.store.sql import tables as t
from tifo.store.sql.database import Database, open_sqlite
from tifo.store.sql.times import to_micros

NOW = datetime(2026, 11, 24, 10, tzinfo=UTC)


def upkeep() -> WorkShare:
    return WorkShare(InMemoryLeases(), "upkeep", Holder("one"))


def keep(database: Database, hours_ago: float, number: int) -> None:
    rows = [
        {
            "client_id": "club",
            "key": f"{hours_ago}-{n}",
            "digest": b"",
            "answer": "{}",
            "created_at": to_micros(NOW - timedelta(hours=hours_ago)),
        }
        for n in range(number)
    ]
    with database.writing() as connection:
        connection.execute(insert(t.idempotency), rows)


def kept(database: Database) -> int:
    with database.reading() as connection:
        return int(connection.execute(select(func.count()).select_from(t.idempotency)).scalar_one())


def test_answers_are_forgotten_in_small_steps_the_oldest_first(tmp_path: Path) -> None:
    database = open_sqlite(tmp_path / "tifo.db")
    keep(database, 30, 15)
    keep(database, 26, 15)
    keep(database, 23, 5)
    before = NOW - timedelta(hours=24)
    assert forget_answers(database, before, limit=20) == 20
    with database.reading() as connection:
        assert set(connection.execute(select(t.idempotency.c.key)).scalars()) >= {f"23-{n}" for n in range(5)}
        left = connection.execute(select(func.min(t.idempotency.c.created_at))).scalar_one()
        assert left == to_micros(NOW - timedelta(hours=26))
    assert [forget_answers(database, before, limit=20) for _ in range(2)] == [10, 0]
    assert kept(database) == 5
    database.dispose()


async def test_a_key_gives_its_answer_for_a_day_and_is_free_again_when_forgotten(tmp_path: Path) -> None:
    database = open_sqlite(tmp_path / "tifo.db")
    client_id = create_application(SqlAccess(database, lambda: NOW, uuid7), "Club").application.id
    engine = SqlEngine(database, lambda: NOW, uuid7)
    command, key = c.CreateRewardItem(client_id=client_id, name="Points"), Idempotency("key", b"digest")
    first = await engine.handle(command, key)
    now = [NOW + timedelta(hours=23, minutes=59)]
    keep(database, 100, 2_500)
    rounds = 0

    async def sleep(seconds: float) -> None:
        """The job's minute passes at once; a step of its leaves time to others."""
        nonlocal rounds
        if seconds < 1:
            return
        rounds += 1
        if rounds == 2:
            assert kept(database) == 1, "in one round everything that is old"
            assert await engine.handle(command, key) == first
            now[0] = NOW + timedelta(hours=24, seconds=1)
        if rounds == 3:
            raise asyncio.CancelledError

    with pytest.raises(asyncio.CancelledError):
        await forget_old_answers(database, upkeep(), clock=lambda: now[0], sleep=sleep)
    assert kept(database) == 0
    assert (await engine.handle(command, key)).id != first.id
    await engine.close()
    database.dispose()


async def test_a_state_that_is_out_of_reach_is_tried_again_the_next_round(tmp_path: Path) -> None:
    database = open_sqlite(tmp_path / "tifo.db")
    keep(database, 100, 10)
    rounds = 0
    with database.writing() as connection:
        connection.exec_driver_sql("ALTER TABLE idempotency RENAME TO elsewhere")

    async def sleep(seconds: float) -> None:
        nonlocal rounds
        rounds += seconds >= 1
        if rounds == 2 and seconds >= 1:
            with database.writing() as connection:
                connection.exec_driver_sql("ALTER TABLE elsewhere RENAME TO idempotency")
        if rounds == 3:
            raise asyncio.CancelledError

    with pytest.raises(asyncio.CancelledError):
        await forget_old_answers(database, upkeep(), clock=lambda: NOW, sleep=sleep)
    assert kept(database) == 0
    database.dispose()
