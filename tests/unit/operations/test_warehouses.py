from collections.abc import Callable
from datetime import timedelta

import pytest

from tests.tracks import AT, append, load, sync, track
from tests.twins import TwinBackend
from tifo.kernel.errors import Conflict, NotFound, Rejected, Transient
from tifo.kernel.ids import Shard
from tifo.operations import sources, warehouses
from tifo.operations.warehouses import RewoundSource, WarehouseBacklog, WarehouseChange, WarehouseProgress
from tifo.warehouses.memory import MemoryWarehouse
from tifo.warehouses.ports import Cursor, Warehouse
from tifo.workspace.model import Source

URL = "postgresql://tifo:hidden@db:5433/reports"


def is_away(_kind: str, _url: str) -> None:
    raise Transient("The warehouse is away.")


class AwayWarehouse(MemoryWarehouse):
    def positions(self, shard: Shard) -> dict[str, Cursor]:  # noqa: ARG002 (it never answers)
        raise Transient("The warehouse is away.")


@pytest.fixture
def shop(backend: TwinBackend) -> Source:
    return sources.create(backend, "Shop", "http")


def test_the_built_in_warehouse_is_listed_first_and_loads_every_source(backend: TwinBackend, shop: Source) -> None:
    warehouses.add(backend, "postgres", URL, name="analytics")
    assert [each.name for each in warehouses.listed(backend)] == ["duckdb", "analytics"]
    assert warehouses.loaded_sources(backend, "duckdb") == [shop]
    assert warehouses.find(backend, "duckdb").is_built_in


def test_the_name_of_an_unknown_warehouse_is_refused_with_those_that_there_are(backend: TwinBackend) -> None:
    warehouses.add(backend, "postgres", URL, name="analytics")
    assert warehouses.known_name(backend, "analytics") == "analytics"
    with pytest.raises(NotFound, match="duckdb, analytics"):
        warehouses.known_name(backend, "nowhere")


def test_a_warehouse_is_added_for_the_sources_that_are_named_by_slug_or_id(backend: TwinBackend, shop: Source) -> None:
    other = sources.create(backend, "Other", "http")
    sources.create(backend, "Third", "http")
    made = warehouses.add(backend, "postgres", URL, sources_to_load=[shop.slug, other.id])
    assert (made.name, made.source_ids) == ("postgres", frozenset({shop.id, other.id}))
    assert warehouses.loaded_sources(backend, "postgres") == [shop, other]


def test_a_warehouse_that_is_away_is_not_added() -> None:
    backend = TwinBackend(check_warehouse=is_away)
    with pytest.raises(Transient):
        warehouses.add(backend, "postgres", URL)
    assert len(warehouses.listed(backend)) == 1
    parts = {"hostname": "db", "database": "d", "username": "u"}
    assert not warehouses.can_connect(backend, "postgres", parts)
    assert warehouses.is_reachable(backend, "duckdb")


def test_a_warehouse_may_be_added_disabled_and_enabled_later(backend: TwinBackend) -> None:
    assert not warehouses.add(backend, "postgres", URL, enabled=False).enabled
    assert not warehouses.change(backend, "postgres", WarehouseChange()).enabled
    assert warehouses.change(backend, "postgres", WarehouseChange(enabled=True)).enabled


def test_an_unknown_source_adds_no_warehouse(backend: TwinBackend) -> None:
    with pytest.raises(NotFound):
        warehouses.add(backend, "postgres", URL, sources_to_load=["nowhere"])
    assert len(warehouses.listed(backend)) == 1


def test_a_change_may_repeat_name_and_settings_and_refuses_others(backend: TwinBackend) -> None:
    warehouses.add(backend, "postgres", URL)
    same = {"name": "postgres", "hostname": "db", "port": "5433", "database": "reports", "username": "tifo"}
    assert warehouses.change(backend, "postgres", WarehouseChange("postgres", enabled=False, settings=same)).url == URL
    with pytest.raises(Rejected, match="hostname cannot be changed") as refused:
        warehouses.change(backend, "postgres", WarehouseChange(settings={**same, "hostname": "other"}))
    assert refused.value.field == "settings.hostname"
    with pytest.raises(Rejected, match="its id"):
        warehouses.change(backend, "postgres", WarehouseChange("other"))


def test_the_built_in_warehouse_is_neither_changed_removed_nor_disconnected(backend: TwinBackend, shop: Source) -> None:
    refused: list[Callable[[], object]] = [
        lambda: warehouses.change(backend, "duckdb", WarehouseChange(enabled=False)),
        lambda: warehouses.remove(backend, "duckdb"),
        lambda: warehouses.disconnect_source(backend, "duckdb", shop.id),
        lambda: warehouses.add(backend, "duckdb", URL),
    ]
    for each in refused:
        with pytest.raises(Conflict, match="built in"):
            each()


def test_a_removed_warehouse_is_not_found_any_more(backend: TwinBackend) -> None:
    warehouses.add(backend, "postgres", URL)
    assert warehouses.remove(backend, "postgres").url == URL
    with pytest.raises(NotFound, match="Known are duckdb"):
        warehouses.find(backend, "postgres")


def test_disconnecting_one_source_of_a_warehouse_that_loads_all_keeps_the_others(
    backend: TwinBackend, shop: Source
) -> None:
    other = sources.create(backend, "Other", "http")
    warehouses.add(backend, "postgres", URL)
    assert warehouses.disconnect_source(backend, "postgres", "shop").source_ids == frozenset({other.id})
    assert [each.name for each in warehouses.loading(backend, "shop")] == ["duckdb"]
    assert warehouses.connect_source(backend, "postgres", shop.id).source_ids == frozenset({shop.id, other.id})
    assert [each.name for each in warehouses.loading(backend, "shop")] == ["duckdb", "postgres"]
    assert warehouses.connect_source(backend, "duckdb", "shop").source_ids is None


def test_syncs_are_those_of_a_warehouse_and_of_a_source(backend: TwinBackend, shop: Source) -> None:
    other = sources.create(backend, "Other", "http")
    done = [sync(each) for each in (shop.id, other.id, None)]
    backend.warehouses.record(done)
    assert [each.source_id for each in warehouses.syncs(backend, "duckdb")] == [None, other.id, shop.id]
    assert warehouses.syncs(backend, source="shop") == [done[0]]
    assert warehouses.syncs(backend, source="shop", limit=1) == []
    with pytest.raises(NotFound):
        warehouses.syncs(backend, "nowhere")


def test_a_backlog_counts_what_the_log_holds_and_the_warehouse_does_not(
    backend: TwinBackend, shop: Source, warehouse: Warehouse
) -> None:
    append(backend.log, shop.id, track("a"), track("b"))
    assert warehouses.backlog(backend, "duckdb") == WarehouseBacklog(2)
    load(backend.log, warehouse, shop)
    append(backend.log, shop.id, track("c"))
    assert warehouses.backlog(backend, "duckdb") == WarehouseBacklog(1)


def test_a_backlog_of_a_warehouse_that_is_away_says_why_it_is_not_known(backend: TwinBackend) -> None:
    backend.opened["duckdb"] = AwayWarehouse()
    assert warehouses.backlog(backend, "duckdb") == WarehouseBacklog(None, "The warehouse is away.")


def test_progress_ends_when_the_warehouse_has_all_that_the_log_held(
    backend: TwinBackend, shop: Source, warehouse: Warehouse
) -> None:
    append(backend.log, shop.id, track("a"), track("b"))

    def meanwhile(_: float) -> None:
        load(backend.log, warehouse, shop)
        append(backend.log, shop.id, track("later"))

    seen = list(warehouses.progress(backend, "duckdb", sleep=meanwhile))
    assert seen == [WarehouseProgress(0, 2), WarehouseProgress(2, 2)]


def test_a_resync_deletes_the_rows_of_one_source_and_its_counts(
    backend: TwinBackend, shop: Source, warehouse: Warehouse
) -> None:
    append(backend.log, shop.id, track("a"))
    load(backend.log, warehouse, shop)
    assert warehouses.resync(backend, "duckdb", "shop") == [RewoundSource(shop, None)]
    assert warehouse.tables(shop.schema)["goal"] == 0
    assert warehouses.backlog(backend, "duckdb") == WarehouseBacklog(1)


def test_a_resync_of_all_leaves_out_sources_that_were_never_loaded(
    backend: TwinBackend, shop: Source, warehouse: Warehouse
) -> None:
    never = sources.create(backend, "Never", "http")
    append(backend.log, shop.id, track("a"))
    load(backend.log, warehouse, shop)
    assert [each.source for each in warehouses.resync(backend, "duckdb")] == [shop]
    with pytest.raises(NotFound):
        warehouses.resync(backend, "duckdb", never.slug)


def test_a_resync_of_a_trimmed_log_keeps_older_rows(backend: TwinBackend, shop: Source, warehouse: Warehouse) -> None:
    append(backend.log, shop.id, track("old"))
    append(backend.log, shop.id, track("new"), at=AT + timedelta(days=1))
    load(backend.log, warehouse, shop)
    backend.log.trim(before=AT + timedelta(hours=1), keep_after=backend.log.end())
    assert warehouses.resync(backend, "duckdb", "shop") == [
        RewoundSource(shop, AT + timedelta(days=1, seconds=60)),
    ]
    assert warehouse.tables(shop.schema)["goal"] == 2


def test_a_query_reads_the_built_in_warehouse_and_refuses_wrong_sql(
    backend: TwinBackend, shop: Source, warehouse: Warehouse
) -> None:
    append(backend.log, shop.id, track("a"))
    load(backend.log, warehouse, shop)
    assert warehouses.query(backend, f"SELECT id FROM {shop.schema}.goal") == [{"id": "a"}]
    with pytest.raises(Rejected):
        warehouses.query(backend, "SELEKT 1")
