"""What becomes of events that are not as planned."""

from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tifo.kernel.errors import Rejected
from tifo.kernel.ids import SourceId, TrackingPlanId
from tifo.source.events import EVENTS
from tifo.source.plan import LIVELIKE_PLAN
from tifo.tracking.plans.checking import MAX_VIOLATIONS, Checker, check_rules
from tifo.tracking.plans.model import LENIENT, Controls, PlanType, Rule, RuleType, TrackingPlan, changed
from tifo.tracking.plans.violations import GENERATED, OTHER, Origin, ViolationBuffer, ViolationKey, forwarded, generated
from tifo.tracking.requests import Read, read_messages, read_request

NOW = datetime(2026, 11, 25, 10, tzinfo=UTC)
ORDER = {
    "type": "object",
    "properties": {
        "properties": {
            "type": "object",
            "properties": {
                "total": {"type": "number", "minimum": 0},
                "currency": {"type": "string", "pattern": "^[A-Z]{3}$"},
                "coupon": {"enum": ["A", "B"]},
                "deep": {"type": "object", "properties": {"inner": {"type": "integer"}}},
            },
            "required": ["total"],
        }
    },
}
PERSON = {"properties": {"traits": {"properties": {"age": {"type": "integer"}}}}}
APP = {"properties": {"context": {"required": ["app"]}}}


def plan(*rules: Rule) -> TrackingPlan:
    return TrackingPlan(
        id=TrackingPlanId("p"),
        name="Shop",
        description="",
        type=PlanType.LIVE,
        rules=rules,
        created_at=NOW,
        updated_at=NOW,
    )


SHOP = plan(
    Rule(type=RuleType.TRACK, key="Order Completed", json_schema=ORDER),
    Rule(type=RuleType.IDENTIFY, json_schema=PERSON),
)
COMMON = plan(*SHOP.rules, Rule(type=RuleType.COMMON, json_schema=APP))


def received(what: TrackingPlan, *events: dict[str, Any], **controls: Any) -> Read:
    batch = [{"type": "track", "event": "Order Completed", "userId": "u", "messageId": "m", **each} for each in events]
    body = msgspec.json.encode({"batch": batch})
    return read_messages(read_request("batch", body), NOW, lambda: "made", Checker(what, changed(LENIENT, controls)))


def order(**properties: Any) -> dict[str, Any]:
    return {"properties": properties}


def stored(read: Read) -> list[Any]:
    return [msgspec.json.decode(message.body)["properties"] for message in read.good]


def test_an_event_as_planned_passes_and_is_noted_nowhere() -> None:
    read = received(SHOP, order(total=5, currency="EUR", more="things"))
    assert stored(read) == [{"total": 5, "currency": "EUR", "more": "things"}]
    assert not read.refused
    assert not read.unplanned


def test_violations_are_told_by_type_and_field_and_let_through_by_themselves() -> None:
    read = received(SHOP, order(total=-1, currency=5, coupon="C"), order(currency="euro"), {"event": "Surprise"})
    assert len(read.good) == 3
    told = [[each[:2] for each in message.verdict.violations] for message in read.unplanned if message.verdict]
    assert [sorted(each) for each in told] == [
        [
            ("Invalid Type", "properties.currency"),
            ("Invalid Value", "properties.coupon"),
            ("Invalid Value", "properties.total"),
        ],
        [("Invalid Value", "properties.currency"), ("Required", "properties.total")],
        [("Unplanned Event", "")],
    ]


def test_the_slow_way_to_read_a_message_checks_it_too() -> None:
    read = received(SHOP, {**order(total="much"), "extra": "field that no client sends"})
    assert [each.type for message in read.unplanned if message.verdict for each in message.verdict.violations] == [
        "Invalid Type"
    ]


@pytest.mark.parametrize(
    ("event", "controls", "code"),
    [
        ({"event": "Surprise"}, {"track": {"allowUnplannedEvents": False}}, "unplanned"),
        (order(), {"track": {"allowEventOnViolations": False}}, "schema_violation"),
        (
            order(odd=1),
            {"track": {"allowEventOnViolations": False, "allowUnplannedEventProperties": False}},
            "unplanned_and_schema_violation",
        ),
        (order(total=1), {"track": {"commonEventOnViolations": "BLOCK"}}, "common_schema_violation"),
    ],
)
def test_a_blocked_event_is_counted_under_segments_code_with_a_sample(
    event: dict[str, Any], controls: Any, code: str
) -> None:
    read = received(COMMON, event, {**order(total=1), "context": {"app": {"version": "1"}}}, **controls)
    assert [refused.code for refused in read.refused] == [code]
    assert b'"messageId":"m"' in read.refused[0].sample
    assert stored(read) == [{"total": 1}]


def test_what_may_not_stay_is_taken_out_and_the_rest_is_stored() -> None:
    read = received(
        SHOP,
        order(total=3, currency=5, odd=1, deep={"inner": "x", "kept": 1}),
        track={"allowPropertiesOnViolations": False, "allowUnplannedEventProperties": False},
    )
    assert stored(read) == [{"total": 3, "deep": {"kept": 1}}]
    (message,) = read.unplanned
    assert message.verdict
    assert sorted(message.verdict.omitted) == ["properties.currency", "properties.deep.inner", "properties.odd"]


def test_traits_have_controls_of_their_own_and_pages_pass() -> None:
    traits = {"type": "identify", "traits": {"age": "old", "odd": 1}}
    page = {"type": "page", "name": "Home"}
    controls = {"allowUnplannedTraits": False, "allowTraitsOnViolations": False}
    read = received(SHOP, traits, page, identify=controls)
    assert msgspec.json.decode(read.good[0].body)["traits"] == {}
    assert len(read.good) == 2


def test_the_common_rule_can_take_properties_out() -> None:
    common = {"properties": {"properties": {"properties": {"email": {"type": "null"}}}}}
    what = plan(Rule(type=RuleType.COMMON, json_schema=common))
    read = received(what, order(email="a@b", total=1), track={"commonEventOnViolations": "OMIT_PROPERTIES"})
    assert stored(read) == [{"total": 1}]


@pytest.mark.parametrize(
    ("nested", "payload", "left"),
    [
        ({"b": {"type": "string", "enum": ["x"]}}, {"b": 5, "c": 1}, {"c": 1}),
        (
            {"b": {"type": "object", "minProperties": 3, "properties": {"d": {"type": "string"}}}},
            {"b": {"d": 5}, "c": 1},
            {"c": 1},
        ),
        ({"b": {"type": "array", "items": {"type": "string"}}}, {"b": [1, 2], "c": 1}, {"c": 1}),
    ],
)
def test_a_field_that_violates_twice_goes_alone(nested: Any, payload: Any, left: Any) -> None:
    """Its object stays, with the neighbours of the field."""
    rule = Rule(
        type=RuleType.TRACK,
        key="Order Completed",
        json_schema={"properties": {"properties": {"properties": {"a": {"type": "object", "properties": nested}}}}},
    )
    strict = {"track": {"allowPropertiesOnViolations": False}}
    (event,) = stored(received(plan(rule), order(a=payload), **strict))
    assert event == {"a": left}


def test_the_newest_version_of_a_rule_counts() -> None:
    old = Rule(type=RuleType.TRACK, key="Order Completed", json_schema={"required": ["nothing"]}, version=1)
    new = Rule(type=RuleType.TRACK, key="Order Completed", json_schema={}, version=2)
    assert not received(plan(new, old), order()).unplanned


@given(st.dictionaries(st.text(), st.recursive(st.none() | st.integers() | st.text(), st.lists), max_size=30))
def test_whatever_an_event_holds_it_is_stored_or_counted(properties: Any) -> None:
    strict = {"track": {"allowPropertiesOnViolations": False, "allowUnplannedEventProperties": False}}
    read = received(SHOP, order(**properties), **strict)
    assert len(read.good) + len(read.refused) == 1
    assert all(len(message.verdict.violations) <= MAX_VIOLATIONS for message in read.unplanned if message.verdict)


@pytest.mark.parametrize(
    ("schema", "place"),
    [
        ({"type": "strin"}, "type"),
        ({"properties": {"a": {"pattern": "(a"}}}, "properties/a/pattern"),
        ({"pattern": "(?=a)b"}, "pattern"),
        ({"$ref": "https://example.com/schema.json"}, "is not looked up"),
        ({"$ref": "file:///etc/passwd"}, "is not looked up"),
    ],
)
def test_a_schema_that_is_none_is_refused_with_its_place(schema: dict[str, Any], place: str) -> None:
    good = Rule(type=RuleType.TRACK, key="Good", json_schema={})
    with pytest.raises(Rejected, match=r"rules\[1\] \(TRACK Bad\)") as refused:
        check_rules([good, Rule(type=RuleType.TRACK, key="Bad", json_schema=schema)])
    assert place in refused.value.message
    assert refused.value.field == "rules[1].jsonSchema"


def test_rules_that_clash_or_are_too_much_are_refused() -> None:
    deep: dict[str, Any] = {}
    for _ in range(100):
        deep = {"properties": {"a": deep}}
    twice = Rule(type=RuleType.TRACK, key="A", json_schema={})
    for rules, what in [
        ([twice, twice], "second one"),
        ([Rule(type=RuleType.TRACK, json_schema={})], "names its event"),
        ([Rule(type=RuleType.COMMON, key="A", json_schema={})], "no key"),
        ([Rule(type=RuleType.COMMON, json_schema=deep)], "deeper"),
        ([Rule(type=RuleType.COMMON, json_schema={"description": "x" * 70_000})], "larger"),
    ]:
        with pytest.raises(Rejected, match=what):
            check_rules(rules)


def test_a_hostile_pattern_takes_linear_time() -> None:
    evil = Rule(type=RuleType.TRACK, key="Order Completed", json_schema={})
    schema = {"properties": {"properties": {"properties": {"a": {"pattern": "^(a+)+$"}}}}}
    read = received(plan(Rule(type=evil.type, key=evil.key, json_schema=schema)), order(a="a" * 5_000 + "!"))
    assert len(read.unplanned) == 1  # a backtracking engine would not come back in our lifetime


def test_the_livelike_source_comes_with_the_plan_of_its_six_events() -> None:
    check_rules(LIVELIKE_PLAN.rules)
    assert sorted(rule.key or "" for rule in LIVELIKE_PLAN.rules) == sorted(event.name for event in EVENTS.values())
    checker = Checker(LIVELIKE_PLAN, LENIENT)
    for event in EVENTS.values():
        whole = {each.name: 1 if each.type == "number" else "x" for each in event.properties}
        required = {each.name for each in event.properties if each.when == "always"}
        assert checker({"type": "track", "event": event.name, "properties": whole}) is None
        missing = checker({"type": "track", "event": event.name, "properties": {}})
        assert missing is not None
        assert {each.field for each in missing.violations} == {f"properties.{name}" for name in required}


def test_settings_are_changed_by_what_is_named_and_refused_by_field() -> None:
    controls = changed(LENIENT, {"track": {"allowUnplannedEvents": False}, "forwardingViolationsTo": "s2"})
    assert not controls.track.allow_unplanned_events
    assert controls.track.allow_event_on_violations
    assert changed(controls, {"forwardingViolationsTo": ""}) == changed(
        LENIENT, {"track": {"allowUnplannedEvents": False}}
    )
    wrong: list[tuple[dict[str, Any], str | None]] = [
        ({"track": {"allowUnplannedEvents": "no"}}, "track.allowUnplannedEvents"),
        ({"track": {"commonEventOnViolations": "OMIT_TRAITS"}}, "track.commonEventOnViolations"),
        ({"group": {"commonEventOnViolations": "OMIT_PROPERTIES"}}, "group.commonEventOnViolations"),
        ({"trac": {}}, None),
    ]
    for asked, field in wrong:
        with pytest.raises(Rejected) as refused:
            changed(LENIENT, asked)
        assert refused.value.field == field
    assert Controls() == LENIENT


ORIGIN = Origin(SourceId("s"), "Shop", "shop")


def test_a_violation_is_told_as_an_event_of_its_own_the_same_one_each_time() -> None:
    (message,) = received(SHOP, {**order(), "context": {"app": {"version": "1.2"}}}).unplanned
    (made,) = generated(ORIGIN, SHOP, message, NOW)
    told = msgspec.json.decode(made.body)
    assert (told["event"], told["userId"], told["type"]) == (GENERATED, "schema-violations", "track")
    assert told["properties"] == {
        "eventName": "Order Completed",
        "eventType": "track",
        "eventMessageID": "m",
        "eventTimestamp": "2026-11-25T10:00:00.000Z",
        "appVersion": "1.2",
        "sourceID": "s",
        "sourceName": "Shop",
        "sourceSlug": "shop",
        "trackingPlanID": "p",
        "trackingPlanName": "Shop",
        "violationType": "Required",
        "violationField": "properties.total",
        "violationDescription": '"total" is a required property',
    }
    assert generated(ORIGIN, SHOP, message, NOW)[0].message_id == made.message_id == told["messageId"]


def test_a_blocked_event_is_forwarded_with_a_word_of_why() -> None:
    (message,) = received(SHOP, order(a=1), track={"allowEventOnViolations": False}).unplanned
    told = msgspec.json.decode(forwarded(ORIGIN, message).body)
    assert told["properties"] == {"a": 1}
    assert told["context"]["protocols"]["messageId"] == "m"
    assert told["context"]["protocols"]["violations"][0]["field"] == "properties.total"


def test_what_is_noted_adds_up_and_stays_within_bounds() -> None:
    book = ViolationBuffer(limit=3)
    unplanned = received(SHOP, order(), order(), *({"event": f"E{number}"} for number in range(10))).unplanned
    for message in unplanned:
        book.note(SourceId("s"), TrackingPlanId("p"), message, NOW)
    first = book.drain()
    assert sum(noted.total for noted in first.values()) == 12
    assert len(first) == 4
    assert sum(noted.total for kind, noted in first.items() if kind.name == OTHER) == 8
    book.note(SourceId("s"), TrackingPlanId("p"), unplanned[0], NOW)
    book.restore(first)
    assert sum(noted.total for noted in book.drain().values()) == 13


def test_a_source_that_makes_up_names_fills_no_state_however_often_it_is_written() -> None:
    book = ViolationBuffer(limit=3)
    rows = set[ViolationKey]()
    for number in range(10):
        [message] = received(SHOP, {"event": f"E{number}" + "x" * 1_000}).unplanned
        book.note(SourceId("s"), TrackingPlanId("p"), message, NOW)
        book.note(SourceId(f"s{number}"), TrackingPlanId("p"), message, NOW)
        rows |= book.drain().keys()
    mine = [kind for kind in rows if kind.source_id == "s"]
    assert sorted(kind.name[:2] for kind in mine) == ["(o", "E0", "E1", "E2"]
    assert max(len(kind.name) for kind in rows) == 200
    assert len(rows) == 4 + 10
    book.note(SourceId("s"), TrackingPlanId("p"), message, NOW + timedelta(minutes=10))
    assert [kind.name[:2] for kind in book.drain()] == ["E9"]
