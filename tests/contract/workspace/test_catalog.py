"""What every catalog does, over each implementation."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import duckdb
import pytest
from sqlalchemy import insert

from tests.conftest import NewState
from tifo.kernel.errors import NotFound, Rejected
from tifo.kernel.ids import ClientId, uuid7
from tifo.store import tables
from tifo.store.catalog import SqlCatalog, WriteKeys
from tifo.store.database import open_sqlite
from tifo.workspace.memory import InMemoryCatalog
from tifo.workspace.model import Catalog, SourceType

APP = ClientId("app-1")
NOW = datetime(2026, 11, 24, 10, 0, 0, 123_000, tzinfo=UTC)


@pytest.fixture(params=["memory", "sqlite", "postgres"])
def catalog(request: pytest.FixtureRequest, new_state: NewState) -> Iterator[Catalog]:
    """Of a workspace with one application."""
    if request.param == "memory":
        yield InMemoryCatalog({APP}, clock=lambda: NOW)
        return
    database = new_state(request.param)
    with database.writing() as connection:
        row = {"id": APP, "body": "{}", "client_secret": "", "definitions_version": 1}
        connection.execute(insert(tables.applications), row)
    yield SqlCatalog(database, lambda: NOW, uuid7)


def test_sources_are_listed_as_they_were_made(catalog: Catalog) -> None:
    made = [catalog.create_source(name, SourceType.HTTP) for name in ("Demo", "Demo")]
    assert catalog.sources() == made
    assert [one.slug for one in made] == ["demo", "demo_2"]


def test_a_later_connection_replaces_the_earlier_one(catalog: Catalog) -> None:
    key = catalog.create_source("Demo", SourceType.LIVELIKE).write_key
    catalog.connect(APP, key, None)
    second = catalog.connect(APP, "other", "https://api.segment.io/")
    assert catalog.connections() == [second]
    assert second.endpoint == "https://api.segment.io"
    assert "other" not in repr(second)


def test_an_unknown_application_is_not_found(catalog: Catalog) -> None:
    with pytest.raises(NotFound):
        catalog.connect(ClientId("nobody"), "key", "https://api.segment.io")


def test_a_rejected_connection_leaves_the_earlier_one(catalog: Catalog) -> None:
    first = catalog.connect(APP, "key", "https://api.segment.io")
    with pytest.raises(Rejected):
        catalog.connect(APP, "key", "nowhere")
    with pytest.raises(Rejected):
        catalog.connect(APP, "key", None)
    assert catalog.connections() == [first]


def test_a_source_is_read_as_it_was_made(catalog: Catalog) -> None:
    made = catalog.create_source("  Fan Zone ⚽ ", SourceType.LIVELIKE)
    [read] = catalog.sources()
    assert read == made
    assert (read.name, read.slug, read.schema, read.type) == ("Fan Zone ⚽", "fan_zone", "fan_zone", "livelike")
    assert (read.enabled, read.created_at) == (True, NOW)
    assert len(read.write_key) == 32
    assert read.write_key not in repr(read)


@pytest.mark.parametrize("name", ["", "   ", "x" * 201])
def test_a_name_that_is_refused_leaves_no_source(catalog: Catalog, name: str) -> None:
    with pytest.raises(Rejected) as caught:
        catalog.create_source(name, SourceType.HTTP)
    assert caught.value.field == "name"
    assert catalog.sources() == []


RESERVED = [
    *("_tifo", "tifo", "main", "temp", "system", "warehouse", "public", "information_schema", "pg_catalog", "pg_temp"),
    *("PG_Toast", "pg", "2FA", "MAIN", "Temp!", "Warehouse", "日本語", "select"),
]


def test_no_source_gets_a_schema_that_the_warehouse_uses_itself(catalog: Catalog, tmp_path: Path) -> None:
    made = [catalog.create_source(name, SourceType.HTTP) for name in RESERVED]
    schemas = {source.name: source.schema for source in made}
    assert len(set(schemas.values())) == len(RESERVED)
    assert "_tifo" not in schemas.values(), "the warehouse's own book-keeping"
    with duckdb.connect(tmp_path / "warehouse.duckdb") as warehouse:
        for name, schema in schemas.items():
            warehouse.execute(f'CREATE SCHEMA "{schema}"')
            warehouse.execute(f'CREATE TABLE "{schema}".tracks AS SELECT ? AS source', [name])
        for name, schema in schemas.items():
            assert warehouse.execute(f'SELECT source FROM "{schema}".tracks').fetchall() == [(name,)]


def test_sources_made_at_once_have_names_of_their_own(catalog: Catalog) -> None:
    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(lambda _: catalog.create_source("Demo", SourceType.HTTP), range(16)))
    assert {source.slug for source in made} == {"demo", *(f"demo_{number}" for number in range(2, 17))}
    assert len({source.write_key for source in made}) == len({source.id for source in made}) == 16
    assert len(catalog.sources()) == 16


def test_a_connection_to_tifo_itself_needs_a_write_key_of_its_own(catalog: Catalog) -> None:
    with pytest.raises(Rejected) as caught:
        catalog.connect(APP, "foreign-key", None)
    assert caught.value.field == "write_key"
    assert catalog.connections() == []


def test_a_write_key_made_a_moment_ago_is_found_and_a_wrong_one_is_not(tmp_path: Path) -> None:
    database = open_sqlite(tmp_path / "tifo.db")
    catalog = SqlCatalog(database, lambda: NOW, uuid7)
    first = catalog.create_source("Demo", SourceType.HTTP)
    keys = WriteKeys(catalog)
    assert keys.source_of(first.write_key) == first
    assert keys.source_of("wrong") is None
    second = catalog.create_source("Demo", SourceType.HTTP)
    keys._read_at -= 0.06  # as long ago as an unknown key makes the catalog be read again
    assert keys.source_of(second.write_key) == second
    database.dispose()
