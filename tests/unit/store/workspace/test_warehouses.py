from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tifo.delivery.retention import expire_loads
from tifo.eventlog.memory import MemoryEventLog
from tifo.eventlog.ports import Append
from tifo.kernel.errors import NotFound, Rejected
from tifo.kernel.ids import MessageId, Position, SourceId
from tifo.store.sql.database import open_sqlite
from tifo.store.workspace import warehouses as module
from tifo.store.workspace.warehouses import SqlWarehouses
from tifo.tracking.envelope import Message
from tifo.workspace.model import Source, SourceType
from tifo.workspace.warehouses import BUILT_IN, Loads, Sync, SyncStatus, WarehouseKind

NOW = datetime(2026, 11, 24, 10, 0, 0, 250_000, tzinfo=UTC)
URL = "postgresql://u:secret@host/db"


@pytest.fixture
def warehouses(tmp_path: Path) -> SqlWarehouses:
    return SqlWarehouses(open_sqlite(tmp_path / "tifo.db"), lambda: NOW)


def test_a_warehouse_is_connected_under_a_free_name_and_removed(warehouses: SqlWarehouses) -> None:
    first = warehouses.add(WarehouseKind("postgres"), URL, None, None)
    second = warehouses.add(WarehouseKind("postgres"), URL, None, [SourceId("a")])
    assert [each.name for each in warehouses.connected()] == ["postgres", "postgres_2"]
    assert warehouses.connected() == [first, second]
    assert first.takes(SourceId("b"))
    assert second.takes(SourceId("a"))
    assert not second.takes(SourceId("b"))
    assert "secret" not in repr(first)
    warehouses.remove("postgres")
    assert warehouses.connected() == [second]
    with pytest.raises(NotFound):
        warehouses.remove("postgres")


@pytest.mark.parametrize("name", [BUILT_IN, "taken", "Bad Name", ""])
def test_a_name_that_is_taken_or_bad_is_refused(warehouses: SqlWarehouses, name: str) -> None:
    warehouses.add(WarehouseKind("postgres"), URL, "taken", None)
    with pytest.raises(Rejected):
        warehouses.add(WarehouseKind("postgres"), URL, name, None)


def test_what_the_log_forgets_before_a_warehouse_has_it_is_counted_once(warehouses: SqlWarehouses) -> None:
    log = MemoryEventLog()
    for number in range(6):
        log.append([Append(SourceId("ab"[number % 2]), NOW, [Message(MessageId(str(number)), b"{}")])])
    sources = [
        Source(SourceId(each), each, each, each, SourceType.HTTP, enabled=True, created_at=NOW, keys=())
        for each in "abc"
    ]
    connected = warehouses.add(WarehouseKind("postgres"), URL, "away", [SourceId("a"), SourceId("c")])
    warehouses.record([Sync("away", SourceId("a"), SyncStatus.SUCCESS, NOW, NOW, 1, position=Position(1))])
    for _ in range(2):
        expire_loads(log, warehouses, connected, sources, Position(4))
    assert warehouses.loads("away") == [Loads(SourceId("a"), Position(4), 2, 0, 1, {})]
    (told, _) = warehouses.syncs("away", limit=9)
    assert told.error
    assert "EXPIRED: the event log forgot 1 events" in told.error


def test_syncs_come_back_newest_first_and_old_ones_are_forgotten(
    warehouses: SqlWarehouses, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "KEPT_SYNCS", 2)
    done = Sync(
        "one", SourceId("a"), SyncStatus.SUCCESS, NOW, NOW + timedelta(seconds=1), 3, {"tracks": 3}, 1, 2, ("made",)
    )
    failed = Sync("one", None, SyncStatus.FAILURE, NOW, NOW, error="away")
    other = Sync("two", SourceId("a"), SyncStatus.SUCCESS, NOW, NOW)
    warehouses.record([other])
    for sync in (failed, done, failed, done):
        warehouses.record([sync])
    assert warehouses.syncs("one", limit=10) == [done, failed]
    assert warehouses.syncs(None, limit=10) == [done, failed, other]
    assert warehouses.syncs("one", limit=1) == [done]


def test_loads_add_up_until_they_are_begun_anew(warehouses: SqlWarehouses) -> None:
    one = SourceId("one")

    def load(events: int, position: int, **more: Any) -> Sync:
        return Sync(
            "duckdb",
            one,
            SyncStatus.SUCCESS,
            NOW,
            NOW,
            events,
            position=Position(position),
            latencies={3: events},
            **more,
        )

    warehouses.record([load(5, 5, withheld=1), load(7, 12, failed=2)])
    warehouses.record([Sync("duckdb", None, SyncStatus.FAILURE, NOW, NOW, error="away")])
    assert warehouses.loads("duckdb") == [Loads(one, Position(12), 12, 1, 2, {3: 12})]
    assert warehouses.loads("other") == []
    warehouses.begin_anew("duckdb", one)
    assert warehouses.loads("duckdb") == []
