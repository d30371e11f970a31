from dataclasses import asdict
from datetime import timedelta
from typing import Any

import pytest

from tests.shards import SHARD
from tests.twins import TwinBackend
from tests.unit.operations.conftest import NOW, counted, receive, settle, undelivered
from tifo.delivery.ports import Checkpoint, Result, Sample
from tifo.destinations.ports import Exchange
from tifo.kernel.errors import NotFound
from tifo.kernel.ids import ClientId, Position, SourceId
from tifo.operations import delivery, destinations, sources
from tifo.operations.delivery import ConnectionTotals
from tifo.workspace.destinations import ConnectedDestination
from tifo.workspace.warehouses import Sync, SyncStatus, WarehouseKind

PARTS = ("filtered_at_destination", "waiting", "failed", "delivered")


@pytest.fixture
def shop(backend: TwinBackend) -> SourceId:
    return sources.create(backend, "Shop", "http").id


@pytest.fixture
def crm(backend: TwinBackend, shop: SourceId) -> ConnectedDestination:  # noqa: ARG001 (made before)
    return destinations.add(backend, "webhook", "shop", {"url": "https://example.com"}, name="crm")


def parts(totals: ConnectionTotals) -> dict[str, int]:
    """They add up to received, whatever happens."""
    found = {name: value for name, value in asdict(totals).items() if name in PARTS and value}
    assert sum(found.values()) == totals.received
    return found


def test_events_that_the_cursor_has_not_come_to_are_received_and_wait(
    backend: TwinBackend, shop: SourceId, crm: ConnectedDestination
) -> None:
    receive(backend, shop, "m1", "m2", "m3")
    settle(backend, crm, 1, counts=counted(Result.DELIVERED, 1))
    (totals,) = delivery.overview(backend)
    assert (totals.id, totals.name, totals.kind, totals.source) == (crm.id, "crm", "webhook", "shop")
    assert parts(totals) == {"delivered": 1, "waiting": 2}
    assert totals.dead is None


def test_failed_counts_dead_letters_and_those_that_expired(
    backend: TwinBackend, shop: SourceId, crm: ConnectedDestination
) -> None:
    receive(backend, shop, *(f"m{number}" for number in range(6)))
    events = [undelivered(1, "m0", dead=True), undelivered(2, "m1", dead=True), undelivered(3, "m2")]
    counts = {**counted(Result.DELIVERED, 1), **counted(Result.FILTERED, 2, code="FILTERED_BY_RULES")}
    settle(backend, crm, 6, undelivered=events, counts=counts)
    (before,) = delivery.overview(backend)
    assert parts(before) == {"failed": 2, "waiting": 1, "delivered": 1, "filtered_at_destination": 2}
    assert backend.deliveries.expire_dead_letters(NOW + timedelta(days=31), limit=1) == 1
    (after,) = delivery.overview(backend)
    assert parts(after) == parts(before)


def test_a_replays_events_are_none_of_the_parts(
    backend: TwinBackend, shop: SourceId, crm: ConnectedDestination
) -> None:
    receive(backend, shop, "m1")
    counts = {**counted(Result.DELIVERED, 1), **counted(Result.REPLAYED, 5)}
    settle(backend, crm, 1, counts=counts, undelivered=[undelivered(1, "m1", replay="again")])
    (totals,) = delivery.overview(backend)
    assert parts(totals) == {"delivered": 1}
    assert totals.replayed == 5


def test_refusals_before_the_log_stand_beside_what_was_received(
    backend: TwinBackend, shop: SourceId, crm: ConnectedDestination
) -> None:
    receive(backend, shop, "m1", refused=["no_user_anon_id", "unplanned", "unplanned"])
    receive(backend, shop, "m1")  # a duplicate failed nowhere
    receive(backend, "another", "m2", refused=["event_not_defined"])
    (totals,) = delivery.overview(backend)
    assert (totals.failed_on_ingest, totals.filtered_at_source, totals.received) == (1, 2, 1)
    assert delivery.destination_report(backend, crm.id).totals == totals


def test_a_dead_destination_says_why(backend: TwinBackend, crm: ConnectedDestination) -> None:
    dead = Checkpoint(crm.id, dead_since=NOW, dead_reason="ECONNREFUSED")
    backend.deliveries.settle([dead])
    assert delivery.overview(backend)[0].dead == "ECONNREFUSED"


def problem(result: Result, code: str, message_id: str) -> Sample:
    exchange = Exchange("POST https://example.com", f"{code} no")
    return Sample(
        result=result,
        code=code,
        message_id=message_id,
        at=NOW,
        received=b'{"n":1}',
        detail="no",
        exchange=exchange,
    )


def test_a_report_tells_problems_apart_by_result_and_code(backend: TwinBackend, crm: ConnectedDestination) -> None:
    counts = {
        **counted(Result.FAILED, 3, code="400"),
        **counted(Result.FAILED, 1, code="413"),
        **counted(Result.FILTERED, 2, code="FILTERED_BY_RULES"),
    }
    samples = [problem(Result.FAILED, "400", "m1"), problem(Result.FAILED, "413", "m2")]
    samples.append(problem(Result.FILTERED, "FILTERED_BY_RULES", "m3"))
    settle(backend, crm, 0, counts=counts, samples=samples)
    report = delivery.destination_report(backend, "crm")
    assert report.destination == crm
    assert [(each.code, each.total) for each in report.failed] == [("400", 3), ("413", 1)]
    assert [(each.code, each.total) for each in report.filtered] == [("FILTERED_BY_RULES", 2)]
    with pytest.raises(NotFound):
        delivery.destination_report(backend, "erp")


def test_errors_are_listed_from_ingest_relay_and_destinations(
    backend: TwinBackend, shop: SourceId, crm: ConnectedDestination
) -> None:
    receive(backend, shop, "m1", refused=["no_user_anon_id"])
    settle(backend, crm, 0, counts=counted(Result.FAILED, 3, code="400"), samples=[problem(Result.FAILED, "400", "m1")])
    ingest, failed = delivery.errors(backend)
    assert (ingest.where, ingest.source, ingest.code, ingest.count) == ("ingest", "shop", "no_user_anon_id", 1)
    assert (ingest.detail, ingest.sample, ingest.at) == ("as told", "{}", None)
    assert (failed.where, failed.source, failed.code, failed.count) == ("destination crm", "shop", "400", 3)
    assert (failed.detail, failed.sample, failed.received) == ("failed: no", "m1", b'{"n":1}')
    assert failed.exchange == Exchange("POST https://example.com", "400 no")


def test_a_fact_that_an_endpoint_refused_is_an_error_of_the_relay(
    backend: TwinBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Refusal:
        status, answer, fact_id = 400, "no", "fact-1"

    class Connection:
        client_id = ClientId("club")

    monkeypatch.setattr(backend.catalog, "connections", lambda: [Connection()])
    monkeypatch.setattr(backend.facts, "dead_letters", lambda client_id: [Refusal()] if client_id == "club" else [])
    (error,) = delivery.errors(backend)
    assert (error.where, error.source, error.code, error.count) == ("relay", "club", "400", 1)
    assert (error.detail, error.sample) == ("no", "fact-1")


def load(source_id: SourceId | None, status: SyncStatus = SyncStatus.SUCCESS, **fields: Any) -> Sync:
    return Sync(warehouse="duckdb", source_id=source_id, status=status, started_at=NOW, finished_at=NOW, **fields)


def test_loads_are_told_as_deliveries_are(backend: TwinBackend, shop: SourceId) -> None:
    receive(backend, shop, "m1", "m2", "m3", "m4", "m5", refused=["unplanned"])
    backend.warehouses.record(
        [load(shop, shard=SHARD, position=Position(4), events=4, withheld=1, failed=1, latencies={3: 2})]
    )
    (totals,) = delivery.warehouse_overview(backend)
    assert (totals.id, totals.name, totals.kind, totals.source) == ("duckdb/shop", "duckdb", "duckdb", "shop")
    assert parts(totals) == {"delivered": 2, "failed": 1, "filtered_at_destination": 1, "waiting": 1}
    assert totals.filtered_at_source == 1
    assert totals.latency_ms["p50"] is not None
    assert totals.dead is None


def test_a_warehouse_shows_the_sources_that_it_takes(backend: TwinBackend, shop: SourceId) -> None:
    other = sources.create(backend, "Other", "http").id
    backend.warehouses.add(WarehouseKind("postgres"), "postgresql://x", "reports", [other])
    receive(backend, shop, "m1")
    assert [(each.id, each.waiting) for each in delivery.warehouse_overview(backend)] == [
        ("duckdb/shop", 1),
        ("duckdb/other", 0),
        ("reports/other", 0),
    ]


def test_a_warehouse_whose_newest_load_failed_says_why(backend: TwinBackend, shop: SourceId) -> None:  # noqa: ARG001 (made before)
    backend.warehouses.record([load(None, SyncStatus.FAILURE, error="The disk is full.")])
    assert [each.dead for each in delivery.warehouse_overview(backend)] == ["The disk is full."]
