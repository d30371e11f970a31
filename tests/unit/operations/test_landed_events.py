from typing import Any

import pytest

from tests.tracks import append, load, track
from tests.twins import TwinBackend
from tifo.kernel.errors import NotFound, Rejected
from tifo.operations import landed_events, sources, tracking_plans
from tifo.operations.landed_events import Expected, expected
from tifo.tracking.plans.model import Rule, RuleType
from tifo.warehouses.ports import EventCount
from tifo.workspace.model import Source


def rule(key: str, *required: str, **properties: Any) -> Rule:
    payload = {"type": "object", "properties": properties, "required": list(required)}
    return Rule(type=RuleType.TRACK, key=key, json_schema={"properties": {"properties": payload}})


ADDRESS = {"type": "object", "properties": {"city": {}, "street": {}}, "required": ["city"]}
ORDER = rule("Order", "total", total={"type": "number"}, coupon={}, address=ADDRESS)


@pytest.fixture
def shop(backend: TwinBackend) -> Source:
    made = sources.create(backend, "Shop", "http")
    tracking_plans.create(backend, "Orders", rules=[ORDER, rule("Never Sent", "x", x={})])
    tracking_plans.connect(backend, "Orders", "shop")
    return made


def land(backend: TwinBackend, source: Source, *messages: Any) -> landed_events.LandedSource:
    append(backend.log, source.id, *messages)
    load(backend.log, backend.open_warehouse("duckdb"), source)
    (checked,) = landed_events.check(backend, source.slug).sources
    return checked


def test_a_part_of_an_object_is_required_where_all_around_it_is() -> None:
    parts = [("total",), ("coupon",), ("address", "city"), ("address", "street")]
    assert expected(ORDER) == [Expected(path, path == ("total",)) for path in parts]
    whole = rule("Order", "address", address=ADDRESS)
    assert expected(whole) == [Expected(("address", "city"), True), Expected(("address", "street"), False)]
    assert expected(rule("Order", "unnamed")) == [Expected(("unnamed",), True)]


def test_a_required_property_that_is_missing_makes_the_event_incomplete(backend: TwinBackend, shop: Source) -> None:
    messages = [track("a", "Order", total=1, address={"city": "Rome"}), track("b", "Order", coupon="x")]
    checked = land(backend, shop, *messages)
    order, never = checked.events
    assert (order.name, order.rows, order.is_complete) == ("Order", 2, False)
    assert order.table == "shop._order", "a reserved word of SQL"
    counted = {".".join(each.expected.path): (each.present, each.missing, each.examples) for each in order.properties}
    assert counted == {
        "total": (1, 1, ["b"]),
        "coupon": (1, 1, ()),
        "address.city": (1, 1, ()),
        "address.street": (0, 2, ()),
    }
    assert (never.rows, never.is_complete) == (0, True)
    assert not landed_events.check(backend).are_complete


def test_an_object_whose_parts_no_rule_names_is_present_where_any_part_is(backend: TwinBackend, shop: Source) -> None:
    tracking_plans.replace_rules(backend, "Orders", [rule("Order", "address", address={"type": "object"})])
    (order,) = land(backend, shop, track("a", "Order", address={"zip": "1"})).events
    assert [(each.present, each.missing) for each in order.properties] == [(1, 0)]


def test_two_events_of_one_table_are_counted_by_their_names(backend: TwinBackend, shop: Source) -> None:
    order, _ = land(backend, shop, track("a", "Order", total=1), track("b", "order")).events
    assert (order.rows, order.is_complete) == (1, True)


def test_events_that_no_rule_names_are_listed_by_frequency(backend: TwinBackend, shop: Source) -> None:
    surprises = [track(each, "It's new") for each in ("a", "b")]
    checked = land(backend, shop, *surprises, track("c", "Odd"), track("d", "Order", total=1))
    assert checked.unplanned == [EventCount("It's new", 2), EventCount("Odd", 1)]


def test_nothing_landed_is_complete(backend: TwinBackend, shop: Source) -> None:
    (checked,) = landed_events.check(backend, shop.id).sources
    assert [event.rows for event in checked.events] == [0, 0]
    assert (checked.unplanned, landed_events.check(backend).are_complete) == ([], True)


def test_without_any_plan_there_is_nothing_to_check(backend: TwinBackend) -> None:
    sources.create(backend, "Bare", "http")
    with pytest.raises(Rejected, match="No source has a tracking plan"):
        landed_events.check(backend)
    with pytest.raises(Rejected, match="The source bare has no tracking plan"):
        landed_events.check(backend, "bare")
    with pytest.raises(NotFound):
        landed_events.check(backend, "nowhere")
