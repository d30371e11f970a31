"""A state moves whole, or not at all; and it is played on where it has moved to."""

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest
from sqlalchemy import BigInteger, Boolean, Float, Integer, LargeBinary, insert, select, text

from tests.conftest import NewState
from tifo.engagement import commands as c
from tifo.engagement.access import create_application
from tifo.engagement.model import Application, RateLimit
from tifo.engagement.ports import Idempotency
from tifo.kernel.clock import system_clock
from tifo.kernel.errors import Rejected
from tifo.kernel.ids import uuid7
from tifo.store.engagement.access import SqlAccess
from tifo.store.engagement.audit import SqlLedgerAudit
from tifo.store.engagement.engine import SqlEngine
from tifo.store.source.facts import SqlFactFeed
from tifo.store.sql import tables as t
from tifo.store.sql.copying import copy_state
from tifo.store.sql.database import Database
from tifo.store.workspace.catalog import SqlCatalog
from tifo.workspace.model import SourceType

FANS = 30
TRICKY = "Ödegaard\t⚽\\N\n'\"\\."


async def play(database: Database) -> Application:
    """A game with limits, a badge, a quest and a leaderboard, some of its facts sent and one refused."""
    club = create_application(SqlAccess(database, system_clock, uuid7), TRICKY).application
    common: dict[str, Any] = {"client_id": club.id}
    engine = SqlEngine(database, system_clock, uuid7)
    settings: dict[str, Any] = {"automatic_quest_processing": True, "auto_claim_quest_rewards": True}
    await engine.handle(c.UpdateApplication(**common, **settings))
    item = await engine.handle(c.CreateRewardItem(**common, name=TRICKY))
    await engine.handle(c.CreateRewardAction(**common, name="Vote", key="vote"))
    limit = RateLimit(frequency=100, unit="day")
    entry = c.NewEntry(reward_item_id=item.id, reward_item_amount=5, action_key="vote", rate_limit=limit)
    await engine.handle(c.CreateRewardTable(**common, name="Table", entries=(entry,)))
    for threshold in (5, 10):
        progression = c.NewProgression(reward_item_id=item.id, reward_item_threshold=threshold)
        await engine.handle(c.CreateBadge(**common, name=f"{threshold} points", progressions=(progression,)))
    quest = await engine.handle(c.CreateQuest(**common, name="Vote"))
    await engine.handle(c.AddQuestTask(**common, quest_id=quest.id, name="Once", reward_action_key="vote"))
    reward = c.NewQuestReward(reward_item_id=item.id, reward_item_amount=1)
    await engine.handle(c.AddQuestRewards(**common, quest_id=quest.id, rewards=(reward,)))
    await engine.handle(c.CreateLeaderboard(**common, name="Board", reward_item_id=item.id))
    await engine.handle(c.CreateLeaderboard(**common, name="Last", reward_item_id=item.id, is_locked=True))
    await asyncio.gather(
        *(engine.handle(c.CreateProfile(**common, nickname=TRICKY, custom_id=f"f{n}")) for n in range(FANS))
    )
    await vote(engine, club, "first")
    await engine.close()
    catalog = SqlCatalog(database, system_clock, uuid7)
    catalog.connect(club.id, catalog.create_source("Play", SourceType("livelike")).write_key, None)
    feed = SqlFactFeed(database)
    first, second, *_ = feed.pending(club.id, 10)
    feed.advance(club.id, [first.id], system_clock())
    feed.dead_letter(club.id, second.id, 400, TRICKY, system_clock())
    return club


async def vote(engine: SqlEngine, club: Application, code: str) -> None:
    """Each fan once, with a key each."""
    common: dict[str, Any] = {"program_id": club.default_program_id, "reward_action_key": "vote", "code": code}
    votes = (
        engine.handle(
            c.InvokeAction(client_id=club.id, custom_profile_id=f"f{n}", **common),
            Idempotency(f"{code}-{n}", b"\0\xff"),
        )
        for n in range(FANS)
    )
    await asyncio.gather(*votes)


def fill(database: Database) -> None:
    """A row for each table that the play has left empty."""
    with database.writing() as connection:
        for table in t.METADATA.sorted_tables:
            if connection.execute(select(table).limit(1)).first() is None:
                connection.execute(insert(table), {column.name: _made(column.type) for column in table.columns})


def _made(kind: object) -> object:
    if isinstance(kind, Boolean):
        return True
    if isinstance(kind, (BigInteger, Integer)):
        return 1_764_000_000
    if isinstance(kind, Float):
        return 0.1
    return bytes(range(256)) if isinstance(kind, LargeBinary) else TRICKY


def rows(database: Database) -> dict[str, Sequence[Any]]:
    with database.reading() as connection:
        return {
            table.name: [tuple(row) for row in connection.execute(select(table).order_by(*table.primary_key))]
            for table in t.METADATA.sorted_tables
        }


async def test_every_row_arrives_as_it_was_and_the_game_goes_on(new_state: NewState) -> None:
    source, target = new_state("sqlite"), new_state("postgres")
    club = await play(source)
    fill(source)
    told: list[tuple[int, int]] = []
    totals, differences = copy_state(source, target, lambda done, of: told.append((done, of)))
    assert differences == []
    before = rows(source)
    assert min(map(len, before.values())) > 0
    assert {name: len(found) for name, found in before.items()} == totals.tables
    assert max(totals.balances.values()) == FANS * (5 + 1)
    assert told[-1] == (sum(totals.tables.values()),) * 2
    # The two sort text differently.
    assert {k: sorted(map(repr, v)) for k, v in rows(target).items()} == {
        k: sorted(map(repr, v)) for k, v in before.items()
    }
    engine = SqlEngine(target, system_clock, uuid7)
    await vote(engine, club, "second")
    await engine.close()
    assert SqlLedgerAudit(target).problems() == SqlLedgerAudit(source).problems() == []
    grown, known = rows(target), before
    for table in ("transactions", "invoked_actions", "earned_badges", "facts"):
        fresh = [row[0] for row in grown[table]][len(known[table]) :]
        assert min(fresh) > max(row[0] for row in known[table])
    SqlCatalog(target, system_clock, uuid7).create_source("Another", SourceType("http"))


async def test_a_database_that_holds_rows_is_left_as_it_is(new_state: NewState) -> None:
    source, target = new_state("sqlite"), new_state("postgres")
    await play(source)
    create_application(SqlAccess(target, system_clock, uuid7), "Other")
    before = rows(target)
    with pytest.raises(Rejected, match="holds rows already, in applications"):
        copy_state(source, target, lambda _done, _of: None)
    assert rows(target) == before


async def test_a_copy_that_differs_is_told_and_not_kept(new_state: NewState) -> None:
    source, target = new_state("sqlite"), new_state("postgres")
    await play(source)
    with target.writing() as connection:
        for sql in (
            "CREATE FUNCTION less() RETURNS trigger AS 'BEGIN RETURN NULL; END' LANGUAGE plpgsql",
            "CREATE TRIGGER less BEFORE INSERT ON balances FOR EACH ROW EXECUTE FUNCTION less()",
        ):
            connection.execute(text(sql))
    totals, differences = copy_state(source, target, lambda _done, _of: None)
    [(item, total)] = totals.balances.items()
    assert differences == [
        f"balances has {FANS} rows, the copy 0",
        f"balances of reward item {item} are {total} in all, in the copy 0",
    ]
    assert {name: found for name, found in rows(target).items() if found} == {}


async def test_what_postgresql_cannot_hold_is_named_by_its_table(new_state: NewState) -> None:
    source, target = new_state("sqlite"), new_state("postgres")
    club = await play(source)
    with source.writing() as connection:
        connection.execute(t.relay_lines.update().where(t.relay_lines.c.client_id == club.id).values(error="a\0b"))
    with pytest.raises(Rejected, match="cannot hold a row of relay_lines"):
        copy_state(source, target, lambda _done, _of: None)
    assert {name: found for name, found in rows(target).items() if found} == {}


async def test_nobody_writes_to_the_source_meanwhile(new_state: NewState) -> None:
    source, target = new_state("sqlite"), new_state("postgres")
    await play(source)
    refused: list[str] = []

    def intrude(_done: int, _of: int) -> None:
        if refused:
            return
        with source.engine.connect() as other:
            other.exec_driver_sql("PRAGMA busy_timeout = 0")
            try:
                other.exec_driver_sql("DELETE FROM facts")
            except Exception as error:  # noqa: BLE001 (whatever the driver says)
                refused.append(str(error))

    copy_state(source, target, intrude)
    assert "locked" in refused[0]
