from pathlib import Path

import pytest

from tests.conftest import NewState
from tests.twins import TwinBackend
from tifo.kernel.clock import system_clock
from tifo.kernel.ids import uuid7
from tifo.store.workspace.catalog import SqlCatalog
from tifo.warehouses.drivers.duckdb import DuckdbWarehouse


@pytest.fixture
def backend(new_state: NewState, tmp_path: Path) -> TwinBackend:
    return TwinBackend(new_state("sqlite"), tmp_path)


@pytest.fixture
def joined_backend(new_state: NewState, tmp_path: Path) -> TwinBackend:
    """One state behind catalog, tracking plans and destinations: a plan is connected to sources of the catalog."""
    database = new_state("sqlite")
    return TwinBackend(database, tmp_path, catalog=SqlCatalog(database, system_clock, uuid7))


@pytest.fixture
def warehouse(tmp_path: Path) -> DuckdbWarehouse:
    return DuckdbWarehouse(tmp_path / "warehouse.duckdb")
