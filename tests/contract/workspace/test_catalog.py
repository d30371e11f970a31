"""What every catalog does, over each implementation."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import duckdb
import pytest
from sqlalchemy import insert

from tests.conftest import NewState
from tifo.kernel.errors import Conflict, NotFound, Rejected
from tifo.kernel.ids import ClientId, SourceId, uuid7
from tifo.store.sql import tables
from tifo.store.workspace.catalog import SqlCatalog
from tifo.workspace.memory import InMemoryCatalog
from tifo.workspace.model import Catalog, SourceChange, SourceType
from tifo.workspace.rules import MAX_WRITE_KEYS
from tifo.workspace.sync import EVERYTHING, Override, Selection
from tifo.workspace.write_keys import WriteKeys

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


@pytest.mark.parametrize("name", ["", "   ", "x" * 201, "a\0b", "a\nb"])
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


@pytest.mark.concurrency
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


def test_a_new_name_changes_neither_slug_nor_schema(catalog: Catalog) -> None:
    made = catalog.create_source("Demo", SourceType.HTTP)
    changed = catalog.change_source(made.id, SourceChange(name=" Fan Zone "))
    assert (changed.name, changed.slug, changed.schema, changed.keys) == ("Fan Zone", "demo", "demo", made.keys)
    assert catalog.sources() == [changed]


def test_slug_and_schema_change_only_where_they_are_named(catalog: Catalog) -> None:
    made = catalog.create_source("Demo", SourceType.HTTP)
    changed = catalog.change_source(made.id, SourceChange(slug="fan-zone", schema="fan_zone"))
    assert (changed.slug, changed.schema) == ("fan-zone", "fan_zone")
    assert catalog.change_source(made.id, SourceChange(enabled=False)).schema == "fan_zone"
    assert not catalog.sources()[0].enabled


@pytest.mark.parametrize("schema", ["", "_tifo", "public", "9lives", "Fans", "fan zone", "pg_fans", "a" * 49, 'a"b'])
def test_a_schema_that_warehouses_would_trip_over_is_refused(catalog: Catalog, schema: str) -> None:
    made = catalog.create_source("Demo", SourceType.HTTP)
    with pytest.raises(Rejected) as caught:
        catalog.change_source(made.id, SourceChange(name="Other", schema=schema))
    assert caught.value.field == "schema"
    assert catalog.sources() == [made]


def test_no_two_sources_share_a_slug_or_a_schema(catalog: Catalog) -> None:
    one, two = (catalog.create_source(name, SourceType.HTTP) for name in ("One", "Two"))
    for change in (SourceChange(slug="one"), SourceChange(schema="one")):
        with pytest.raises(Conflict):
            catalog.change_source(two.id, change)
    with pytest.raises(Conflict):
        catalog.create_source("Other", SourceType.HTTP, slug="two")
    assert catalog.sources() == [one, two]


def test_a_source_is_created_with_a_slug_and_disabled(catalog: Catalog) -> None:
    made = catalog.create_source("Web", SourceType.JAVASCRIPT, enabled=False, slug="my-web")
    assert (made.slug, made.schema, made.enabled) == ("my-web", "my_web", False)
    assert catalog.sources() == [made]


def test_a_deleted_source_loses_its_keys_and_keeps_its_schema_for_ever(catalog: Catalog) -> None:
    made = catalog.create_source("Demo", SourceType.HTTP)
    assert catalog.delete_source(made.id) == []
    assert catalog.sources() == []
    [gone] = catalog.deleted_sources()
    assert (gone.id, gone.schema, gone.keys, gone.enabled) == (made.id, "demo", (), False)
    again = catalog.create_source("Other", SourceType.HTTP, slug="demo")
    assert (again.slug, again.schema) == ("demo", "demo_2")
    with pytest.raises(Conflict):
        catalog.change_source(again.id, SourceChange(schema="demo"))
    with pytest.raises(Rejected):
        catalog.connect(APP, made.write_key, None)


def test_a_source_that_an_application_sends_to_is_deleted_only_by_force(catalog: Catalog) -> None:
    made = catalog.create_source("Demo", SourceType.LIVELIKE)
    connection = catalog.connect(APP, made.write_key, None)
    with pytest.raises(Conflict):
        catalog.delete_source(made.id)
    assert catalog.connections() == [connection]
    assert catalog.delete_source(made.id, force=True) == [connection]
    assert (catalog.sources(), catalog.connections()) == ([], [])


def test_write_keys_are_rotated_without_a_gap(catalog: Catalog) -> None:
    made = catalog.create_source("Demo", SourceType.HTTP)
    both = catalog.add_write_key(made.id)
    old, new = both.write_keys
    assert (old, len(new)) == (made.write_key, 32)
    left = catalog.remove_write_key(made.id, old)
    assert left.write_keys == (new,)
    assert catalog.sources() == [left]


def test_the_last_write_key_goes_only_with_the_source_disabled(catalog: Catalog) -> None:
    made = catalog.create_source("Demo", SourceType.HTTP)
    with pytest.raises(Conflict) as caught:
        catalog.remove_write_key(made.id, made.write_key)
    assert made.write_key not in caught.value.message
    catalog.change_source(made.id, SourceChange(enabled=False))
    assert catalog.remove_write_key(made.id, made.write_key).write_keys == ()
    with pytest.raises(Rejected):
        catalog.change_source(made.id, SourceChange(enabled=True))
    catalog.add_write_key(made.id)
    assert catalog.change_source(made.id, SourceChange(enabled=True)).enabled


def test_a_write_key_that_an_application_sends_with_stays(catalog: Catalog) -> None:
    made = catalog.create_source("Demo", SourceType.LIVELIKE)
    catalog.connect(APP, made.write_key, None)
    new = catalog.add_write_key(made.id).write_keys[1]
    with pytest.raises(Conflict):
        catalog.remove_write_key(made.id, made.write_key)
    catalog.connect(APP, new, None)
    assert catalog.remove_write_key(made.id, made.write_key).write_keys == (new,)


def test_a_source_has_only_so_many_write_keys(catalog: Catalog) -> None:
    made = catalog.create_source("Demo", SourceType.HTTP)
    for _ in range(MAX_WRITE_KEYS - 1):
        catalog.add_write_key(made.id)
    with pytest.raises(Rejected):
        catalog.add_write_key(made.id)


def test_what_is_not_there_is_not_found(catalog: Catalog) -> None:
    made = catalog.create_source("Demo", SourceType.HTTP)
    nobody = SourceId("nobody")
    for ask in (
        lambda: catalog.change_source(nobody, SourceChange()),
        lambda: catalog.delete_source(nobody),
        lambda: catalog.add_write_key(nobody),
        lambda: catalog.remove_write_key(made.id, "wrong"),
        lambda: catalog.select("duckdb", {nobody: []}),
    ):
        with pytest.raises(NotFound):
            ask()


def test_tables_and_columns_are_turned_off_and_on_by_source_and_warehouse(catalog: Catalog) -> None:
    made, other = (catalog.create_source(name, SourceType.HTTP) for name in ("Demo", "Other"))
    assert catalog.selection_of(made.id, "duckdb") == EVERYTHING
    catalog.select("duckdb", {made.id: [Override("pages", None, False), Override("tracks", "context_ip", False)]})
    catalog.select("duckdb", {made.id: [Override("identifies", "email", False), Override("pages", None, True)]})
    expected = Selection(
        columns_off={"identifies": frozenset({"email"}), "tracks": frozenset({"context_ip"})},
    )
    assert catalog.selection_of(made.id, "duckdb") == expected
    assert catalog.selection_of(made.id, "postgres") == catalog.selection_of(other.id, "duckdb") == EVERYTHING


def test_settings_of_which_one_is_refused_change_nothing(catalog: Catalog) -> None:
    made = catalog.create_source("Demo", SourceType.HTTP)
    with pytest.raises(Rejected):
        catalog.select("duckdb", {made.id: [Override("pages", None, False), Override("tracks", "id", False)]})
    assert catalog.selection_of(made.id, "duckdb") == EVERYTHING


@pytest.mark.parametrize("kind", ["sqlite", "postgres"])
def test_every_write_key_of_a_source_is_looked_up_and_none_of_a_deleted_one(kind: str, new_state: NewState) -> None:
    catalog = SqlCatalog(new_state(kind), lambda: NOW, uuid7)
    made = catalog.create_source("Demo", SourceType.HTTP)
    source = catalog.add_write_key(made.id)
    assert [WriteKeys(catalog).source_of(key) for key in source.write_keys] == [source, source]
    catalog.delete_source(made.id)
    assert [WriteKeys(catalog).source_of(key) for key in source.write_keys] == [None, None]


def test_settings_of_several_sources_are_changed_all_or_none(catalog: Catalog) -> None:
    one, two = (catalog.create_source(name, SourceType.HTTP) for name in ("One", "Two"))
    off = [Override("pages", None, False)]
    with pytest.raises(NotFound):
        catalog.select("duckdb", {one.id: off, SourceId("nobody"): off})
    assert catalog.selection_of(one.id, "duckdb") == EVERYTHING
    catalog.select("duckdb", {one.id: off, two.id: off})
    assert not catalog.selection_of(one.id, "duckdb").takes_table("pages")
    assert not catalog.selection_of(two.id, "duckdb").takes_table("pages")
