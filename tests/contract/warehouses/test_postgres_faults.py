"""PostgreSQL dies while it is loaded, and runs out of disk: every event is in it once afterwards."""

import os
import random
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.postgres import PostgresServer, postgres_server
from tests.shards import SHARD
from tifo.delivery.loading.loader import Loader
from tifo.eventlog.memory import MemoryEventLog
from tifo.eventlog.ports import Append
from tifo.kernel.errors import Conflict, Transient
from tifo.kernel.ids import MessageId, SourceId
from tifo.tracking.envelope import Message
from tifo.warehouses.drivers.postgres import PostgresWarehouse
from tifo.workspace.model import Source, SourceType
from tifo.workspace.warehouses import Sync, SyncStatus

NOW = datetime(2026, 11, 25, 10, tzinfo=UTC)
SOURCE = Source(
    id=SourceId("one"),
    name="One",
    slug="one",
    schema="one",
    type=SourceType.HTTP,
    enabled=True,
    created_at=NOW,
    keys=(),
)
EVENTS = 20_000
WITHIN_S = 60.0


@pytest.fixture
def server() -> Iterator[PostgresServer]:
    with postgres_server(durable=True) as server:
        yield server


@pytest.fixture
def log() -> MemoryEventLog:
    log = MemoryEventLog()
    messages = [Message(MessageId(f"m{number:06}"), _body(number)) for number in range(EVENTS)]
    log.append([Append(SourceId("one"), NOW, messages)])
    return log


def _body(number: int) -> bytes:
    noise = random.Random(number).randbytes(300).hex()  # nothing that a server could compress
    at = "2026-11-25T10:00:00.000Z"
    return (
        f'{{"type":"track","messageId":"m{number:06}","userId":"fan","event":"Goal {number % 3}","properties":'
        f'{{"n":{number},"noise":"{noise}"}},"context":{{}},"receivedAt":"{at}","timestamp":"{at}"}}'
    ).encode()


def load_all(loader: Loader) -> list[str]:
    """Until nothing waits; what went wrong on the way."""
    problems: list[str] = []
    deadline = time.monotonic() + WITHIN_S
    while time.monotonic() < deadline:
        try:
            if loader.flush() == 0:
                return problems
        except (Transient, Conflict) as error:
            problems.append(error.message)
            time.sleep(0.02)
    raise AssertionError(problems[-3:])


def load_until_refused(loader: Loader) -> None:
    while loader.flush():
        pass


def each_once(warehouse: PostgresWarehouse) -> bool:
    (row,) = warehouse.query("SELECT count(*) AS n, count(DISTINCT id) AS d FROM one.tracks")
    kinds = sum(warehouse.tables("one")[f"goal_{kind}"] for kind in range(3))
    return (row["n"], row["d"], kinds) == (EVENTS, EVENTS, EVENTS)


@pytest.mark.kill
def test_a_server_that_is_killed_while_it_is_loaded_has_every_event_once(
    server: PostgresServer, log: MemoryEventLog
) -> None:
    warehouse = PostgresWarehouse(server.new_database())
    loader = Loader(log, warehouse, lambda: [SOURCE], flush_events=1_000)
    moments = random.Random(7)

    def kill_again_and_again() -> None:
        for _ in range(5):
            time.sleep(moments.uniform(0.05, 0.3))  # the moment of death, not a wait for something
            server.stop()  # by SIGQUIT: at once, without a checkpoint
            server.start()

    killing = threading.Thread(target=kill_again_and_again)
    killing.start()
    problems = load_all(loader)
    killing.join()
    problems += load_all(loader)
    assert problems, "it was never hit"
    assert each_once(warehouse)


@pytest.mark.skipif(sys.platform != "linux" or os.geteuid() != 0, reason="needs Linux and root: a small disk (tmpfs)")
def test_a_server_whose_disk_is_full_is_told_and_has_every_event_once_when_there_is_room(
    server: PostgresServer, log: MemoryEventLog, small_disk: Path
) -> None:
    server.run(f"CREATE TABLESPACE small LOCATION '{small_disk}'")
    server.run("CREATE DATABASE full_one TABLESPACE small")
    filler = small_disk / "filler"
    filler.write_bytes(b"x" * (shutil.disk_usage(small_disk).free - 6_000_000))
    warehouse, told = PostgresWarehouse(server.url("full_one")), list[Sync]()
    loader = Loader(log, warehouse, lambda: [SOURCE], flush_events=2_000, on_syncs=told.extend)
    with pytest.raises(Transient, match="No space left on device"):
        load_until_refused(loader)
    position = warehouse.positions(SHARD)["one"].position if warehouse.positions(SHARD) else 0
    assert position < EVENTS
    assert loader.step() >= 0  # once more, as the role does: it fails, and is told
    assert told[-1].status is SyncStatus.FAILURE
    assert "No space left on device" in (told[-1].error or "")
    filler.unlink()
    load_all(loader)
    assert each_once(warehouse)


@pytest.fixture
def small_disk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    place = Path("/tmp") / f"tifo-small-{tmp_path_factory.getbasetemp().name}-{time.time_ns()}"  # noqa: S108 (the server's user must reach it)
    place.mkdir(mode=0o700)
    try:
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=80m", "tmpfs", place], check=True)
        shutil.chown(place, "postgres")
        yield place
    finally:
        subprocess.run(["umount", "-l", place], check=False)
        place.rmdir()
