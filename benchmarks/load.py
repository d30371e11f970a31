"""Log → warehouse: events a second through the real loader, into DuckDB and PostgreSQL, and peers beside it.

    uv run python -m benchmarks.load [--events 300000] [--flush 50000] [--only duckdb|postgres] [--dlt PYTHON]

All load the same events: those of the LiveLike source, in requests of 100. Beside DuckDB stands DuckDB alone, inserting
the same Arrow tables when they are ready: no decoding, no look-up of ids, no position. Beside PostgreSQL stands dlt,
into the same server, where `--dlt` names a Python that has it (`pip install "dlt[postgres]"`). With `--events 5000000`
it is a backlog: memory must stay flat. Making the events is not timed.
"""

import argparse
import contextlib
import json
import random
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from tests.postgres import PostgresServer, postgres_server
from tifo.delivery.loading.loader import Loader
from tifo.delivery.loading.pieces import Piece, prepared
from tifo.delivery.loading.progress import SourceProgress
from tifo.eventlog.ports import Append
from tifo.eventlog.sqlite import SqliteEventLog
from tifo.kernel.clock import to_iso
from tifo.kernel.ids import START, MessageId, SourceId, uuid7
from tifo.kernel.memory import collect_seldom
from tifo.tracking.envelope import Message
from tifo.warehouses.drivers.duckdb import DuckdbWarehouse
from tifo.warehouses.drivers.postgres import PostgresWarehouse
from tifo.warehouses.ports import Warehouse
from tifo.warehouses.schema import fit
from tifo.warehouses.source_naming import SourceNaming
from tifo.workspace.model import Source, SourceType

_SOURCE = SourceId("bench")
_SCHEMA = "livelike_demo"
_BLOCK = 100
"""Events a block: what one request brings."""
_START = datetime(2026, 11, 24, 10, tzinfo=UTC)
_DLT_EVENTS = 50_000
"""At most so many for dlt, which takes its time."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, default=300_000)
    parser.add_argument("--flush", type=int, default=50_000)
    parser.add_argument("--only", choices=("duckdb", "postgres"))
    parser.add_argument("--dlt", help="a Python that has dlt[postgres]")
    parser.add_argument("--fill", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.fill:
        _fill(Path(asked.fill), asked.events)
        return
    with tempfile.TemporaryDirectory() as name, contextlib.closing(filled(Path(name), asked.events)) as log:
        collect_seldom()  # as the role does
        print(f"{asked.events:,} events, two rows each; {_peak_mb():,.0f} MB before the first is loaded")
        if asked.only != "postgres":
            _duckdb(Path(name), log, asked.events, asked.flush)
        if asked.only != "duckdb":
            with postgres_server(durable=True) as server:
                _postgres(log, server, asked.events, asked.flush)
                if asked.dlt:
                    _dlt(log, server, asked.dlt, min(asked.events, _DLT_EVENTS))


def _duckdb(folder: Path, log: SqliteEventLog, events: int, flush: int) -> None:
    warehouse = DuckdbWarehouse(folder / "warehouse.duckdb")
    whole = _loaded(log, warehouse, events, flush)
    _told("log → DuckDB", events, whole)
    print(f"{'peak memory':<28}{_peak_mb():>9,.0f} MB")
    few = min(events, 300_000)
    convert_s, alone_s = _apart(folder, log, few, flush)
    _told("  decode and columns alone", few, convert_s)
    _told("  DuckDB alone (the limit)", few, alone_s)
    print(f"{'  ratio to the limit':<28}{(events / whole) / (few / alone_s):>9.2f}")


def _postgres(log: SqliteEventLog, server: PostgresServer, events: int, flush: int) -> None:
    whole = _loaded(log, PostgresWarehouse(server.new_database()), events, flush)
    _told("log → PostgreSQL (fsync on)", events, whole)
    print(f"{'peak memory':<28}{_peak_mb():>9,.0f} MB")


def _loaded(log: SqliteEventLog, warehouse: Warehouse, events: int, flush: int) -> float:
    """The seconds that the loader takes for all that the log holds."""
    source = Source(
        id=_SOURCE,
        name="Bench",
        slug="bench",
        schema=_SCHEMA,
        type=SourceType.LIVELIKE,
        enabled=True,
        created_at=_START,
        keys=(),
    )
    loader = Loader(log, warehouse, lambda: [source], flush_events=flush)
    started = time.perf_counter()
    while loader.flush():
        pass
    seconds = time.perf_counter() - started
    warehouse.publish(at_end=True)
    assert warehouse.tables(_SCHEMA)["tracks"] == events
    return seconds


def _apart(folder: Path, log: SqliteEventLog, events: int, flush: int) -> tuple[float, float]:
    """The seconds for making Arrow tables of the events, and for inserting them."""
    convert_s = alone_s = 0.0
    naming = SourceNaming.alone()
    after, left = START, events
    while left > 0:
        blocks = log.read(after, max_events=min(flush, left), source_id=_SOURCE)
        left -= sum(block.size for block in blocks)
        last = blocks[-1].last
        started = time.perf_counter()
        progress = SourceProgress(source_id=_SOURCE, shard=log.shard, schema=_SCHEMA, committed=after, read=last)
        load = prepared(Piece(progress, blocks, last), naming=naming).load
        converted = time.perf_counter()
        ready = {name: fit(table, table.types) for name, table in load.tables.items()}
        fitted = time.perf_counter()
        _insert(folder / "alone.duckdb", ready)
        convert_s += converted - started
        alone_s += time.perf_counter() - fitted
        after = last
    return convert_s, alone_s


def _dlt(log: SqliteEventLog, server: PostgresServer, python: str, events: int) -> None:
    """One table for each event, as dlt makes them: its usual way to load many kinds of events."""
    with tempfile.TemporaryDirectory() as name:
        file = Path(name) / "events.ndjson"
        blocks = log.read(START, max_events=events, source_id=_SOURCE)
        file.write_bytes(b"".join(block.bodies for block in blocks))
        url = server.new_database().replace("postgres@", "postgres:any@", 1)  # it wants a password, the server none
        command = [python, "-c", _DLT_PROGRAM, str(file), url, name]
        started = time.perf_counter()
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        seconds = time.perf_counter() - started
    if done.returncode:
        print(f"dlt did not load: {done.stderr.strip().splitlines()[-1]}")
        return
    _told("dlt → the same PostgreSQL", events, seconds)


_DLT_PROGRAM = """
import json, sys, dlt
file, url, folder = sys.argv[1:]
def events():
    with open(file) as lines:
        for line in lines:
            yield json.loads(line)
pipeline = dlt.pipeline("bench", pipelines_dir=folder, dataset_name="bench", destination=dlt.destinations.postgres(url))
pipeline.run(dlt.resource(events, name="events", table_name=lambda event: event["event"], primary_key="messageId"))
"""


def _told(what: str, events: int, seconds: float) -> None:
    print(f"{what:<28}{events / seconds:>9,.0f} events/s   {seconds:6.2f} s")


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


def filled(folder: Path, events: int) -> SqliteEventLog:
    """By another process, whose memory is none of the loader's."""
    command = [sys.executable, "-m", "benchmarks.load", "--fill", str(folder / "log"), "--events", str(events)]
    subprocess.run(command, check=True)
    return SqliteEventLog(folder / "log", read_only=True)


def _fill(folder: Path, events: int) -> None:
    generator = random.Random(7)  # noqa: S311 (no secret)
    log = SqliteEventLog(folder)
    for first in range(1, events + 1, 50 * _BLOCK):
        requests = range(first, min(first + 50 * _BLOCK, events + 1), _BLOCK)
        log.append([_request(generator, at, min(_BLOCK, events + 1 - at)) for at in requests])
    log.close()


def _request(generator: random.Random, first: int, size: int) -> Append:
    messages = [_message(generator, first + number) for number in range(size)]
    return Append(_SOURCE, _START, messages)


def _message(generator: random.Random, number: int) -> Message:
    fan = f"0193a5f0-0000-7000-8000-{generator.randrange(1000):012}"
    event, properties = generator.choice(_EVENTS)(generator)
    at = to_iso(_START + timedelta(milliseconds=number))
    made_id = uuid7()
    message = {
        "type": "track",
        "messageId": made_id,
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
    return Message(MessageId(made_id), json.dumps(message, separators=(",", ":")).encode())


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
