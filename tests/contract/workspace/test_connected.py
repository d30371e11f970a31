"""What every implementation of the connected warehouses does."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.conftest import NewState
from tifo.kernel.errors import NotFound, Rejected
from tifo.kernel.ids import NO_SHARD, Position, SourceId
from tifo.store.workspace.warehouses import SqlWarehouses
from tifo.workspace.memory import InMemoryCatalog, InMemoryWarehouses
from tifo.workspace.warehouses import BUILT_IN, Loads, Sync, SyncStatus, WarehouseKind, Warehouses

NOW = datetime(2026, 11, 24, 10, 0, 0, 123_000, tzinfo=UTC)
URL = "postgresql://u:secret@host/db"
ONE, TWO, LATER = (SourceId(name) for name in ("one", "two", "later"))


@pytest.fixture(params=["memory", "sqlite", "postgres"])
def warehouses(request: pytest.FixtureRequest, new_state: NewState) -> Warehouses:
    if request.param == "memory":
        return InMemoryWarehouses(InMemoryCatalog(()), clock=lambda: NOW)
    return SqlWarehouses(new_state(request.param), lambda: NOW)


@pytest.mark.concurrency
def test_sources_connected_at_once_are_all_taken(warehouses: Warehouses) -> None:
    warehouses.add(WarehouseKind("postgres"), "postgresql://db/reports", "reports", ())
    sources = [SourceId(f"source-{number}") for number in range(12)]
    with ThreadPoolExecutor(6) as pool:
        list(pool.map(lambda source: warehouses.connect("reports", source), sources))
    assert warehouses.connected()[0].source_ids == frozenset(sources)


def test_a_warehouse_that_took_all_keeps_the_others_that_there_are(warehouses: Warehouses) -> None:
    warehouses.add(WarehouseKind("postgres"), "postgresql://db/reports", "reports", None)
    assert warehouses.connect("reports", ONE).takes(LATER)
    left = warehouses.disconnect("reports", ONE, [ONE, TWO])
    assert [left.takes(each) for each in (ONE, TWO, LATER)] == [False, True, False]
    assert warehouses.connect("reports", ONE).takes(ONE)


def test_a_disabled_warehouse_is_remembered_as_such(warehouses: Warehouses) -> None:
    assert warehouses.add(WarehouseKind("postgres"), "postgresql://db/reports", None, None).enabled
    assert not warehouses.enable("postgres", enabled=False).enabled
    assert not warehouses.connected()[0].enabled
    with pytest.raises(NotFound):
        warehouses.enable("nowhere", enabled=True)
    with pytest.raises(NotFound):
        warehouses.connect("nowhere", ONE)
    with pytest.raises(NotFound):
        warehouses.disconnect("nowhere", ONE, [])


def test_a_warehouse_is_connected_under_a_free_name_and_removed(warehouses: Warehouses) -> None:
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
def test_a_name_that_is_taken_or_bad_is_refused(warehouses: Warehouses, name: str) -> None:
    warehouses.add(WarehouseKind("postgres"), URL, "taken", None)
    with pytest.raises(Rejected):
        warehouses.add(WarehouseKind("postgres"), URL, name, None)


def test_loads_add_up_until_they_are_begun_anew(warehouses: Warehouses) -> None:
    one = SourceId("one")

    def load(events: int, position: int, **more: Any) -> Sync:
        return Sync(
            warehouse="duckdb",
            source_id=one,
            status=SyncStatus.SUCCESS,
            started_at=NOW,
            finished_at=NOW,
            events=events,
            position=Position(position),
            latencies={3: events},
            **more,
        )

    warehouses.record([load(5, 5, withheld=1), load(7, 12, failed=2)])
    warehouses.record(
        [
            Sync(
                warehouse="duckdb",
                source_id=None,
                status=SyncStatus.FAILURE,
                started_at=NOW,
                finished_at=NOW,
                error="away",
            )
        ]
    )
    assert warehouses.loads("duckdb") == [
        Loads(source_id=one, shard=NO_SHARD, position=Position(12), events=12, withheld=1, failed=2, latencies={3: 12})
    ]
    assert warehouses.loads("other") == []
    warehouses.begin_anew("duckdb", one)
    assert warehouses.loads("duckdb") == []


def test_syncs_come_back_newest_first_and_leave_with_their_warehouse(warehouses: Warehouses) -> None:
    warehouses.add(WarehouseKind("postgres"), URL, "one", None)
    done = Sync(
        warehouse="one",
        source_id=ONE,
        status=SyncStatus.SUCCESS,
        started_at=NOW,
        finished_at=NOW + timedelta(seconds=1),
        events=3,
        rows={"tracks": 3},
        duplicates=1,
        discarded=2,
        notices=("made",),
        left_out={"off": 1},
    )
    failed = Sync(
        warehouse="one", source_id=None, status=SyncStatus.FAILURE, started_at=NOW, finished_at=NOW, error="away"
    )
    other = replace(done, warehouse="two")
    warehouses.record([done, other])
    warehouses.record([failed])
    assert warehouses.syncs("one", limit=10) == [failed, done]
    assert warehouses.syncs(None, limit=2) == [failed, other]
    warehouses.remove("one")
    assert warehouses.syncs(None, limit=10) == [other]


def test_the_history_holds_no_position_and_the_loads_do(warehouses: Warehouses) -> None:
    sync = Sync(
        warehouse="one",
        source_id=ONE,
        status=SyncStatus.SUCCESS,
        started_at=NOW,
        finished_at=NOW,
        events=2,
        position=Position(2),
        withheld=1,
        latencies={4: 2},
    )
    warehouses.record([sync])
    assert warehouses.syncs("one", limit=1) == [replace(sync, position=None, withheld=0, latencies={})]
    assert [each.position for each in warehouses.loads("one")] == [2]
