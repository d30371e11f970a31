"""Log → Arrow → DuckDB: events a second through the loader's own steps, and DuckDB alone beside it.

    uv run python benchmarks/load.py [--events 300000] [--flush 50000]

Both load the same events in the same flushes, in turn: each flush is a transaction, with the file opened before and
closed after. The bare limit is DuckDB inserting the Arrow tables when they are ready: no decoding, no look-up of ids,
no position. Generating the events is not timed.
"""

import argparse
import json
import random
import resource
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from tifo.delivery.pieces import Cursor, Piece, as_load
from tifo.eventlog.ports import Block
from tifo.kernel.clock import to_iso
from tifo.kernel.ids import Position, SourceId, uuid7
from tifo.warehouses.duckdb import DuckdbWarehouse
from tifo.warehouses.schema import fit

_SOURCE = SourceId("bench")
_SCHEMA = "livelike_demo"
_BLOCK = 100
"""Events a block: what one request brings."""
_START = datetime(2026, 11, 24, 10, tzinfo=UTC)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--events", type=int, default=300_000)
    parser.add_argument("--flush", type=int, default=50_000)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        run(Path(folder), arguments.events, arguments.flush)


def run(folder: Path, events: int, flush: int) -> None:
    warehouse = DuckdbWarehouse(folder / "warehouse.duckdb")
    cursor = Cursor(_SOURCE, _SCHEMA, Position(0), Position(0))
    seconds = {"convert": 0.0, "duckdb": 0.0, "bare": 0.0}
    total_bytes = 0
    base_mb = _peak_mb()
    for blocks in _flushes(events, flush):
        total_bytes += sum(len(block.bodies) for block in blocks)
        cursor.read = Position(blocks[-1].first + blocks[-1].size - 1)
        with _timed(seconds, "convert"):
            load = as_load(Piece(cursor, blocks, cursor.read)).load
        with _timed(seconds, "duckdb"):
            warehouse.load([load])
        cursor.committed = cursor.read
        ready = {name: fit(table, table.types) for name, table in load.tables.items()}
        with _timed(seconds, "bare"):
            _insert(folder / "bare.duckdb", ready)
    assert warehouse.tables(_SCHEMA)["tracks"] == events
    _report(events, total_bytes, seconds, base_mb)


def _report(events: int, total_bytes: int, seconds: Mapping[str, float], base_mb: float) -> None:
    whole, bare = seconds["convert"] + seconds["duckdb"], seconds["bare"]
    print(f"{events:,} events of {total_bytes / events:.0f} bytes, two rows each")
    print(f"log → DuckDB             {events / whole:>9,.0f} events/s   {whole:6.2f} s")
    print(f"  decode and columns     {events / seconds['convert']:>9,.0f} events/s   {seconds['convert']:6.2f} s")
    print(f"  DuckDB, exactly once   {events / seconds['duckdb']:>9,.0f} events/s   {seconds['duckdb']:6.2f} s")
    print(f"DuckDB alone (limit)     {events / bare:>9,.0f} events/s   {bare:6.2f} s")
    print(f"ratio to the limit       {bare / whole:>9.2f}")
    print(f"peak memory              {_peak_mb():>9,.0f} MB ({base_mb:,.0f} MB before the first event)")


@contextmanager
def _timed(seconds: dict[str, float], name: str) -> Iterator[None]:
    started = time.perf_counter()
    yield
    seconds[name] += time.perf_counter() - started


def _insert(path: Path, tables: Mapping[str, pa.Table]) -> None:
    with duckdb.connect(str(path)) as connection:
        connection.begin()
        for name, rows in tables.items():
            connection.register("batch", rows)
            connection.execute(f"CREATE TABLE IF NOT EXISTS {name} AS SELECT * FROM batch LIMIT 0")
            connection.execute(f"INSERT INTO {name} BY NAME SELECT * FROM batch")
            connection.unregister("batch")
        connection.commit()


def _peak_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def _flushes(events: int, flush: int) -> Iterator[list[Block]]:
    generator = random.Random(7)  # noqa: S311 (no secret)
    for first in range(1, events + 1, flush):
        sizes = [
            (at, min(_BLOCK, first + flush - at, events + 1 - at))
            for at in range(first, min(first + flush, events + 1), _BLOCK)
        ]
        yield [_block(generator, at, size) for at, size in sizes]


def _block(generator: random.Random, first: int, size: int) -> Block:
    bodies = b"".join(_message(generator, first + number) + b"\n" for number in range(size))
    return Block(Position(first), size, _SOURCE, _START, bodies)


def _message(generator: random.Random, number: int) -> bytes:
    fan = f"0193a5f0-0000-7000-8000-{generator.randrange(1000):012}"
    event, properties = generator.choice(_EVENTS)(generator)
    at = to_iso(_START + timedelta(milliseconds=number))
    message = {
        "type": "track",
        "messageId": uuid7(),
        **({"userId": f"fan-{fan[-4:]}"} if generator.random() < 0.5 else {"anonymousId": fan}),
        "event": event,
        "properties": {"livelike_profile_id": fan, **properties},
        "context": {"library": {"name": "tifo", "version": "0.1.0"}},
        "integrations": {},
        "timestamp": at,
        "originalTimestamp": at,
        "sentAt": at,
        "receivedAt": at,
    }
    return json.dumps(message, separators=(",", ":")).encode()


def _badge(generator: random.Random) -> tuple[str, dict[str, Any]]:
    badge = {"badge_id": "badge-1", "badge_title": "Super Fan", "earned_badge_id": uuid7()}
    picture = {"description": "For the loudest fan in the stand", "image_url": "https://cdn.example.com/badge.png"}
    threshold = {"reward_item_id": "item-1", "reward_item_name": "Points", "reward_item_threshold": 100}
    known = (picture if generator.random() < 0.5 else {}) | (threshold if generator.random() < 0.7 else {})
    return "Badge Rewarded", badge | known


def _task_completed(_: random.Random) -> tuple[str, dict[str, Any]]:
    return "Quest Task Completed", _QUEST | _TASK | {"user_quest_id": uuid7(), "user_quest_task_id": uuid7()}


def _reward(generator: random.Random) -> dict[str, Any]:
    return {
        "reward_item_name": "Points",
        "reward_item_amount": generator.choice((5, 10, 50)),
        "reward_item_balance": generator.randrange(5_000),
        "reward_item_id": "item-1",
        "reward_item_transaction_id": uuid7(),
    }


def _quest_reward(generator: random.Random) -> tuple[str, dict[str, Any]]:
    return "Quest Reward Awarded", _QUEST | _reward(generator)


def _item_rewarded(generator: random.Random) -> tuple[str, dict[str, Any]]:
    return "Reward Item Rewarded", _reward(generator)


def _progressed(generator: random.Random) -> tuple[str, dict[str, Any]]:
    steps = {"quest_task_target_value": 5, "user_quest_task_progress": generator.choice((0.5, 1, 1.5, 2))}
    return "User Quest Task Progressed", _QUEST | _TASK | steps | {
        "user_quest_id": uuid7(),
        "user_quest_task_id": uuid7(),
    }


def _completed(_: random.Random) -> tuple[str, dict[str, Any]]:
    return "User Quest Completed", _QUEST | {"user_quest_id": uuid7()}


_QUEST = {"quest_id": "quest-1", "quest_name": "Match day"}
_TASK = {"quest_task_id": "task-1", "quest_task_name": "Vote"}
_EVENTS = (_badge, _task_completed, _quest_reward, _item_rewarded, _progressed, _completed)


if __name__ == "__main__":
    main()
