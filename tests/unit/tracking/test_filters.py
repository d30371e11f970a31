"""Destination filters: what is dropped, sampled and taken out."""

from typing import Any

import msgspec
import pytest

from tifo.kernel.errors import Rejected
from tifo.tracking.filters import (
    ActionType,
    EventChoice,
    Filter,
    FilterAction,
    Filters,
    checked_choice,
    checked_filter,
    read_choice,
    read_filters,
)

_MESSAGE: dict[str, Any] = {
    "messageId": "m1",
    "type": "track",
    "event": "Order Completed",
    "userId": "u1",
    "context": {"ip": "1.2.3.4", "page": {"path": "/"}},
    "properties": {"email": "a@b.c", "total": 5, "products": [{"sku": "1", "cost": 2}, {"sku": "2", "cost": 3}]},
}


def made(condition: str, *actions: FilterAction, enabled: bool = True, title: str = "A filter") -> Filter:
    return Filter(
        id="f", if_=condition, actions=list(actions), title=title, enabled=enabled, created_at="", updated_at=""
    )


DROP = FilterAction(ActionType.DROP)


def without(fields: dict[str, list[str]]) -> FilterAction:
    return FilterAction(ActionType.DROP_PROPERTIES, fields=fields)


def allowed(fields: dict[str, list[str]]) -> FilterAction:
    return FilterAction(ActionType.ALLOW_PROPERTIES, fields=fields)


def test_an_event_is_dropped_where_the_condition_holds() -> None:
    assert Filters([made("event = 'Order Completed'", DROP, title="No orders")])(_MESSAGE) == (None, "No orders")
    assert Filters([made("event = 'Other'", DROP)])(_MESSAGE).message is _MESSAGE
    assert Filters([made("event = 'Order Completed'", DROP, enabled=False)])(_MESSAGE).message is _MESSAGE


def test_properties_are_taken_out_or_let_through_and_the_message_stays() -> None:
    before = msgspec.json.encode(_MESSAGE)
    result = Filters([made("true", without({"context": ["ip"], "properties.products": ["cost"], "": ["userId"]}))])
    assert result(_MESSAGE).message == {
        "messageId": "m1",
        "type": "track",
        "event": "Order Completed",
        "context": {"page": {"path": "/"}},
        "properties": {"email": "a@b.c", "total": 5, "products": [{"sku": "1"}, {"sku": "2"}]},
    }
    only = Filters([made("true", allowed({"properties": ["total"]}))])(_MESSAGE).message
    assert only
    assert only["properties"] == {"total": 5}
    assert only["context"] == _MESSAGE["context"]
    assert msgspec.json.encode(_MESSAGE) == before


def test_conditions_see_the_message_as_it_arrived() -> None:
    hides, drops = made("true", without({"properties": ["total"]})), made("properties.total = 5", DROP)
    assert Filters([hides, drops])(_MESSAGE).message is None


def test_what_is_not_there_is_not_taken_out() -> None:
    absent = without({"traits": ["email"], "properties.total": ["x"], "properties.nothing.deep": ["x"]})
    assert Filters([made("true", absent)])(_MESSAGE).message == _MESSAGE


def test_a_share_is_sampled_by_the_message_or_by_a_field() -> None:
    by_message = Filters([made("true", FilterAction(ActionType.SAMPLE, percent=0.25))])
    taken = [each for each in range(4_000) if by_message({"messageId": f"m{each}"}).message]
    assert 800 < len(taken) < 1_200
    assert taken == [each for each in range(4_000) if by_message({"messageId": f"m{each}"}).message]
    by_user = Filters([made("true", FilterAction(ActionType.SAMPLE, percent=0.5, path="userId"))])
    for user in ("ada", "bob", "cyd", "dan"):
        assert len({by_user({"messageId": str(n), "userId": user}).message is None for n in range(20)}) == 1
    assert Filters([made("true", FilterAction(ActionType.SAMPLE, percent=1.0))])(_MESSAGE).message is _MESSAGE
    assert Filters([made("true", FilterAction(ActionType.SAMPLE, percent=0.0))])(_MESSAGE).message is None


@pytest.mark.parametrize(
    ("each", "field"),
    [
        (made("type = ", DROP), "if"),
        (made("true", DROP, title=" "), "title"),
        (made("true"), "actions"),
        (made("true", FilterAction(ActionType.SAMPLE)), "actions.0.percent"),
        (made("true", FilterAction(ActionType.SAMPLE, percent=25)), "actions.0.percent"),
        (made("true", DROP, without({})), "actions.1.fields"),
    ],
)
def test_a_filter_that_cannot_work_is_refused_by_its_field(each: Filter, field: str) -> None:
    with pytest.raises(Rejected) as refused:
        checked_filter(each)
    assert refused.value.field == field


def test_a_destination_gets_the_events_that_were_chosen() -> None:
    assert EventChoice().leaves_out("track", "A") is None
    assert EventChoice(types=["identify"]).leaves_out("track", "A") == "The destination is set to get no track calls."
    assert EventChoice(only=["A"]).leaves_out("track", "A") is None
    assert "'B'" in (EventChoice(only=["A"]).leaves_out("track", "B") or "")
    assert EventChoice(excluded=["A"]).leaves_out("track", "A")
    with pytest.raises(Rejected, match="Known are track"):
        checked_choice(EventChoice(types=["tracks"]))


def test_both_are_kept_as_segment_writes_them() -> None:
    each = made("true", allowed({"properties": ["a"]}))
    stored = msgspec.to_builtins([each])
    assert stored[0]["if"] == "true"
    assert stored[0]["actions"] == [{"type": "ALLOW_PROPERTIES", "fields": {"properties": ["a"]}}]
    assert read_filters(stored) == [each]
    choice = EventChoice(only=["A"], excluded=["B"])
    assert msgspec.to_builtins(choice) == {"only": ["A"], "except": ["B"]}
    assert read_choice({"only": ["A"], "except": ["B"]}) == choice
