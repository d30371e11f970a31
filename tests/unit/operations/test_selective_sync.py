from dataclasses import replace

import pytest

from tests.tracks import sync
from tests.twins import TwinBackend
from tifo.kernel.errors import NotFound, Rejected
from tifo.operations import selective_sync, sources
from tifo.operations.selective_sync import SyncedTable
from tifo.workspace.sync import Override


def test_tables_and_columns_are_read_from_their_names() -> None:
    overrides = selective_sync.overrides_of(off=["pages", "tracks.url"], on=["groups"])
    assert overrides == [
        Override("pages", None, False),
        Override("tracks", "url", False),
        Override("groups", None, True),
    ]


def test_what_is_turned_off_is_not_taken(backend: TwinBackend) -> None:
    sources.create(backend, "Shop", "http")
    selective_sync.select(backend, "duckdb", {"shop": selective_sync.overrides_of(off=["pages"], on=())})
    assert not selective_sync.selection(backend, "shop", "duckdb").takes_table("pages")


def test_a_change_says_whether_anything_is_other_than_it_was(backend: TwinBackend) -> None:
    made = sources.create(backend, "Shop", "http")
    off = selective_sync.overrides_of(off=["pages"], on=())
    assert [selective_sync.select(backend, "duckdb", {name: off}) for name in ("shop", made.id)] == [True, False]
    both = {"shop": off, made.id: selective_sync.overrides_of(off=["groups"], on=())}
    assert selective_sync.select(backend, "duckdb", both)
    assert selective_sync.selection(backend, "shop", "duckdb").tables_off == {"pages", "groups"}


def test_one_refused_override_changes_nothing(backend: TwinBackend) -> None:
    made = sources.create(backend, "Shop", "http")
    with pytest.raises(Rejected):
        selective_sync.select(
            backend, "duckdb", {made.id: selective_sync.overrides_of(off=["pages", "tracks.id"], on=())}
        )
    assert selective_sync.selection(backend, "shop", "duckdb").is_everything


@pytest.mark.parametrize(("source", "warehouse"), [("nowhere", "duckdb"), ("shop", "nowhere")])
def test_unknown_names_are_refused(backend: TwinBackend, source: str, warehouse: str) -> None:
    sources.create(backend, "Shop", "http")
    with pytest.raises(NotFound):
        selective_sync.selection(backend, source, warehouse)


def test_tables_are_those_that_were_loaded_lately_or_have_a_setting(backend: TwinBackend) -> None:
    made, other = (sources.create(backend, name, "http") for name in ("Shop", "Other"))
    backend.warehouses.record([sync(made.id), replace(sync(other.id), rows={"not_mine": 1})])
    off = ["pages", "tracks.url", "tracks.city", "pages.title"]
    selective_sync.select(backend, "duckdb", {"shop": selective_sync.overrides_of(off=off, on=())})
    assert selective_sync.tables(backend, "shop", "duckdb") == [
        SyncedTable("goal", True, ()),
        SyncedTable("pages", False, ("title",)),
        SyncedTable("tracks", True, ("city", "url")),
    ]
