import json
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any

import pytest

from tests.twins import TwinBackend
from tests.unit.operations.conftest import NOW
from tifo.kernel.errors import Conflict, NotFound, Rejected
from tifo.kernel.ids import SourceId
from tifo.operations import sources, tracking_plans
from tifo.source.plan import LIVELIKE_PLAN
from tifo.tracking.plans.memory import InMemoryTrackingPlans
from tifo.tracking.plans.model import LENIENT, Controls, PlanType, Rule, RuleType, TrackingPlan
from tifo.tracking.plans.violations import ViolationCounts, ViolationKey
from tifo.workspace.model import Source

SCHEMA: dict[str, Any] = {"type": "object", "properties": {"properties": {"type": "object"}}}
ORDER = Rule(type=RuleType.TRACK, key="Order", json_schema=SCHEMA)
REFUND = Rule(type=RuleType.TRACK, key="Refund", json_schema=SCHEMA)
RETURN = Rule(type=RuleType.TRACK, key="Return", json_schema=SCHEMA)
BROKEN = Rule(type=RuleType.TRACK, key="Order", json_schema={"properties": {"properties": {"type": "strin"}}})


@pytest.fixture
def shop(backend: TwinBackend) -> Source:
    return sources.create(backend, "Shop", "http")


def test_a_plan_is_found_by_name_and_by_id_and_no_name_hides_an_id(backend: TwinBackend) -> None:
    made = tracking_plans.create(backend, "Orders")
    tracking_plans.create(backend, made.id)
    assert tracking_plans.find(backend, "Orders") == tracking_plans.find(backend, made.id) == made
    assert tracking_plans.find(backend, LIVELIKE_PLAN.name) is LIVELIKE_PLAN
    with pytest.raises(NotFound, match="'Orders'"):
        tracking_plans.find(backend, "nowhere")


def test_plans_are_listed_by_type_with_the_built_in_one_first(backend: TwinBackend) -> None:
    live = tracking_plans.create(backend, "Orders")
    library = tracking_plans.create(backend, "Library", PlanType.RULE_LIBRARY)
    assert tracking_plans.listed(backend) == [LIVELIKE_PLAN, live, library]
    assert tracking_plans.listed(backend, "RULE_LIBRARY") == [library]
    with pytest.raises(Rejected) as refused:
        tracking_plans.listed(backend, "DEAD")
    assert refused.value.field == "type"


def test_every_plan_is_listed_with_the_sources_that_are_connected_to_it(backend: TwinBackend, shop: Source) -> None:
    fans = sources.create(backend, "Fans", "livelike")
    orders = tracking_plans.create(backend, "Orders")
    assert [use.sources for use in tracking_plans.uses(backend)] == [[fans], []]
    tracking_plans.connect(backend, "Orders", "shop")
    assert [(use.plan, use.sources) for use in tracking_plans.uses(backend)][1:] == [(orders, [shop])]


class TwoEditors(InMemoryTrackingPlans):
    """Tracking plans that somebody else changes as soon as they were read."""

    meanwhile: Callable[[], object] | None = None

    def plans(self) -> list[TrackingPlan]:
        found = super().plans()
        self.let_the_other()
        return found

    def controls(self) -> Mapping[SourceId, Controls]:
        found = super().controls()
        self.let_the_other()
        return found

    def let_the_other(self) -> None:
        """Does nothing if the other was there already."""
        if self.meanwhile is not None:
            change, self.meanwhile = self.meanwhile, None
            change()


def test_two_who_edit_one_plan_at_once_lose_neither_edit(backend: TwinBackend) -> None:
    plans = backend.plans = TwoEditors(dict)
    made = tracking_plans.create(backend, "Orders", rules=[ORDER])
    plans.meanwhile = lambda: tracking_plans.put_rules(backend, made.id, [(REFUND, None)])
    tracking_plans.put_rules(backend, made.id, [(RETURN, None)])
    assert tracking_plans.find(backend, made.id).rules == (ORDER, REFUND, RETURN)
    plans.meanwhile = lambda: tracking_plans.remove_rules(backend, made.id, [ORDER.place])
    tracking_plans.remove_rules(backend, made.id, [RETURN.place])
    assert tracking_plans.find(backend, made.id).rules == (REFUND,)


def test_two_who_change_one_sources_controls_at_once_lose_neither_change(backend: TwinBackend) -> None:
    shop = sources.create(backend, "Shop", "http")
    plans = backend.plans = TwoEditors(lambda: sources.slugs(backend))
    no_new_events, no_new_traits = {"allowUnplannedEvents": False}, {"allowUnplannedTraits": False}
    plans.meanwhile = lambda: tracking_plans.change_controls(backend, "shop", {"track": no_new_events})
    tracking_plans.change_controls(backend, "shop", {"identify": no_new_traits})
    plans.let_the_other()
    made = tracking_plans.controls(backend, shop.id)
    assert (made.track.allow_unplanned_events, made.identify.allow_unplanned_traits) == (False, False)


def test_a_plan_that_is_deleted_meanwhile_is_connected_to_no_source(backend: TwinBackend) -> None:
    sources.create(backend, "Shop", "http")
    plans = backend.plans = TwoEditors(lambda: sources.slugs(backend))
    made = tracking_plans.create(backend, "Orders")
    plans.meanwhile = lambda: tracking_plans.delete(backend, made.id)
    with pytest.raises(NotFound, match=made.id):
        tracking_plans.connect(backend, "Orders", "shop")
    assert plans.connections() == {}


def test_the_built_in_plan_stays_as_it_is(backend: TwinBackend) -> None:
    changes: list[Callable[[], object]] = [
        lambda: tracking_plans.change(backend, "livelike", new_name="Mine"),
        lambda: tracking_plans.delete(backend, "livelike"),
        lambda: tracking_plans.replace_rules(backend, "livelike", [ORDER]),
        lambda: tracking_plans.put_rules(backend, "livelike", [(ORDER, None)]),
        lambda: tracking_plans.remove_rules(backend, "livelike", [LIVELIKE_PLAN.rules[0].place]),
    ]
    for change in changes:
        with pytest.raises(Conflict, match="built in"):
            change()


def test_a_plan_is_renamed_and_described_and_deleted(backend: TwinBackend) -> None:
    made = tracking_plans.create(backend, "Orders", description="Old.")
    changed = tracking_plans.change(backend, made.id, new_name="Sales", description="New.")
    assert (changed.name, changed.description) == ("Sales", "New.")
    assert tracking_plans.delete(backend, "Sales") == changed
    assert tracking_plans.listed(backend) == [LIVELIKE_PLAN]


def test_rules_are_added_renamed_and_removed_and_the_others_stay(backend: TwinBackend) -> None:
    tracking_plans.create(backend, "Orders", rules=[ORDER])
    assert tracking_plans.put_rules(backend, "Orders", [(REFUND, None)]).rules == (ORDER, REFUND)
    renamed = tracking_plans.put_rules(backend, "Orders", [(REFUND, "Return")])
    assert [rule.key for rule in renamed.rules] == ["Order", "Return"]
    left = tracking_plans.remove_rules(backend, "Orders", [ORDER.place])
    assert [rule.key for rule in left.rules] == ["Return"]


def test_removing_a_rule_that_is_not_there_removes_none(backend: TwinBackend) -> None:
    tracking_plans.create(backend, "Orders", rules=[ORDER])
    with pytest.raises(NotFound, match="no TRACK rule 'Refund' of version 1"):
        tracking_plans.remove_rules(backend, "Orders", [ORDER.place, REFUND.place])
    assert tracking_plans.find(backend, "Orders").rules == (ORDER,)


def test_a_bad_rule_replaces_nothing(backend: TwinBackend) -> None:
    tracking_plans.create(backend, "Orders", rules=[ORDER])
    with pytest.raises(Rejected):
        tracking_plans.replace_rules(backend, "Orders", [REFUND, BROKEN])
    assert tracking_plans.find(backend, "Orders").rules == (ORDER,)


def test_a_source_has_one_plan_until_it_is_disconnected(backend: TwinBackend, shop: Source) -> None:
    first, second = (tracking_plans.create(backend, name) for name in ("First", "Second"))
    tracking_plans.connect(backend, "First", "shop")
    assert tracking_plans.connect(backend, second.id, shop.id).plan == second
    assert tracking_plans.sources_of(backend, "First") == []
    assert tracking_plans.sources_of(backend, "Second") == [shop]
    with pytest.raises(Conflict):
        tracking_plans.delete(backend, "Second")
    with pytest.raises(NotFound, match="not connected to this plan"):
        tracking_plans.disconnect(backend, "shop", first.id)
    assert tracking_plans.disconnect(backend, "shop", "Second") == shop
    assert tracking_plans.sources_of(backend, "Second") == []


def test_a_livelike_source_has_the_built_in_plan_by_itself(backend: TwinBackend) -> None:
    fans = sources.create(backend, "Fans", "livelike")
    assert tracking_plans.sources_of(backend, "livelike") == [fans]
    tracking_plans.disconnect(backend, "fans")
    assert tracking_plans.sources_of(backend, "livelike") == []


def test_controls_keep_what_a_change_does_not_name(backend: TwinBackend, shop: Source) -> None:
    alarm = sources.create(backend, "Alarm", "http")
    assert tracking_plans.controls(backend, "shop") == LENIENT
    tracking_plans.change_controls(backend, "shop", {"track": {"allowUnplannedEvents": False}})
    for name in (alarm.slug, alarm.id):
        made = tracking_plans.change_controls(backend, shop.id, {"forwardingViolationsTo": name})
        assert (made.track.allow_unplanned_events, made.forwarding_violations_to) == (False, alarm.id)
    cleared = tracking_plans.change_controls(backend, "shop", {"forwardingViolationsTo": ""})
    assert cleared.forwarding_violations_to is None
    assert tracking_plans.controls(backend, "shop") == cleared


@pytest.mark.parametrize(
    "asked",
    [
        {"forwardingViolationsTo": "nowhere"},
        {"forwardingViolationsTo": 7},
        {"track": {"allowUnplannedEvents": "perhaps"}},
        {"unknown": True},
    ],
)
def test_controls_that_are_refused_change_nothing(backend: TwinBackend, shop: Source, asked: dict[str, object]) -> None:
    with pytest.raises(Rejected):
        tracking_plans.change_controls(backend, "shop", asked)
    assert tracking_plans.controls(backend, shop.slug) == LENIENT


def test_violations_are_those_of_the_period(backend: TwinBackend, shop: Source) -> None:
    def key(name: str, ago: timedelta) -> ViolationKey:
        bucket = int((NOW - ago).timestamp()) // 600
        return ViolationKey(shop.id, LIVELIKE_PLAN.id, bucket, "track", name, "Required", "properties.total")

    def noted(ago: timedelta) -> ViolationCounts:
        return ViolationCounts(
            total=1, blocked=0, omitted=0, at=NOW - ago, description="d", sample=b"{}", message_id="m"
        )

    for name, ago in (("New", timedelta(minutes=30)), ("Old", timedelta(hours=3))):
        backend.plans.record({key(name, ago): noted(ago)})
    assert [each.kind.name for each in tracking_plans.violations(backend, "shop", "1h")] == ["New"]
    assert len(tracking_plans.violations(backend, shop.id)) == 2
    with pytest.raises(Rejected, match="Known are 1h, 24h, 7d"):
        tracking_plans.violations(backend, "shop", "1y")


@pytest.mark.parametrize("wrap", [lambda rules: rules, lambda rules: {"rules": rules}])
def test_rules_are_read_with_and_without_the_name_around_them(wrap: Any) -> None:
    text = json.dumps(wrap([{"type": "TRACK", "key": "Order", "version": 1, "jsonSchema": SCHEMA}]))
    assert tracking_plans.read_rules(text, "rules.json") == (ORDER,)
    assert tracking_plans.read_rules(text, "rules.yaml") == (ORDER,)


def test_rules_that_cannot_be_read_name_their_file() -> None:
    with pytest.raises(Rejected, match=r"rules\.json is not as expected"):
        tracking_plans.read_rules("[{}]", "rules.json")
