"""Ranks and pages of entries among 10,000, 100,000 and 1,000,000 fans, and what a leaderboard adds to a commit.

    uv run python -m benchmarks.ranks [--fans 10000 100000 1000000] [--postgresql URL]

The bare limit of the database, beside it, is one row by its primary key over the same connections.
"""

import argparse
import asyncio
import random
import resource
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import create_engine, insert, select

from tifo.engagement import commands as c
from tifo.engagement.access import create_application
from tifo.engagement.model import Leaderboard
from tifo.kernel.clock import system_clock
from tifo.kernel.ids import ClientId, ProfileId, RewardItemId, uuid7
from tifo.store.engagement.access import SqlAccess
from tifo.store.engagement.engine import SqlEngine
from tifo.store.engagement.queries import SqlQueries
from tifo.store.sql import tables as t
from tifo.store.sql.database import Database, open_sqlite

_SEED = 7
_ASKED = 500
_AT_ONCE = 50_000
_BATCH = 200


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--fans", type=int, nargs="*", default=[10_000, 100_000, 1_000_000])
    parser.add_argument("--postgresql", help="address of an empty database, such as postgresql+psycopg:///bench")
    options = parser.parse_args()
    print(f"{'':<12}{'fans':>10} {'rank':>9} {'p99':>9} {'page 1':>9} {'mid page':>9} {'one row':>9}"
          f" {'open':>8} {'moves/s':>9} {'without':>9}")  # fmt: skip
    for fans in options.fans:
        with tempfile.TemporaryDirectory() as folder:
            database = open_sqlite(Path(folder) / "bench.db")
            asyncio.run(_run("SQLite", database, fans))
            database.dispose()
        if options.postgresql:
            with _postgresql(options.postgresql) as database:
                asyncio.run(_run("PostgreSQL", database, fans))
    print(f"peak memory {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:,.0f} MB")


@contextmanager
def _postgresql(address: str) -> Iterator[Database]:
    engine = create_engine(address)
    t.METADATA.drop_all(engine)
    t.METADATA.create_all(engine)
    try:
        yield Database(engine)
    finally:
        t.METADATA.drop_all(engine)
        engine.dispose()


async def _run(name: str, database: Database, fans: int) -> None:
    engine, queries = SqlEngine(database, system_clock, uuid7), SqlQueries(database)
    client_id = create_application(SqlAccess(database, system_clock, uuid7), "Bench").application.id
    item = RewardItemId((await engine.handle(c.CreateRewardItem(client_id=client_id, name="Points"))).id)
    ids = _fill(database, client_id, item, fans)
    without = await _moves(engine, client_id, item, ids)
    started = time.perf_counter()
    board = await engine.handle(c.CreateLeaderboard(client_id=client_id, name="Best", reward_item_id=item))
    opened_s = time.perf_counter() - started
    if name == "PostgreSQL":
        with database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.exec_driver_sql("ANALYZE")
    chosen = random.Random(_SEED).choices(ids, k=_ASKED)  # noqa: S311 (no secret)
    rank = _timed(lambda n: queries.standings_of(board, [chosen[n]]))
    first = _timed(lambda _: queries.standings(board, page=1))
    middle = _timed(lambda n: _page(queries, board, fans // 40 + n, fans))
    row = _timed(lambda n: _one_row(database, chosen[n]))
    moves = await _moves(engine, client_id, item, ids)
    print(f"{name:<12}{fans:>10,} {_median(rank):>6.2f} ms {_p99(rank):>6.2f} ms {_median(first):>6.2f} ms"
          f" {_median(middle):>6.2f} ms {_median(row):>6.2f} ms {opened_s:>6.1f} s {moves:>9,.0f} {without:>9,.0f}",
          flush=True)  # fmt: skip
    await engine.close()


def _fill(database: Database, client_id: ClientId, item: RewardItemId, fans: int) -> list[ProfileId]:
    """Balances as games have them: many small ones, few large ones."""
    generator = random.Random(_SEED)  # noqa: S311 (no secret)
    ids = [ProfileId(uuid7()) for _ in range(fans)]
    for start in range(0, fans, _AT_ONCE):
        some = ids[start : start + _AT_ONCE]
        profiles = [
            {"id": i, "client_id": client_id, "nickname": "Fan", "attributes": "[]", "created_at": 0} for i in some
        ]
        held = [{"profile_id": i, "reward_item_id": item, "balance": int(generator.lognormvariate(7, 2))} for i in some]
        with database.writing() as connection:
            connection.execute(insert(t.profiles), profiles)
            connection.execute(insert(t.balances), held)
    return ids


async def _moves(engine: SqlEngine, client_id: ClientId, item: RewardItemId, ids: list[ProfileId]) -> float:
    """Credits a second, 200 in a commit."""
    generator, done, started = random.Random(_SEED), 0, time.perf_counter()  # noqa: S311 (no secret)
    while time.perf_counter() - started < 2:
        credits_ = [
            c.Credit(client_id=client_id, profile_id=fan, reward_item_id=item, reward_item_amount=5)
            for fan in generator.choices(ids, k=_BATCH)
        ]
        await asyncio.gather(*map(engine.handle, credits_))
        done += _BATCH
    return done / (time.perf_counter() - started)


def _page(queries: SqlQueries, board: Leaderboard, page: int, fans: int) -> None:
    assert len(queries.standings(board, page=page % (fans // 20) + 1).results) == 20


def _one_row(database: Database, profile_id: ProfileId) -> None:
    with database.reading() as connection:
        connection.execute(select(t.profiles).where(t.profiles.c.id == profile_id)).one()


def _timed(ask: Callable[[int], object]) -> list[float]:
    taken = []
    for number in range(_ASKED):
        started = time.perf_counter()
        ask(number)
        taken.append(1000 * (time.perf_counter() - started))
    return sorted(taken)


def _median(taken: list[float]) -> float:
    return taken[len(taken) // 2]


def _p99(taken: list[float]) -> float:
    return taken[len(taken) * 99 // 100]


if __name__ == "__main__":
    main()
