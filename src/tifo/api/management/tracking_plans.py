"""`/tracking-plans` and `/sources/{id}/settings`: plans, their rules and sources, and schema controls.

The plan that the LiveLike source comes with is built in: it is listed with the others, and stays as it is.
"""

from typing import Any

import msgspec

from tifo.api.management.paging import page
from tifo.api.management.request import Input, ManagementRoute, Request, statused
from tifo.api.management.sources import named_source, source_shown
from tifo.kernel.clock import to_iso
from tifo.kernel.errors import Conflict, NotFound, Rejected
from tifo.kernel.json import JsonObject
from tifo.source.plan import LIVELIKE_PLAN, plan_ids
from tifo.tracking.plans.model import LENIENT, PlanType, Rule, RuleType, TrackingPlan, changed
from tifo.tracking.plans.ports import with_rule_changes
from tifo.workspace.model import Source
from tifo.workspace.rules import named, slug_of
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
        "createdAt": to_iso(plan.created_at),
        "updatedAt": to_iso(plan.updated_at),
    }
    return shown if rule.key is None else {**shown, "key": rule.key}


def _plans(request: Request) -> list[TrackingPlan]:
    return [LIVELIKE_PLAN, *request.backend.plans.plans()]


def _plan(request: Request) -> TrackingPlan:
    wanted = request.parts["plan_id"]
    for plan in _plans(request):
        if plan.id == wanted:
            return plan
    raise NotFound(
        f"There is no tracking plan {wanted!r:.100}. GET /tracking-plans lists them.", field="trackingPlanId"
    )


def _changeable(request: Request) -> TrackingPlan:
    plan = _plan(request)
    if plan is LIVELIKE_PLAN:
        raise Conflict(
            "This plan is built in and stays as it is. Make another one with the rules that you want, and connect it.",
            field="trackingPlanId",
        )
    return plan


def _list(request: Request) -> JsonObject:
    wanted = request.query.get("type")
    if wanted is not None and wanted not in set(PlanType):
        raise Rejected(f"type is {wanted!r:.40}. Known are {', '.join(PlanType)}.", field="type")
    found = [plan for plan in _plans(request) if wanted in {None, plan.type}]
    return page(request, "trackingPlans", found, lambda plan: plan.id, plan_shown)


def _create(request: Request) -> JsonObject:
    new = request.read(_New)
    return {"trackingPlan": plan_shown(request.backend.plans.create(new.name, new.type, new.description))}


def _get(request: Request) -> JsonObject:
    return {"trackingPlan": plan_shown(_plan(request))}


def _update(request: Request) -> JsonObject:
    asked = request.read(_Change)
    request.backend.plans.change(_changeable(request).id, name=asked.name, description=asked.description)
    return statused("SUCCESS")


def _delete(request: Request) -> JsonObject:
    request.backend.plans.delete(_changeable(request).id)
    return statused("SUCCESS")


def _list_rules(request: Request) -> JsonObject:
    plan = _plan(request)
    return page(
        request, "rules", plan.rules, lambda rule: str(msgspec.json.encode(rule.place)), lambda r: _rule_shown(plan, r)
    )


def _replace_rules(request: Request) -> JsonObject:
    rules = [rule.as_rule() for rule in request.read(_Rules).rules]
    request.backend.plans.replace_rules(_changeable(request).id, rules)
    return statused("SUCCESS")


def _update_rules(request: Request) -> JsonObject:
    plan, asked = _changeable(request), request.read(_Rules).rules
    changes = [(rule.as_rule(), rule.new_key) for rule in asked]
    request.backend.plans.replace_rules(plan.id, with_rule_changes(plan.rules, changes, ()))
    return statused("SUCCESS")


def _remove_rules(request: Request) -> JsonObject:
    """The rules stand in the query, as `rules[0][type]=TRACK&rules[0][key]=…`, or as JSON."""
    plan, removed = _changeable(request), _removed(request)
    places = [(each.type, each.key or None, each.version) for each in removed]
    unknown = set(places) - {rule.place for rule in plan.rules}
    if unknown:
        kind, key, version = min(unknown, key=str)
        raise NotFound(f"The plan has no {kind} rule {key!r:.100} of version {version}.", field="rules")
    request.backend.plans.replace_rules(plan.id, with_rule_changes(plan.rules, (), places))
    return statused("SUCCESS")


def _removed(request: Request) -> list[_Removed]:
    told: dict[str, dict[str, Any]] = {}
    for name, value in request.query.items():
        if name == "rules":
            return _read_removed(_json(value))
        number, _, field = name.removeprefix("rules[").partition("][")
        if name.startswith("rules[") and field.endswith("]"):
            told.setdefault(number, {})[field[:-1]] = value
    return _read_removed(list(told.values()))


def _json(text: str) -> Any:
    try:
        return msgspec.json.decode(text)
    except msgspec.DecodeError as error:
        raise Rejected(f"rules are no JSON: {error}.", field="rules") from error


def _read_removed(told: Any) -> list[_Removed]:
    try:
        removed = msgspec.convert(told, list[_Removed], strict=False)
    except msgspec.ValidationError as error:
        raise Rejected(f"rules are not as expected: {error}.", field="rules") from error
    if not removed:
        raise Rejected("rules is missing. Name the rules to remove by type, key and version.", field="rules")
    return removed


def _sources(request: Request) -> JsonObject:
    plan = _plan(request)
    sources = request.backend.catalog.sources()
    ids = plan_ids(sources, request.backend.plans.connections())
    found = [source for source in sources if ids.get(source.id) == plan.id]
    return page(request, "sources", found, lambda source: source.id, lambda source: source_shown(source, request.role))


def _connect(request: Request) -> JsonObject:
    plan, source = _plan(request), _named(request, request.read(_Source).source_id)
    request.backend.plans.connect(source.id, plan.id)
    return statused("SUCCESS")


def _disconnect(request: Request) -> JsonObject:
    plan = _plan(request)
    source = _named(request, request.query.get("sourceId", ""))
    if plan_ids([source], request.backend.plans.connections()).get(source.id) != plan.id:
        raise NotFound(f"{source.slug} is not connected to this plan.", field="sourceId")
    request.backend.plans.connect(source.id, None)
    return statused("SUCCESS")


def _named(request: Request, source: str) -> Source:
    return named(request.backend.catalog.sources(), source)


def _settings(request: Request) -> JsonObject:
    return _settings_shown(request, named_source(request))


def _change_settings(request: Request) -> JsonObject:
    source = named_source(request)
    now = request.backend.plans.controls().get(source.id, LENIENT)
    request.backend.plans.control(source.id, changed(now, request.read(dict[str, Any])))
    return _settings_shown(request, source)


def _settings_shown(request: Request, source: Source) -> JsonObject:
    controls = request.backend.plans.controls().get(source.id, LENIENT)
    told = {name: value for name, value in msgspec.to_builtins(controls).items() if value is not None}
    return {"sourceId": source.id, "settings": told}


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
