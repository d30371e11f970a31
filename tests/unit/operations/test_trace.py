from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import pytest

from tests.twins import TwinBackend
from tests.unit.operations.conftest import NOW, receive, settle, undelivered
from tifo.engagement.model import Transaction, TransactionKind
from tifo.eventlog.ports import EventLog
from tifo.kernel.errors import NotFound, Transient
from tifo.kernel.ids import Position, ProfileId, RewardItemId, SourceId, TransactionId
from tifo.operations import destinations, sources
from tifo.operations.destinations import DestinationEdit
from tifo.operations.trace import MAX_MESSAGES, TraceStep, trace
from tifo.tracking.filters import EventChoice
from tifo.warehouses.drivers.duckdb import DuckdbWarehouse
from tifo.warehouses.messages import convert
from tifo.warehouses.ports import Load
from tifo.workspace.destinations import ConnectedDestination


@pytest.fixture
def shop(club: TwinBackend) -> SourceId:
    return sources.create(club, "Shop", "http").id


@pytest.fixture
def crm(club: TwinBackend, shop: SourceId) -> ConnectedDestination:  # noqa: ARG001 (made before)
    return destinations.add(club, "webhook", "shop", {"url": "https://example.com"}, name="crm")


def at_destination(backend: TwinBackend, message_id: str) -> Sequence[tuple[str, str, str]]:
    return [
        (step.what, step.outcome, step.detail) for step in trace(backend, message_id) if step.where == "destination crm"
    ]


def test_an_id_that_nobody_knows_is_refused(club: TwinBackend, shop: SourceId) -> None:
    receive(club, shop, "m1")
    with pytest.raises(NotFound, match="knows 'm2'"):
        trace(club, "m2")


class OneTransaction:
    """A ledger of one row."""

    def about(self, wanted: str, *, limit: int) -> Sequence[Transaction]:
        row = Transaction(
            id=TransactionId("tx-1"),
            profile_id=ProfileId("fan-1"),
            reward_item_id=RewardItemId("points"),
            amount=5,
            balance=12,
            kind=TransactionKind.CREDIT,
            created_at=NOW,
        )
        return [row][:limit] if wanted in {"tx-1", "fan-1"} else []


def test_the_ledger_comes_before_the_messages(
    club: TwinBackend, shop: SourceId, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(club, "ledger_trace", OneTransaction())
    receive(club, shop, "m1", properties={"transaction_id": "tx-1"})
    committed = TraceStep(NOW, "credit of 5", "ledger", "committed", "transaction tx-1, balance 12")
    ledger, stored, *_ = trace(club, "tx-1")
    assert (ledger, stored.outcome) == (committed, "stored")
    assert trace(club, "fan-1") == [committed]


def test_a_message_is_found_by_its_id_its_user_and_its_properties(club: TwinBackend, shop: SourceId) -> None:
    receive(club, shop, "m1", properties={"transaction_id": "tx-1", "note": "not tx-2"})
    expected = TraceStep(NOW, "track Seen", "event log of shop", "stored", "message m1")
    for wanted in ("m1", "ada", "tx-1"):
        assert trace(club, wanted)[0] == expected
    for unknown in ("tx-2", "m", "Seen"):
        with pytest.raises(NotFound):
            trace(club, unknown)


def test_of_a_user_the_newest_messages_are_traced(club: TwinBackend, shop: SourceId) -> None:
    other = sources.create(club, "Other", "http").id
    for number in range(MAX_MESSAGES):
        receive(club, (shop, other)[number % 2], f"m{number:02}a", f"m{number:02}b")
    stored = [step.detail for step in trace(club, "ada") if step.outcome == "stored"]
    assert stored == [f"message m{number:02}{half}" for number in range(10, 20) for half in "ab"]


def test_an_event_behind_the_cursor_that_nothing_else_knows_of_was_delivered(
    club: TwinBackend, shop: SourceId, crm: ConnectedDestination
) -> None:
    receive(club, shop, "m1", "m2")
    settle(club, crm, 1)
    assert at_destination(club, "m1") == [("delivery", "delivered", "")]
    assert at_destination(club, "m2") == [("delivery", "waiting", "The destination has not come to it yet.")]
    destinations.change(club, "crm", DestinationEdit(enabled=False))
    assert at_destination(club, "m2") == [("delivery", "waiting", "The destination is disabled.")]


def test_an_event_that_came_before_the_destination_is_not_meant_for_it(club: TwinBackend, shop: SourceId) -> None:
    receive(club, shop, "m1")
    destinations.add(club, "webhook", "shop", {"url": "https://example.com"}, name="crm")
    ((what, outcome, _),) = at_destination(club, "m1")
    assert (what, outcome) == ("delivery", "not meant for it")


def test_a_filtered_event_says_why(club: TwinBackend, shop: SourceId, crm: ConnectedDestination) -> None:
    receive(club, shop, "m1")
    settle(club, crm, 1)
    destinations.choose_events(club, "crm", EventChoice(excluded=["Seen"]))
    ((what, outcome, detail),) = at_destination(club, "m1")
    assert (what, outcome) == ("delivery", "filtered")
    assert detail.startswith("FILTERED_BY_RULES: ")


def test_attempts_are_told_up_to_the_next_one_or_the_end(
    club: TwinBackend, shop: SourceId, crm: ConnectedDestination
) -> None:
    receive(club, shop, "m1", "m2")
    settle(club, crm, 2, undelivered=[undelivered(1, "m1"), undelivered(2, "m2", code="400", dead=True)])
    assert at_destination(club, "m1") == [
        ("attempt", "500", "as told"),
        ("next attempt", "waiting", "after 1 attempts: 500"),
    ]
    assert at_destination(club, "m2") == [("attempt", "400", "as told"), ("delivery", "failed", "400 as told")]
    attempt, following = [step for step in trace(club, "m1") if step.where == "destination crm"]
    assert (attempt.at, following.at) == (NOW, NOW + timedelta(minutes=1))


def test_a_replay_is_told_beside_the_events_own_delivery(
    club: TwinBackend, shop: SourceId, crm: ConnectedDestination
) -> None:
    receive(club, shop, "m1")
    settle(club, crm, 1, undelivered=[undelivered(1, "m1", replay="again")])
    assert [what for what, _, _ in at_destination(club, "m1")] == [
        "attempt (replay)",
        "next attempt (replay)",
        "delivery",
    ]
    assert at_destination(club, "m1")[-1] == ("delivery", "delivered", "")


def test_another_sources_destination_is_not_asked(club: TwinBackend, crm: ConnectedDestination) -> None:  # noqa: ARG001 (made before)
    receive(club, sources.create(club, "Other", "http").id, "m1")
    assert at_destination(club, "m1") == []


def load(log: EventLog, warehouse: DuckdbWarehouse, source_id: SourceId) -> None:
    (block,) = log.read(Position(0), max_events=10, source_id=source_id)
    converted = convert(block.bodies)
    warehouse.load([Load(source_id, "shop", Position(0), Position(block.size), converted.tables, converted.discards)])


def at_warehouse(backend: TwinBackend, message_id: str) -> Sequence[tuple[str, str]]:
    return [(step.outcome, step.detail) for step in trace(backend, message_id) if step.where == "warehouse duckdb"]


def test_a_loaded_message_is_a_row_of_each_of_its_tables(club: TwinBackend, shop: SourceId) -> None:
    times: dict[str, Any] = dict.fromkeys(("timestamp", "originalTimestamp", "receivedAt"), "2026-11-24T10:00:00.000Z")
    receive(club, shop, "it's", **times)
    warehouse = club.opened["duckdb"] = DuckdbWarehouse(club.folder / "warehouse.duckdb")
    assert at_warehouse(club, "it's") == [("waiting", "The loader has not come to it yet.")]
    load(club.log, warehouse, shop)
    assert at_warehouse(club, "it's") == [("loaded", "shop.seen"), ("loaded", "shop.tracks")]
    loaded = [step.at for step in trace(club, "it's") if step.outcome == "loaded"]
    assert all(at is not None and at.tzinfo is not None for at in loaded)
    receive(club, shop, "later")
    assert at_warehouse(club, "later") == [("waiting", "The loader has not come to it yet.")]


def test_a_warehouse_that_is_away_hides_nothing_else(
    club: TwinBackend, shop: SourceId, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(_: str) -> DuckdbWarehouse:
        raise Transient("The warehouse is away.")

    monkeypatch.setattr(club, "open_warehouse", away)
    receive(club, shop, "m1")
    assert at_warehouse(club, "m1") == [("unknown", "The warehouse is away.")]
