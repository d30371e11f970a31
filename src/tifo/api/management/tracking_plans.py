"""`/tracking-plans` and `/sources/{id}/settings`: plans, their rules and sources, and schema controls.

The plan that the LiveLike source comes with is built in: it is listed with the others, and stays as it is.
"""

from typing import Any

import msgspec
from msgspec import UNSET, UnsetType

from tifo.api.management.answers import Answer, Done, Pagination
from tifo.api.management.describing import QueryField, accepts
from tifo.api.management.paging import page
from tifo.api.management.request import Input, ManagementRequest, ManagementRoute
from tifo.api.management.sources import ListedSources, named_source, sources_page
from tifo.kernel.clock import to_iso
from tifo.kernel.errors import Rejected
from tifo.operations import tracking_plans
from tifo.tracking.plans.model import Controls, PlanType, Rule, RuleType, TrackControls, TrackingPlan, TraitControls
from tifo.workspace.model import Source
from tifo.workspace.rules import slug_of
from tifo.workspace.tokens import Role


class _New(Input, frozen=True, kw_only=True):
    name: str
    type: PlanType
    description: str = ""


class _Change(Input, frozen=True, kw_only=True):
    name: str | None = None
    description: str | None = None


class _Rule(Input, frozen=True, kw_only=True):
    type: RuleType
    json_schema: dict[str, Any]
    version: int
    key: str | None = None
    new_key: str | None = None

    def as_rule(self) -> Rule:
        return Rule(type=self.type, json_schema=self.json_schema, key=self.key or None, version=self.version)


class _Rules(Input, frozen=True, kw_only=True):
    rules: list[_Rule]


class _Removed(msgspec.Struct, frozen=True, kw_only=True):
    type: RuleType
    version: int
    key: str | None = None


class _Source(Input, frozen=True, kw_only=True):
    source_id: str


class _SettingsChange(Input, frozen=True, kw_only=True):
    """A control that is not sent stays as it is; an empty text stops a forwarding."""

    track: TrackControls | UnsetType = UNSET
    identify: TraitControls | UnsetType = UNSET
    group: TraitControls | UnsetType = UNSET
    forwarding_violations_to: str | UnsetType = UNSET
    forwarding_blocked_events_to: str | UnsetType = UNSET


class TrackingPlanShown(Answer, frozen=True, kw_only=True):
    id: str
    name: str
    slug: str
    description: str
    type: PlanType
    created_at: str
    updated_at: str


class RuleShown(Answer, frozen=True, kw_only=True):
    """A rule: a JSON schema for the events of its type and key. Its times are those of its plan."""

    type: RuleType
    json_schema: dict[str, Any]
    version: int
    created_at: str
    updated_at: str
    key: str | UnsetType = UNSET


class OneTrackingPlan(Answer, frozen=True, kw_only=True):
    tracking_plan: TrackingPlanShown


class ListedTrackingPlans(Answer, frozen=True, kw_only=True):
    tracking_plans: list[TrackingPlanShown]
    pagination: Pagination


class ListedRules(Answer, frozen=True, kw_only=True):
    rules: list[RuleShown]
    pagination: Pagination


class SchemaSettings(Answer, frozen=True, kw_only=True):
    """How events are handled that are not as planned. A forwarding names its source, and is left out without one."""

    track: TrackControls
    identify: TraitControls
    group: TraitControls
    forwarding_violations_to: str | UnsetType = UNSET
    forwarding_blocked_events_to: str | UnsetType = UNSET


class SettingsOfSource(Answer, frozen=True, kw_only=True):
    source_id: str
    settings: SchemaSettings


_TYPE = QueryField("type", "Plans of this type only.", PlanType)
_RULES = QueryField(
    "rules",
    "The rules to remove, as JSON: objects with type, key and version. Segment's SDK sends `rules[0][type]` instead.",
    required=True,
)
_SOURCE_ID = QueryField("sourceId", "The source.", required=True)


def plan_shown(plan: TrackingPlan) -> TrackingPlanShown:
    return TrackingPlanShown(
        id=plan.id,
        name=plan.name,
        slug=slug_of(plan.name) or plan.id,
        description=plan.description,
        type=plan.type,
        created_at=to_iso(plan.created_at),
        updated_at=to_iso(plan.updated_at),
    )


def _rule_shown(plan: TrackingPlan, rule: Rule) -> RuleShown:
    return RuleShown(
        type=rule.type,
        json_schema=rule.json_schema,
        version=rule.version,
        # Rules are stored in their plan and have no times of their own.
        created_at=to_iso(plan.created_at),
        updated_at=to_iso(plan.updated_at),
        key=UNSET if rule.key is None else rule.key,
    )


@accepts(_TYPE)
def list_tracking_plans(request: ManagementRequest) -> ListedTrackingPlans:
    """The plan that LiveLike sources come with is listed too, and cannot be changed."""
    listed = tracking_plans.listed(request.backend, request.query.get("type"))
    found, pagination = page(request, listed, lambda plan: plan.id)
    return ListedTrackingPlans(tracking_plans=list(map(plan_shown, found)), pagination=pagination)


@accepts(body=_New)
def create_tracking_plan(request: ManagementRequest) -> OneTrackingPlan:
    new = request.read(_New)
    made = tracking_plans.create(request.backend, new.name, new.type, description=new.description)
    return OneTrackingPlan(tracking_plan=plan_shown(made))


def get_tracking_plan(request: ManagementRequest) -> OneTrackingPlan:
    return OneTrackingPlan(tracking_plan=plan_shown(tracking_plans.find(request.backend, _plan(request))))


@accepts(body=_Change)
def update_tracking_plan(request: ManagementRequest) -> Done:
    asked = request.read(_Change)
    tracking_plans.change(request.backend, _plan(request), new_name=asked.name, description=asked.description)
    return Done()


def delete_tracking_plan(request: ManagementRequest) -> Done:
    """Refused with 409 while a source is connected to the plan."""
    tracking_plans.delete(request.backend, _plan(request))
    return Done()


def list_rules_from_tracking_plan(request: ManagementRequest) -> ListedRules:
    plan = tracking_plans.find(request.backend, _plan(request))
    found, pagination = page(request, plan.rules, lambda rule: str(msgspec.json.encode(rule.place)))
    return ListedRules(rules=[_rule_shown(plan, each) for each in found], pagination=pagination)


@accepts(body=_Rules)
def replace_rules_in_tracking_plan(request: ManagementRequest) -> Done:
    """Replaces all rules of the plan."""
    rules = [rule.as_rule() for rule in request.read(_Rules).rules]
    tracking_plans.replace_rules(request.backend, _plan(request), rules)
    return Done()


@accepts(body=_Rules)
def update_rules_in_tracking_plan(request: ManagementRequest) -> Done:
    """Adds rules, or replaces those of the same type, key and version. `newKey` renames a rule."""
    rules = [(rule.as_rule(), rule.new_key) for rule in request.read(_Rules).rules]
    tracking_plans.put_rules(request.backend, _plan(request), rules)
    return Done()


@accepts(_RULES)
def remove_rules_from_tracking_plan(request: ManagementRequest) -> Done:
    """Removes all rules that the query names, or none where the plan lacks one of them."""
    places = [(each.type, each.key or None, each.version) for each in _removed(request)]
    tracking_plans.remove_rules(request.backend, _plan(request), places)
    return Done()


def _removed(request: ManagementRequest) -> list[_Removed]:
    given: dict[str, dict[str, Any]] = {}
    for name, value in request.query.items():
        # Segment's SDK writes the array into the query of this DELETE; people may send it as JSON.
        if name == "rules":
            return _read_removed(_json(value))
        number, _, field = name.removeprefix("rules[").partition("][")
        if name.startswith("rules[") and field.endswith("]"):
            given.setdefault(number, {})[field[:-1]] = value
    return _read_removed(list(given.values()))


def _json(text: str) -> Any:
    try:
        return msgspec.json.decode(text)
    except msgspec.DecodeError as error:
        raise Rejected(f"rules are no JSON: {error}.", field="rules") from error


def _read_removed(given: Any) -> list[_Removed]:
    try:
        # Not strict: in a query the version is a text.
        removed = msgspec.convert(given, list[_Removed], strict=False)
    except msgspec.ValidationError as error:
        raise Rejected(f"rules are not as expected: {error}.", field="rules") from error
    if not removed:
        raise Rejected("rules is missing. Name the rules to remove by type, key and version.", field="rules")
    return removed


def list_sources_from_tracking_plan(request: ManagementRequest) -> ListedSources:
    """Lists the sources whose events are checked by the plan."""
    return sources_page(request, tracking_plans.sources_of(request.backend, _plan(request)))


@accepts(body=_Source)
def add_source_to_tracking_plan(request: ManagementRequest) -> Done:
    """Checks the source's events by this plan from now on, in place of another one."""
    tracking_plans.connect(request.backend, _plan(request), request.read(_Source).source_id)
    return Done()


@accepts(_SOURCE_ID)
def remove_source_from_tracking_plan(request: ManagementRequest) -> Done:
    tracking_plans.disconnect(request.backend, request.query.get("sourceId", ""), _plan(request))
    return Done()


def list_schema_settings_in_source(request: ManagementRequest) -> SettingsOfSource:
    source = named_source(request)
    return _settings_shown(source, tracking_plans.controls(request.backend, source.id))


@accepts(body=_SettingsChange)
def update_schema_settings_in_source(request: ManagementRequest) -> SettingsOfSource:
    source = named_source(request)
    # Read as it is: the rules of controls name what is wrong with one, and keep those that are not sent.
    asked = request.read(dict[str, Any])
    return _settings_shown(source, tracking_plans.change_controls(request.backend, source.id, asked))


def _settings_shown(source: Source, controls: Controls) -> SettingsOfSource:
    settings = SchemaSettings(
        track=controls.track,
        identify=controls.identify,
        group=controls.group,
        forwarding_violations_to=controls.forwarding_violations_to or UNSET,
        forwarding_blocked_events_to=controls.forwarding_blocked_events_to or UNSET,
    )
    return SettingsOfSource(source_id=source.id, settings=settings)


def _plan(request: ManagementRequest) -> str:
    return request.parts["plan_id"]


ROUTES = [
    ManagementRoute("GET", "/tracking-plans", Role.VIEWER, list_tracking_plans),
    ManagementRoute("POST", "/tracking-plans", Role.EDITOR, create_tracking_plan),
    ManagementRoute("GET", "/tracking-plans/{plan_id}", Role.VIEWER, get_tracking_plan),
    ManagementRoute("PATCH", "/tracking-plans/{plan_id}", Role.EDITOR, update_tracking_plan),
    ManagementRoute("DELETE", "/tracking-plans/{plan_id}", Role.OWNER, delete_tracking_plan),
    ManagementRoute("GET", "/tracking-plans/{plan_id}/rules", Role.VIEWER, list_rules_from_tracking_plan),
    ManagementRoute("PUT", "/tracking-plans/{plan_id}/rules", Role.EDITOR, replace_rules_in_tracking_plan),
    ManagementRoute("PATCH", "/tracking-plans/{plan_id}/rules", Role.EDITOR, update_rules_in_tracking_plan),
    ManagementRoute("DELETE", "/tracking-plans/{plan_id}/rules", Role.EDITOR, remove_rules_from_tracking_plan),
    ManagementRoute("GET", "/tracking-plans/{plan_id}/sources", Role.VIEWER, list_sources_from_tracking_plan),
    ManagementRoute("POST", "/tracking-plans/{plan_id}/sources", Role.EDITOR, add_source_to_tracking_plan),
    ManagementRoute("DELETE", "/tracking-plans/{plan_id}/sources", Role.EDITOR, remove_source_from_tracking_plan),
    ManagementRoute("GET", "/sources/{source_id}/settings", Role.VIEWER, list_schema_settings_in_source),
    ManagementRoute("PATCH", "/sources/{source_id}/settings", Role.EDITOR, update_schema_settings_in_source),
]
