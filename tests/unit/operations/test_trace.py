from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import pytest

from tests.shards import SHARD
from tests.twins import TwinBackend
from tests.unit.operations.conftest import NOW, earn, receive, settle, undelivered
from tifo.engagement.model import Transaction, TransactionKind
from tifo.eventlog.ports import EventLog
from tifo.kernel.errors import NotFound, Transient
from tifo.kernel.ids import Position, ProfileId, RewardItemId, SourceId, TransactionId
from tifo.operations import applications, destinations, sources
from tifo.operations.destinations import DestinationEdit
from tifo.operations.trace import MAX_MESSAGES, TraceStep, trace
from tifo.tracking.filters import EventChoice
from tifo.warehouses.messages import convert
from tifo.warehouses.ports import Load, Warehouse
from tifo.workspace.destinations import ConnectedDestination


@pytest.fixture
def shop(backend: TwinBackend) -> SourceId:
    return sources.create(backend, "Shop", "http").id


@pytest.fixture
def crm(backend: TwinBackend, shop: SourceId) -> ConnectedDestination:  # noqa: ARG001 (made before)
    return destinations.add(backend, "webhook", "shop", {"url": "https://example.com"}, name="crm")


def at_destination(backend: TwinBackend, message_id: str) -> Sequence[tuple[str, str, str]]:
    return [
        (step.what, step.outcome, step.detail) for step in trace(backend, message_id) if step.where == "destination crm"
    ]


def test_an_id_that_nobody_knows_is_refused(backend: TwinBackend, shop: SourceId) -> None:
    receive(backend, shop, "m1")
    with pytest.raises(NotFound, match="knows 'm2'"):
        trace(backend, "m2")


def test_the_ledger_comes_before_the_messages(backend: TwinBackend, shop: SourceId) -> None:
    row = Transaction(
        id=TransactionId("tx-1"),
        profile_id=ProfileId("fan-1"),
        reward_item_id=RewardItemId("points"),
        amount=5,
        balance=12,
        kind=TransactionKind.CREDIT,
        created_at=NOW,
    )
    club = applications.create(backend, "Club").application
    backend.state.application(club.id).transactions.append(row)
    receive(backend, shop, "m1", properties={"transaction_id": "tx-1"})
    committed = TraceStep(
        at=NOW, what="credit of 5", where="ledger", outcome="committed", detail="transaction tx-1, balance 12"
    )
    ledger, stored, *_ = trace(backend, "tx-1")
    assert (ledger, stored.outcome) == (committed, "stored")
    assert trace(backend, "fan-1") == [committed]


def test_a_fan_is_traced_to_what_the_engine_paid(backend: TwinBackend) -> None:
    fan = earn(backend, applications.create(backend, "Club").application)
    (step,) = trace(backend, fan)
    assert (step.where, step.outcome) == ("ledger", "committed")


def test_a_message_is_found_by_its_id_its_user_and_its_properties(backend: TwinBackend, shop: SourceId) -> None:
    receive(backend, shop, "m1", properties={"transaction_id": "tx-1", "note": "not tx-2"})
    expected = TraceStep(at=NOW, what="track Seen", where="event log of shop", outcome="stored", detail="message m1")
    for wanted in ("m1", "ada", "tx-1"):
        assert trace(backend, wanted)[0] == expected
    for unknown in ("tx-2", "m", "Seen"):
        with pytest.raises(NotFound):
            trace(backend, unknown)


def test_of_a_user_the_newest_messages_are_traced(backend: TwinBackend, shop: SourceId) -> None:
    other = sources.create(backend, "Other", "http").id
    for number in range(MAX_MESSAGES):
        receive(backend, (shop, other)[number % 2], f"m{number:02}a", f"m{number:02}b")
    stored = [step.detail for step in trace(backend, "ada") if step.outcome == "stored"]
    assert stored == [f"message m{number:02}{half}" for number in range(10, 20) for half in "ab"]


def test_an_event_behind_the_cursor_that_nothing_else_knows_of_was_delivered(
    backend: TwinBackend, shop: SourceId, crm: ConnectedDestination
) -> None:
    receive(backend, shop, "m1", "m2")
    settle(backend, crm, 1)
    assert at_destination(backend, "m1") == [("delivery", "delivered", "")]
    assert at_destination(backend, "m2") == [("delivery", "waiting", "The destination has not come to it yet.")]
    destinations.change(backend, "crm", DestinationEdit(enabled=False))
    assert at_destination(backend, "m2") == [("delivery", "waiting", "The destination is disabled.")]


def test_an_event_that_came_before_the_destination_is_not_meant_for_it(backend: TwinBackend, shop: SourceId) -> None:
    receive(backend, shop, "m1")
    destinations.add(backend, "webhook", "shop", {"url": "https://example.com"}, name="crm")
    ((what, outcome, _),) = at_destination(backend, "m1")
    assert (what, outcome) == ("delivery", "not meant for it")


def test_a_filtered_event_says_why(backend: TwinBackend, shop: SourceId, crm: ConnectedDestination) -> None:
    receive(backend, shop, "m1")
    settle(backend, crm, 1)
    destinations.choose_events(backend, "crm", EventChoice(excluded=["Seen"]))
    ((what, outcome, detail),) = at_destination(backend, "m1")
    assert (what, outcome) == ("delivery", "filtered")
    assert detail.startswith("FILTERED_BY_RULES: ")


def test_attempts_are_told_up_to_the_next_one_or_the_end(
    backend: TwinBackend, shop: SourceId, crm: ConnectedDestination
) -> None:
    receive(backend, shop, "m1", "m2")
    settle(backend, crm, 2, undelivered=[undelivered(1, "m1"), undelivered(2, "m2", code="400", dead=True)])
    assert at_destination(backend, "m1") == [
        ("attempt", "500", "as told"),
        ("next attempt", "waiting", "after 1 attempts: 500"),
    ]
    assert at_destination(backend, "m2") == [("attempt", "400", "as told"), ("delivery", "failed", "400 as told")]
    attempt, following = [step for step in trace(backend, "m1") if step.where == "destination crm"]
    assert (attempt.at, following.at) == (NOW, NOW + timedelta(minutes=1))


def test_a_replay_is_told_beside_the_events_own_delivery(
    backend: TwinBackend, shop: SourceId, crm: ConnectedDestination
) -> None:
    receive(backend, shop, "m1")
    settle(backend, crm, 1, undelivered=[undelivered(1, "m1", replay="again")])
    assert [what for what, _, _ in at_destination(backend, "m1")] == [
        "attempt (replay)",
        "next attempt (replay)",
        "delivery",
    ]
    assert at_destination(backend, "m1")[-1] == ("delivery", "delivered", "")


def test_another_sources_destination_is_not_asked(backend: TwinBackend, crm: ConnectedDestination) -> None:  # noqa: ARG001 (made before)
    receive(backend, sources.create(backend, "Other", "http").id, "m1")
    assert at_destination(backend, "m1") == []


def load(log: EventLog, warehouse: Warehouse, source_id: SourceId) -> None:
    (block,) = log.read(Position(0), max_events=10, source_id=source_id)
    converted = convert(block.bodies)
    warehouse.load(
        [Load(source_id, "shop", Position(0), Position(block.size), converted.tables, converted.discards, shard=SHARD)]
    )


def at_warehouse(backend: TwinBackend, message_id: str) -> Sequence[tuple[str, str]]:
    return [(step.outcome, step.detail) for step in trace(backend, message_id) if step.where == "warehouse duckdb"]


def test_a_loaded_message_is_a_row_of_each_of_its_tables(backend: TwinBackend, shop: SourceId) -> None:
    times: dict[str, Any] = dict.fromkeys(("timestamp", "originalTimestamp", "receivedAt"), "2026-11-24T10:00:00.000Z")
    receive(backend, shop, "it's", **times)
    warehouse = backend.open_warehouse("duckdb")
    assert at_warehouse(backend, "it's") == [("waiting", "The loader has not come to it yet.")]
    load(backend.log, warehouse, shop)
    assert at_warehouse(backend, "it's") == [("loaded", "shop.seen"), ("loaded", "shop.tracks")]
    loaded = [step.at for step in trace(backend, "it's") if step.outcome == "loaded"]
    assert all(at is not None and at.tzinfo is not None for at in loaded)
    receive(backend, shop, "later")
    assert at_warehouse(backend, "later") == [("waiting", "The loader has not come to it yet.")]


def test_a_warehouse_that_is_away_hides_nothing_else(
    backend: TwinBackend, shop: SourceId, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(_: str) -> Warehouse:
        raise Transient("The warehouse is away.")

    monkeypatch.setattr(backend, "open_warehouse", away)
    receive(backend, shop, "m1")
    assert at_warehouse(backend, "m1") == [("unknown", "The warehouse is away.")]
