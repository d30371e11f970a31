"""`/tracking-plans` and `/sources/{id}/settings`: plans, their rules and sources, and schema controls.

The plan that the LiveLike source comes with is built in: it is listed with the others, and stays as it is.
"""

from typing import Any

import msgspec

from tifo.api.management.paging import page
from tifo.api.management.request import Input, ManagementRequest, ManagementRoute, statused
from tifo.api.management.sources import named_source, source_shown
from tifo.kernel.clock import to_iso
from tifo.kernel.errors import Rejected
from tifo.kernel.json import JsonObject
from tifo.operations import tracking_plans
from tifo.tracking.plans.model import Controls, PlanType, Rule, RuleType, TrackingPlan
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


def plan_shown(plan: TrackingPlan) -> JsonObject:
    return {
        "id": plan.id,
        "name": plan.name,
        "slug": slug_of(plan.name) or plan.id,
        "description": plan.description,
        "type": plan.type.value,
        "createdAt": to_iso(plan.created_at),
        "updatedAt": to_iso(plan.updated_at),
    }


def _rule_shown(plan: TrackingPlan, rule: Rule) -> JsonObject:
    shown: JsonObject = {
        "type": rule.type.value,
        "jsonSchema": rule.json_schema,
        "version": rule.version,
        # Rules are stored in their plan and have no times of their own.
        "createdAt": to_iso(plan.created_at),
        "updatedAt": to_iso(plan.updated_at),
    }
    return shown if rule.key is None else {**shown, "key": rule.key}


def _list(request: ManagementRequest) -> JsonObject:
    found = tracking_plans.listed(request.backend, request.query.get("type"))
    return page(request, "trackingPlans", found, lambda plan: plan.id, plan_shown)


def _create(request: ManagementRequest) -> JsonObject:
    new = request.read(_New)
    made = tracking_plans.create(request.backend, new.name, new.type, description=new.description)
    return {"trackingPlan": plan_shown(made)}


def _get(request: ManagementRequest) -> JsonObject:
    return {"trackingPlan": plan_shown(tracking_plans.find(request.backend, _plan(request)))}


def _update(request: ManagementRequest) -> JsonObject:
    asked = request.read(_Change)
    tracking_plans.change(request.backend, _plan(request), new_name=asked.name, description=asked.description)
    return statused("SUCCESS")


def _delete(request: ManagementRequest) -> JsonObject:
    tracking_plans.delete(request.backend, _plan(request))
    return statused("SUCCESS")


def _list_rules(request: ManagementRequest) -> JsonObject:
    plan = tracking_plans.find(request.backend, _plan(request))
    return page(
        request, "rules", plan.rules, lambda rule: str(msgspec.json.encode(rule.place)), lambda r: _rule_shown(plan, r)
    )


def _replace_rules(request: ManagementRequest) -> JsonObject:
    rules = [rule.as_rule() for rule in request.read(_Rules).rules]
    tracking_plans.replace_rules(request.backend, _plan(request), rules)
    return statused("SUCCESS")


def _update_rules(request: ManagementRequest) -> JsonObject:
    rules = [(rule.as_rule(), rule.new_key) for rule in request.read(_Rules).rules]
    tracking_plans.put_rules(request.backend, _plan(request), rules)
    return statused("SUCCESS")


def _remove_rules(request: ManagementRequest) -> JsonObject:
    """Reads the rules from the query, as `rules[0][type]=TRACK&rules[0][key]=…`, or as JSON."""
    places = [(each.type, each.key or None, each.version) for each in _removed(request)]
    tracking_plans.remove_rules(request.backend, _plan(request), places)
    return statused("SUCCESS")


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


def _sources(request: ManagementRequest) -> JsonObject:
    found = tracking_plans.sources_of(request.backend, _plan(request))
    return page(request, "sources", found, lambda source: source.id, lambda source: source_shown(source, request.role))


def _connect(request: ManagementRequest) -> JsonObject:
    tracking_plans.connect(request.backend, _plan(request), request.read(_Source).source_id)
    return statused("SUCCESS")


def _disconnect(request: ManagementRequest) -> JsonObject:
    tracking_plans.disconnect(request.backend, request.query.get("sourceId", ""), _plan(request))
    return statused("SUCCESS")


def _settings(request: ManagementRequest) -> JsonObject:
    source = named_source(request)
    return _settings_shown(source, tracking_plans.controls(request.backend, source.id))


def _change_settings(request: ManagementRequest) -> JsonObject:
    source = named_source(request)
    asked = request.read(dict[str, Any])
    return _settings_shown(source, tracking_plans.change_controls(request.backend, source.id, asked))


def _settings_shown(source: Source, controls: Controls) -> JsonObject:
    settings = {name: value for name, value in msgspec.to_builtins(controls).items() if value is not None}
    return {"sourceId": source.id, "settings": settings}


def _plan(request: ManagementRequest) -> str:
    return request.parts["plan_id"]


ROUTES = [
    ManagementRoute("GET", "/tracking-plans", Role.VIEWER, _list),
    ManagementRoute("POST", "/tracking-plans", Role.EDITOR, _create),
    ManagementRoute("GET", "/tracking-plans/{plan_id}", Role.VIEWER, _get),
    ManagementRoute("PATCH", "/tracking-plans/{plan_id}", Role.EDITOR, _update),
    ManagementRoute("DELETE", "/tracking-plans/{plan_id}", Role.OWNER, _delete),
    ManagementRoute("GET", "/tracking-plans/{plan_id}/rules", Role.VIEWER, _list_rules),
    ManagementRoute("PUT", "/tracking-plans/{plan_id}/rules", Role.EDITOR, _replace_rules),
    ManagementRoute("PATCH", "/tracking-plans/{plan_id}/rules", Role.EDITOR, _update_rules),
    ManagementRoute("DELETE", "/tracking-plans/{plan_id}/rules", Role.EDITOR, _remove_rules),
    ManagementRoute("GET", "/tracking-plans/{plan_id}/sources", Role.VIEWER, _sources),
    ManagementRoute("POST", "/tracking-plans/{plan_id}/sources", Role.EDITOR, _connect),
    ManagementRoute("DELETE", "/tracking-plans/{plan_id}/sources", Role.EDITOR, _disconnect),
    ManagementRoute("GET", "/sources/{source_id}/settings", Role.VIEWER, _settings),
    ManagementRoute("PATCH", "/sources/{source_id}/settings", Role.EDITOR, _change_settings),
]
