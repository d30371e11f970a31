"""Derives the LiveLike source's built-in tracking plan from the six events that the source sends."""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from tifo.kernel.ids import SourceId, TrackingPlanId
from tifo.source.events import EVENTS, EventSpec
from tifo.tracking.plans.model import BUILT_IN_PLAN, LIVELIKE, PlanType, Rule, RuleType, TrackingPlan
from tifo.workspace.model import Source, SourceType

# A fixed moment: the plan is built in, so every process must show the same one.
_SINCE = datetime(2026, 11, 24, tzinfo=UTC)


def _rule(event: EventSpec) -> Rule:
    properties: dict[str, Any] = {
        "type": "object",
        "properties": {each.name: {"type": each.type} for each in event.properties},
        "required": [each.name for each in event.properties if each.when == "always"],
    }
    schema = {"type": "object", "properties": {"properties": properties}, "required": ["properties"]}
    return Rule(type=RuleType.TRACK, key=event.name, json_schema=schema)


LIVELIKE_PLAN = TrackingPlan(
    id=BUILT_IN_PLAN,
    name=LIVELIKE,
    description="The six events of the LiveLike source. Built in.",
    type=PlanType.LIVE,
    rules=tuple(_rule(event) for event in EVENTS.values()),
    created_at=_SINCE,
    updated_at=_SINCE,
)


def plan_ids(
    sources: Iterable[Source], connections: Mapping[SourceId, TrackingPlanId | None]
) -> dict[SourceId, TrackingPlanId]:
    """Returns each source's plan: the connected one, or else the one that is built in for its type."""
    # A connection to None is one too: it says that the source has no plan, and no built-in one.
    found = {source.id: connections.get(source.id, _own(source)) for source in sources}
    return {source_id: plan_id for source_id, plan_id in found.items() if plan_id is not None}


def _own(source: Source) -> TrackingPlanId | None:
    return BUILT_IN_PLAN if source.type is SourceType.LIVELIKE else None
