"""What every implementation of the tracking plans does."""

from datetime import UTC, datetime, timedelta
from itertools import count

import pytest

from tests.conftest import NewState
from tifo.kernel.errors import Conflict, NotFound, Rejected
from tifo.kernel.ids import MessageId, SourceId, TrackingPlanId
from tifo.store.workspace.catalog import SqlCatalog
from tifo.store.workspace.plans import SqlTrackingPlans
from tifo.tracking.plans.memory import InMemoryTrackingPlans
from tifo.tracking.plans.model import LENIENT, PlanType, Rule, RuleType, changed
from tifo.tracking.plans.ports import TrackingPlans
from tifo.tracking.plans.violations import ViolationCounts, ViolationKey, bucket_of
from tifo.workspace.memory import InMemoryCatalog
from tifo.workspace.model import Catalog, SourceType

NOW = datetime(2026, 11, 25, 10, 5, tzinfo=UTC)
RULE = Rule(type=RuleType.TRACK, key="Order\0 Completed", json_schema={"required": ["properties"]})


class Kept:
    """Tracking plans beside a catalog with one source."""

    def __init__(self, new_state: NewState, kind: str) -> None:
        numbers = count()
        new_id = lambda: f"id{next(numbers)}"  # noqa: E731 (one line says it)
        if kind == "memory":
            memory = InMemoryCatalog((), clock=lambda: NOW, new_id=new_id)
            self.catalog: Catalog = memory
            self.plans: TrackingPlans = InMemoryTrackingPlans(memory.slugs, clock=lambda: NOW, new_id=new_id)
        else:
            database = new_state(kind)
            self.catalog = SqlCatalog(database, lambda: NOW, new_id)
            self.plans = SqlTrackingPlans(database, lambda: NOW, new_id)
        self.source = self.catalog.create_source("Shop", SourceType.HTTP).id


@pytest.fixture(params=["memory", "sqlite", "postgres"])
def kept(request: pytest.FixtureRequest, new_state: NewState) -> Kept:
    return Kept(new_state, request.param)


def test_a_plan_is_made_changed_and_deleted(kept: Kept) -> None:
    made = kept.plans.create("Shop", PlanType.LIVE, "What we sell", [RULE])
    assert made.rules[0].json_schema == RULE.json_schema
    assert kept.plans.change(made.id, name="Store").name == "Store"
    assert kept.plans.replace_rules(made.id, []).rules == ()
    assert [plan.description for plan in kept.plans.plans()] == ["What we sell"]
    kept.plans.delete(made.id)
    assert kept.plans.plans() == []
    for call in (kept.plans.delete, lambda each: kept.plans.change(each, name="x")):
        with pytest.raises(NotFound):
            call(made.id)


def test_rules_and_controls_are_changed_one_by_one(kept: Kept) -> None:
    made = kept.plans.create("Shop", PlanType.LIVE, "What we sell", [RULE])
    other = Rule(type=RuleType.TRACK, key="Order Refunded", json_schema={})
    assert [rule.key for rule in kept.plans.change_rules(made.id, [(other, None)]).rules][1:] == [other.key]
    renamed = kept.plans.change_rules(made.id, [(other, "Refund")], [kept.plans.plans()[0].rules[0].place])
    assert [rule.key for rule in renamed.rules] == ["Refund"]
    for plan_id, removed in ((made.id, [other.place]), (TrackingPlanId("nobody"), [])):
        with pytest.raises(NotFound):
            kept.plans.change_rules(plan_id, (), removed)
    with pytest.raises(Rejected):
        kept.plans.change_rules(made.id, [(Rule(type=RuleType.COMMON, json_schema={"type": "strin"}), None)])
    assert kept.plans.plans()[0].rules == renamed.rules
    for asked in ({"track": {"allowUnplannedEvents": False}}, {"identify": {"allowUnplannedTraits": False}}):
        made_controls = kept.plans.change_controls(kept.source, asked)
    assert kept.plans.controls() == {kept.source: made_controls}
    assert not made_controls.track.allow_unplanned_events
    with pytest.raises(NotFound):
        kept.plans.change_controls(kept.source, {"forwardingViolationsTo": "nobody"})
    with pytest.raises(NotFound):
        kept.plans.connect(kept.source, TrackingPlanId("nobody"))


def test_bad_rules_change_nothing(kept: Kept) -> None:
    made = kept.plans.create("Shop", PlanType.LIVE, rules=[RULE])
    with pytest.raises(Rejected):
        kept.plans.replace_rules(made.id, [Rule(type=RuleType.COMMON, json_schema={"type": "strin"})])
    assert len(kept.plans.plans()[0].rules) == 1
    for name in ("", " ", "x" * 201, "a\nb"):
        with pytest.raises(Rejected):
            kept.plans.create(name, PlanType.LIVE)


def test_a_source_has_one_plan_and_a_plan_in_use_stays(kept: Kept) -> None:
    first, second = (kept.plans.create(name, PlanType.LIVE) for name in ("A", "B"))
    kept.plans.connect(kept.source, first.id)
    kept.plans.connect(kept.source, second.id)
    assert kept.plans.connections() == {kept.source: second.id}
    with pytest.raises(Conflict, match="shop"):
        kept.plans.delete(second.id)
    kept.plans.connect(kept.source, None)
    assert kept.plans.connections() == {kept.source: None}
    kept.plans.delete(second.id)
    with pytest.raises(NotFound):
        kept.plans.connect(SourceId("nobody"), first.id)


def test_controls_are_kept_and_forward_to_sources_that_exist(kept: Kept) -> None:
    asked = changed(LENIENT, {"track": {"allowUnplannedEvents": False}, "forwardingViolationsTo": kept.source})
    kept.plans.control(kept.source, asked)
    assert kept.plans.controls() == {kept.source: asked}
    with pytest.raises(NotFound):
        kept.plans.control(kept.source, changed(asked, {"forwardingBlockedEventsTo": "nobody"}))


def test_violations_add_up_in_time_and_are_forgotten(kept: Kept) -> None:
    kind = ViolationKey(
        source_id=kept.source,
        plan_id=TrackingPlanId("p"),
        bucket=bucket_of(NOW),
        type="track",
        name="A\0",
        violation="Required",
        field="properties.a",
    )
    rare = kind._replace(field="properties.b")
    old = kind._replace(bucket=bucket_of(NOW - timedelta(days=3)))
    noted = ViolationCounts(
        total=2, blocked=1, omitted=0, description="missing\0", message_id=MessageId("m1"), sample=b"\0sample", at=NOW
    )
    kept.plans.record({kind: noted, old: noted, rare: noted._replace(total=1)})
    kept.plans.record({kind: noted._replace(message_id=MessageId("m2"))})
    hour = kept.plans.violations(kept.source, NOW - timedelta(hours=1), limit=10)
    assert [(each.kind.field, each.noted.total, each.noted.blocked) for each in hour] == [
        ("properties.a", 4, 2),
        ("properties.b", 1, 1),
    ]
    assert (hour[0].noted.message_id, hour[0].noted.sample, hour[0].noted.at) == ("m2", b"\0sample", NOW)
    week = kept.plans.violations(kept.source, NOW - timedelta(days=7), limit=1)
    assert [each.noted.total for each in week] == [6]
    kept.plans.forget(NOW - timedelta(days=1))
    assert [each.noted.total for each in kept.plans.violations(kept.source, NOW - timedelta(days=7), limit=1)] == [4]


def test_a_plan_that_only_a_deleted_source_had_is_deleted(kept: Kept) -> None:
    plan = kept.plans.create("Shop", PlanType.LIVE)
    kept.plans.connect(kept.source, plan.id)
    kept.catalog.delete_source(kept.source)
    kept.plans.delete(plan.id)
    assert (kept.plans.plans(), kept.plans.connections()) == ([], {})


def test_names_of_plans_are_unique_and_some_are_reserved(kept: Kept) -> None:
    first, _ = (kept.plans.create(name, PlanType.LIVE) for name in (" A ", "B"))
    assert first.name == "A"
    for name in ("A", " B ", "LiveLike", "none"):
        with pytest.raises(Conflict):
            kept.plans.create(name, PlanType.LIVE)
    with pytest.raises(Conflict):
        kept.plans.change(first.id, name="B")
    assert kept.plans.change(first.id, name="A", description="ours").description == "ours"
