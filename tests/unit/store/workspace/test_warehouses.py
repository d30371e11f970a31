from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tifo.delivery.retention import expire_loads
from tifo.eventlog.memory import MemoryEventLog
from tifo.eventlog.ports import Append
from tifo.kernel.ids import MessageId, Position, SourceId
from tifo.store.sql.database import open_sqlite
from tifo.store.workspace import warehouses as module
from tifo.store.workspace.warehouses import SqlWarehouses
from tifo.tracking.envelope import Message
from tifo.workspace.model import Source, SourceType
from tifo.workspace.warehouses import Loads, Sync, SyncStatus, WarehouseKind

NOW = datetime(2026, 11, 24, 10, 0, 0, 250_000, tzinfo=UTC)
URL = "postgresql://u:secret@host/db"


@pytest.fixture
def warehouses(tmp_path: Path) -> SqlWarehouses:
    return SqlWarehouses(open_sqlite(tmp_path / "tifo.db"), lambda: NOW)


def test_what_the_log_forgets_before_a_warehouse_has_it_is_counted_once(warehouses: SqlWarehouses) -> None:
    log = MemoryEventLog()
    for number in range(6):
        log.append([Append(SourceId("ab"[number % 2]), NOW, [Message(MessageId(str(number)), b"{}")])])
    sources = [
        Source(
            id=SourceId(each),
            name=each,
            slug=each,
            schema=each,
            type=SourceType.HTTP,
            enabled=True,
            created_at=NOW,
            keys=(),
        )
        for each in "abc"
    ]
    connected = warehouses.add(WarehouseKind("postgres"), URL, "away", [SourceId("a"), SourceId("c")])
    warehouses.record(
        [
            Sync(
                warehouse="away",
                source_id=SourceId("a"),
                status=SyncStatus.SUCCESS,
                started_at=NOW,
                finished_at=NOW,
                events=1,
                shard=log.shard,
                position=Position(1),
            )
        ]
    )
    for _ in range(2):
        expire_loads(log, warehouses, connected, sources, Position(4))
    assert warehouses.loads("away") == [
        Loads(
            source_id=SourceId("a"), shard=log.shard, position=Position(4), events=2, withheld=0, failed=1, latencies={}
        )
    ]
    (told, _) = warehouses.syncs("away", limit=9)
    assert told.error
    assert "EXPIRED: the event log forgot 1 events" in told.error


def test_syncs_come_back_newest_first_and_old_ones_are_forgotten(
    warehouses: SqlWarehouses, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MAX_SYNCS", 2)
    done = Sync(
        warehouse="one",
        source_id=SourceId("a"),
        status=SyncStatus.SUCCESS,
        started_at=NOW,
        finished_at=NOW + timedelta(seconds=1),
        events=3,
        rows={"tracks": 3},
        duplicates=1,
        discarded=2,
        notices=("made",),
    )
    failed = Sync(
        warehouse="one", source_id=None, status=SyncStatus.FAILURE, started_at=NOW, finished_at=NOW, error="away"
    )
    other = Sync(warehouse="two", source_id=SourceId("a"), status=SyncStatus.SUCCESS, started_at=NOW, finished_at=NOW)
    warehouses.record([other])
    for sync in (failed, done, failed, done):
        warehouses.record([sync])
    assert warehouses.syncs("one", limit=10) == [done, failed]
    assert warehouses.syncs(None, limit=10) == [done, failed, other]
    assert warehouses.syncs("one", limit=1) == [done]
