"""Which sources a warehouse takes, on each kind of state."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

import pytest

from tests.conftest import NewState
from tifo.kernel.errors import NotFound
from tifo.kernel.ids import SourceId
from tifo.store.workspace.warehouses import SqlWarehouses
from tifo.workspace.warehouses import WarehouseKind

NOW = datetime(2026, 11, 24, 10, 0, 0, 123_000, tzinfo=UTC)
ONE, TWO, LATER = (SourceId(name) for name in ("one", "two", "later"))


@pytest.fixture(params=["sqlite", "postgres"])
def warehouses(request: pytest.FixtureRequest, new_state: NewState) -> SqlWarehouses:
    return SqlWarehouses(new_state(request.param), lambda: NOW)


def test_sources_connected_at_once_are_all_taken(warehouses: SqlWarehouses) -> None:
    warehouses.add(WarehouseKind("postgres"), "postgresql://db/reports", "reports", ())
    sources = [SourceId(f"source-{number}") for number in range(12)]
    with ThreadPoolExecutor(6) as pool:
        list(pool.map(lambda source: warehouses.connect("reports", source), sources))
    assert warehouses.connected()[0].source_ids == frozenset(sources)


def test_a_warehouse_that_took_all_keeps_the_others_that_there_are(warehouses: SqlWarehouses) -> None:
    warehouses.add(WarehouseKind("postgres"), "postgresql://db/reports", "reports", None)
    assert warehouses.connect("reports", ONE).takes(LATER)
    left = warehouses.disconnect("reports", ONE, [ONE, TWO])
    assert [left.takes(each) for each in (ONE, TWO, LATER)] == [False, True, False]
    assert warehouses.connect("reports", ONE).takes(ONE)


def test_a_disabled_warehouse_is_remembered_as_such(warehouses: SqlWarehouses) -> None:
    assert warehouses.add(WarehouseKind("postgres"), "postgresql://db/reports", None, None).enabled
    assert not warehouses.enable("postgres", enabled=False).enabled
    assert not warehouses.connected()[0].enabled
    with pytest.raises(NotFound):
        warehouses.enable("nowhere", enabled=True)
    with pytest.raises(NotFound):
        warehouses.connect("nowhere", ONE)
    with pytest.raises(NotFound):
        warehouses.disconnect("nowhere", ONE, [])
