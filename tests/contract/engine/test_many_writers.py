"""Two processes play the same fans on one PostgreSQL: each thing is paid once and no balance is off by one."""

import asyncio
import json
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from tests.postgres import PostgresServer, postgres_server
from tifo.engagement import commands as c
from tifo.engagement.access import create_application
from tifo.engagement.model import Application
from tifo.kernel.clock import system_clock
from tifo.kernel.ids import ProfileId, RewardItemId, uuid7
from tifo.store.engagement.access import SqlAccess
from tifo.store.engagement.audit import SqlLedgerAudit
from tifo.store.engagement.engine import SqlEngine
from tifo.store.engagement.queries import SqlQueries
from tifo.store.sql.database import Database, open_postgres

PLAYER = Path(__file__).with_name("player.py")
PROCESSES = 2
CIRCLE, STAKE = 4, 1_000
VOTE, TROPHY = 5, 50
TRANSACTIONS, RESTARTS = 2_500, 3
ENDS_WITHIN_S = 90.0


@pytest.fixture
def server() -> Iterator[PostgresServer]:
    """A server of the test's own, which it may stop."""
    with postgres_server() as own:
        yield own


@pytest.fixture
def place(server: PostgresServer) -> Iterator[tuple[str, Database]]:
    url = server.new_database()
    database = open_postgres(url)
    yield url, database
    database.dispose()


async def _begin(database: Database) -> dict[str, Any]:
    app = create_application(SqlAccess(database, system_clock, uuid7), "Club").application
    engine = SqlEngine(database, system_clock, uuid7)

    async def do(command: type[Any], **fields: Any) -> Any:
        return await engine.handle(command(client_id=app.id, **fields))

    points = RewardItemId((await do(c.CreateRewardItem, name="Points")).id)
    await do(c.CreateRewardAction, name="Vote", key="vote")
    entry = c.NewEntry(reward_item_id=points, reward_item_amount=VOTE, action_key="vote")
    await do(c.CreateRewardTable, name="Table", entries=(entry,))
    await do(c.CreateLeaderboard, name="All", reward_item_id=points)
    quest = await do(c.CreateQuest, name="Quest")
    await do(c.AddQuestTask, quest_id=quest.id, name="Step", target_value=Decimal(1))
    reward = c.NewQuestReward(reward_item_id=points, reward_item_amount=TROPHY)
    await do(c.AddQuestRewards, quest_id=quest.id, rewards=(reward,))
    circle = [ProfileId((await do(c.CreateProfile)).id) for _ in range(CIRCLE)]
    for fan in circle:
        await do(c.Credit, profile_id=fan, reward_item_id=points, reward_item_amount=STAKE)
    await engine.close()
    game = {"client_id": app.id, "program_id": app.default_program_id, "item": points}
    return {**game, "quest": quest.id, "circle": circle}


def _start(stack: ExitStack, url: str, game: dict[str, Any]) -> list[subprocess.Popen[str]]:
    """Each is ready to play when this returns."""
    players = [
        stack.enter_context(
            subprocess.Popen(
                [sys.executable, str(PLAYER), url, str(number)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            )
        )
        for number in range(PROCESSES)
    ]
    for player in players:
        stack.callback(player.kill)
        assert player.stdin is not None
        assert player.stdout is not None
        player.stdin.write(json.dumps(game) + "\n")
        player.stdin.flush()
        assert player.stdout.readline() == "ready\n"
    return players


def _ends(players: list[subprocess.Popen[str]]) -> list[dict[str, Any]]:
    """Ends the play. Returns what each of them saw: one that was refused but by the rules has ended otherwise."""
    for player in players:
        assert player.stdin is not None
        player.stdin.close()
        player.stdin = None
    printed = [player.communicate(timeout=ENDS_WITHIN_S)[0] for player in players]
    assert [player.returncode for player in players] == [0] * PROCESSES
    return [json.loads(each.splitlines()[-1]) for each in printed]


def _check(database: Database, game: dict[str, Any], ends: list[dict[str, Any]]) -> None:
    queries = SqlQueries(database)
    seen = sum((Counter(end["seen"]) for end in ends), Counter[str]())
    expected = [STAKE + sum(end["moved"][n] for end in ends) for n in range(CIRCLE)]
    held = [queries.fan(game["client_id"], fan).balances[game["item"]] for fan in game["circle"]]
    assert held == expected, "of the circle"
    with database.reading() as connection:
        fans = connection.execute(text("SELECT count(*) FROM profiles WHERE custom_id IS NOT NULL")).scalar_one()
        paid = connection.execute(
            text(
                "SELECT b.balance, count(*) FROM profiles p JOIN balances b ON b.profile_id = p.id "
                "WHERE p.custom_id IS NOT NULL GROUP BY b.balance"
            )
        ).all()
        positions = connection.execute(text("SELECT count(*) FROM facts")).scalar_one()
    assert [tuple(row) for row in paid] == [(VOTE + TROPHY, fans)], "each fan has one vote and one quest paid"
    assert seen["vote"] == fans, "and one client was told so"
    assert seen["vote refused"] > fans, "they must have been after the same fans"
    assert seen["transfer"] > fans
    # Vote, step, task, quest and its reward.
    assert positions == fans * 5
    assert SqlLedgerAudit(database).problems() == []


@pytest.mark.concurrency
def test_two_processes_after_the_same_fans_pay_once(place: tuple[str, Database], server: PostgresServer) -> None:
    url, database = place
    game = asyncio.run(_begin(database))
    with ExitStack() as stack:
        players = _start(stack, url, game)
        _wait_for_more_commits(server, url, TRANSACTIONS)
        ends = _ends(players)
    _check(database, game, ends)


@pytest.mark.kill
def test_a_server_that_dies_under_load_costs_nothing_and_pays_nothing_twice(
    place: tuple[str, Database], server: PostgresServer
) -> None:
    url, database = place
    game = asyncio.run(_begin(database))
    with ExitStack() as stack:
        players = _start(stack, url, game)
        for _ in range(RESTARTS):
            _wait_for_more_commits(server, url)
            server.stop()
            server.start()
        _wait_for_more_commits(server, url)
        ends = _ends(players)
    database.dispose()  # our own connections are from before the server died
    _check(database, game, ends)


def _wait_for_more_commits(server: PostgresServer, url: str, more: int = 100) -> None:
    """Until there are so many more transactions in the ledger."""
    deadline = time.monotonic() + ENDS_WITHIN_S
    first: int | None = None
    while time.monotonic() < deadline:
        count = int(server.run("SELECT count(*) FROM transactions", url))
        first = count if first is None else first
        if count > first + more:
            return
    raise AssertionError("the load stands still")


@pytest.mark.kill
async def test_a_commit_whose_answer_is_lost_is_not_done_again(place: tuple[str, Database]) -> None:
    """The server has committed, and the connection breaks before it says so."""
    _, database = place
    app: Application = create_application(SqlAccess(database, system_clock, uuid7), "Club").application
    engine = SqlEngine(database, system_clock, uuid7)
    item = await engine.handle(c.CreateRewardItem(client_id=app.id, name="Points"))
    fan = await engine.handle(c.CreateProfile(client_id=app.id))
    lost: list[int] = []
    do_commit = database.writer.dialect.do_commit

    def lose(connection: Any) -> None:
        do_commit(connection)
        if not lost:
            lost.append(1)
            connection.dbapi_connection.close()
            connection.dbapi_connection.cursor()  # raises what the driver raises on a connection that is gone

    database.writer.dialect.do_commit = lose  # type: ignore[method-assign, assignment]
    credit = c.Credit(client_id=app.id, profile_id=fan.id, reward_item_id=item.id, reward_item_amount=7)
    answer = await engine.handle(credit)
    assert lost
    assert (answer.amount, answer.balance) == (7, 7)
    await engine.handle(credit)
    assert SqlQueries(database).fan(app.id, fan.id).balances == {item.id: 14}
    assert SqlLedgerAudit(database).problems() == []
    await engine.close()
