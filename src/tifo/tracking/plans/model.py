"""Defines tracking plans and schema controls, in the form of Segment's Public API."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

import msgspec

from tifo.kernel.errors import Conflict, NotFound, Rejected
from tifo.kernel.ids import SourceId, TrackingPlanId

MAX_RULES = 2_000
MAX_SCHEMA_BYTES = 64 * 1024
"""The largest schema of one rule. Ours."""
MAX_NAME = 200
BUILT_IN_PLAN = TrackingPlanId("livelike")
"""The plan that LiveLike sources come with (source/plan.py)."""
LIVELIKE = "LiveLike"
"""Name of the built-in plan; no other plan may have it."""
NO_PLAN = "none"
"""Stands in a workspace file for a source without a plan; no plan may have this name."""


class PlanType(StrEnum):
    LIVE = "LIVE"
    PROPERTY_LIBRARY = "PROPERTY_LIBRARY"
    RULE_LIBRARY = "RULE_LIBRARY"
    TEMPLATE = "TEMPLATE"
    ENGAGE = "ENGAGE"


class RuleType(StrEnum):
    COMMON = "COMMON"
    """Checks every event, after the event's own rule."""
    TRACK = "TRACK"
    IDENTIFY = "IDENTIFY"
    GROUP = "GROUP"
    PAGE = "PAGE"
    SCREEN = "SCREEN"


class Rule(msgspec.Struct, frozen=True, rename="camel", kw_only=True):
    type: RuleType
    json_schema: dict[str, Any]
    """Draft 7. It describes the whole event: `{"properties": {"properties": {…}, "context": {…}}}`."""
    key: str | None = None
    """The event of a track, the name of a page or screen; None for all calls of the type."""
    version: int = 1

    @property
    def place(self) -> tuple[RuleType, str | None, int]:
        """Identifies a rule in its plan."""
        return self.type, self.key or None, self.version

    def __str__(self) -> str:
        return f"{self.type} {self.key}" if self.key else self.type.value


@dataclass(frozen=True, kw_only=True)
class TrackingPlan:
    id: TrackingPlanId
    name: str
    description: str
    type: PlanType
    rules: Sequence[Rule]
    created_at: datetime
    updated_at: datetime

    @property
    def latest(self) -> Mapping[tuple[RuleType, str | None], Rule]:
        """Returns the newest version of each rule; older versions are history."""
        # Segment: rules have versions, and the newest one of an event counts.
        ordered = sorted(self.rules, key=lambda rule: rule.version)
        return {(rule.type, rule.key or None): rule for rule in ordered}


class OnCommon(StrEnum):
    ALLOW = "ALLOW"
    BLOCK = "BLOCK"
    OMIT_PROPERTIES = "OMIT_PROPERTIES"
    OMIT_TRAITS = "OMIT_TRAITS"


class TrackControls(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    allow_unplanned_events: bool = True
    allow_unplanned_event_properties: bool = True
    allow_event_on_violations: bool = True
    allow_properties_on_violations: bool = True
    common_event_on_violations: OnCommon = OnCommon.ALLOW


class TraitControls(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """Holds the controls of identify and group calls."""

    # No `allow_event_on_violations`: Segment never blocks these calls for their own rule.

    allow_unplanned_traits: bool = True
    allow_traits_on_violations: bool = True
    common_event_on_violations: OnCommon = OnCommon.ALLOW


class Controls(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """Decides whether events that violate the plan are blocked, shortened or forwarded. The default accepts all."""

    track: TrackControls = TrackControls()
    identify: TraitControls = TraitControls()
    group: TraitControls = TraitControls()
    forwarding_violations_to: SourceId | None = None
    forwarding_blocked_events_to: SourceId | None = None


LENIENT = Controls()
"""Accepts every event."""


def changed(controls: Controls, asked: Mapping[str, Any]) -> Controls:
    """Changes the controls that `asked`, in the form of the API, names. An empty text removes a forwarding.

    Raises `Rejected`, naming the field.
    """
    # Segment's API changes only the settings that a request names.
    merged = msgspec.to_builtins(controls)
    for name, value in asked.items():
        is_group = isinstance(value, dict) and isinstance(merged.get(name), dict)
        merged[name] = {**merged[name], **value} if is_group else None if value == "" else value
    try:
        made = msgspec.convert(merged, Controls)
    except msgspec.ValidationError as error:
        raise Rejected(
            f"The settings cannot be read: {error}. Send each control as Segment's Public API names it.",
            field=_field(str(error)),
        ) from error
    _check(made)
    return made


def checked_plan_name(name: str) -> str:
    """Returns the name without surrounding blanks."""
    if not name.strip() or len(name) > MAX_NAME or not name.isprintable():
        raise Rejected(f"name is {name!r:.250}. Give 1 to {MAX_NAME} printable characters.", field="name")
    return name.strip()


def check_plan_name_free(name: str, others: Collection[str]) -> None:
    """Raises `Conflict` for a name that one of the other plans has, and for the reserved ones."""
    if name.strip() in {LIVELIKE, NO_PLAN, *others}:
        raise Conflict(f"There is a tracking plan {name!r:.250} already. Give another name.", field="name")


def check_unused(plan: TrackingPlan, slugs: Collection[str]) -> None:
    """Raises `Conflict` while sources, given by their slugs, are connected to the plan."""
    if slugs:
        raise Conflict(
            f"The tracking plan {plan.name!r} is connected to {', '.join(slugs)}. Disconnect it first.",
            field="trackingPlanId",
        )


def no_plan(plan_id: str) -> NotFound:
    return NotFound(f"There is no tracking plan {plan_id!r:.100}. See `tifo plan list`.", field="trackingPlanId")


def _check(controls: Controls) -> None:
    wrong = {"track": OnCommon.OMIT_TRAITS, "identify": OnCommon.OMIT_PROPERTIES, "group": OnCommon.OMIT_PROPERTIES}
    for name, value in wrong.items():
        if getattr(controls, name).common_event_on_violations is value:
            raise Rejected(
                f"{name}.commonEventOnViolations is {value}: a {name} call has none of those. Send ALLOW, BLOCK or"
                f" {'OMIT_PROPERTIES' if name == 'track' else 'OMIT_TRAITS'}.",
                field=f"{name}.commonEventOnViolations",
            )


def _field(text: str) -> str | None:
    return text.rpartition("`$.")[2].rstrip("`") if "`$." in text else None
