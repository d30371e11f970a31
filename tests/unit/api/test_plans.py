"""What was repaired on ingest is found where violations are, with a tracking plan and without one."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tifo.api.plans import PlanBook
from tifo.kernel.ids import SourceId
from tifo.tracking.plans.memory import InMemoryTrackingPlans
from tifo.tracking.plans.model import PlanType, Rule, RuleType
from tifo.tracking.requests import read_messages, read_request
from tifo.workspace.model import Source, SourceType, WriteKey

NOW = datetime(2026, 11, 24, 10, 0, 0, tzinfo=UTC)
SHOP = Source(
    id=SourceId("shop"),
    name="Shop",
    slug="shop",
    schema="shop",
    type=SourceType.HTTP,
    enabled=True,
    created_at=NOW,
    keys=(WriteKey("key", NOW),),
)
ODD = rb'{"type":"track","userId":"u","event":"Seen","timestamp":"soon","properties":{"title":"Cut \ud83d"}}'


@pytest.mark.parametrize("is_planned", [False, True])
async def test_a_repair_is_counted_with_what_violates_the_plan(is_planned: bool) -> None:
    plans = InMemoryTrackingPlans(lambda: {SHOP.id: SHOP.slug}, clock=lambda: NOW)
    if is_planned:
        schema: dict[str, Any] = {"properties": {"properties": {"required": ["total"]}}}
        rule = Rule(type=RuleType.TRACK, key="Seen", json_schema=schema)
        plans.connect(SHOP.id, plans.create("Shop", PlanType.LIVE, rules=[rule]).id)
    book = PlanBook(plans, lambda: [SHOP], lambda: NOW)
    book.refresh()
    plan = book.of(SHOP.id)
    for _ in range(2):
        found = read_messages(read_request("track", ODD), NOW, lambda: "m", plan.check if plan else None)
        assert len(found.good) == 1
        book.note(SHOP.id, found.unplanned, NOW)
    await book.write()
    listed = plans.violations(SHOP.id, NOW - timedelta(hours=1), limit=10)
    kinds = {(each.kind.violation, each.kind.field) for each in listed}
    expected = {("Repaired Text", "properties.title"), ("Unreadable Time", "timestamp")}
    assert kinds == expected | ({("Required", "properties.total")} if is_planned else set())
    assert {(each.kind.type, each.kind.name, each.noted.total) for each in listed} == {("track", "Seen", 2)}
    assert json.loads(listed[0].noted.sample)["properties"]["title"] == "Cut \ufffd"
    assert any("'soon'" in each.noted.description for each in listed)
