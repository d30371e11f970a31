"""What `tifo plan …` does. Works whether or not `tifo up` runs; it sees a change within a second."""

from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec

from tifo.app import compose
from tifo.app.game import read_file
from tifo.app.settings import Settings
from tifo.kernel.clock import system_clock, to_iso
from tifo.kernel.errors import Conflict, NotFound, Rejected
from tifo.source.plan import LIVELIKE_PLAN, plan_ids
from tifo.store.workspace.plans import SqlTrackingPlans
from tifo.tracking.plans.model import BUILT_IN_PLAN, LENIENT, PlanType, Rule, TrackingPlan, changed
from tifo.workspace import rules
from tifo.workspace.model import Source

SINCE = {"1h": timedelta(hours=1), "24h": timedelta(hours=24), "7d": timedelta(days=7)}
MAX_TOLD = 500


class _File(msgspec.Struct):
    rules: tuple[Rule, ...]


def listed(settings: Settings) -> list[dict[str, Any]]:
    plans, sources = _plans(settings), _sources(settings)
    ids = plan_ids(sources, plans.connections())
    return [
        {
            "name": plan.name,
            "id": plan.id,
            "rules": len(plan.rules),
            "sources": ", ".join(source.slug for source in sources if ids.get(source.id) == plan.id),
        }
        for plan in (LIVELIKE_PLAN, *plans.plans())
    ]


def shown(settings: Settings, name: str) -> dict[str, Any]:
    plan = _named(_plans(settings), name)
    return {
        "id": plan.id,
        "name": plan.name,
        "description": plan.description,
        "type": plan.type.value,
        "rules": msgspec.to_builtins(plan.rules),
    }


def create(settings: Settings, name: str, file: Path | None, description: str) -> dict[str, Any]:
    made = _plans(settings).create(name, PlanType.LIVE, description, _rules(file) if file else ())
    return {"id": made.id, "name": made.name, "rules": len(made.rules)}


def replace_rules(settings: Settings, name: str, file: Path) -> dict[str, Any]:
    plans = _plans(settings)
    made = plans.replace_rules(_changeable(plans, name).id, _rules(file))
    return {"id": made.id, "name": made.name, "rules": len(made.rules)}


def delete(settings: Settings, name: str) -> dict[str, Any]:
    plans = _plans(settings)
    plan = _changeable(plans, name)
    plans.delete(plan.id)
    return {"deleted": plan.name}


def connect(settings: Settings, name: str, source: str) -> dict[str, Any]:
    plans, found = _plans(settings), rules.named(_sources(settings), source)
    plan = _named(plans, name)
    plans.connect(found.id, plan.id)
    return {"source": found.slug, "plan": plan.name}


def disconnect(settings: Settings, source: str) -> dict[str, Any]:
    found = rules.named(_sources(settings), source)
    _plans(settings).connect(found.id, None)
    return {"source": found.slug, "plan": None}


def controls(settings: Settings, source: str, asked: Sequence[str]) -> dict[str, Any]:
    """`asked`: settings such as `track.allowUnplannedEvents=false`; none only shows them."""
    plans, sources = _plans(settings), _sources(settings)
    found = rules.named(sources, source)
    now = plans.controls().get(found.id, LENIENT)
    if asked:
        now = changed(now, _asked(asked, sources))
        plans.control(found.id, now)
    slugs = {each.id: each.slug for each in sources}
    told: dict[str, Any] = {}
    for name, value in msgspec.to_builtins(now).items():
        told |= {f"{name}.{each}": v for each, v in value.items()} if isinstance(value, dict) else {name: value}
    return {name: slugs.get(value, value) if name.startswith("forwarding") else value for name, value in told.items()}


def violations(settings: Settings, source: str, since: str) -> list[dict[str, Any]]:
    plans, found = _plans(settings), rules.named(_sources(settings), source)
    if since not in SINCE:
        raise Rejected(f"--since is {since!r:.40}. Known are {', '.join(SINCE)}.", field="since")
    return [
        {
            "event": told.kind.name or told.kind.type,
            "violation": told.kind.violation,
            "field": told.kind.field,
            "count": told.noted.total,
            "blocked": told.noted.blocked,
            "omitted": told.noted.omitted,
            "newest": to_iso(told.noted.at),
            "description": told.noted.description,
            "message_id": told.noted.message_id,
            "sample": told.noted.sample.decode(errors="replace"),
        }
        for told in plans.violations(found.id, system_clock() - SINCE[since], limit=MAX_TOLD)
    ]


def _asked(asked: Sequence[str], sources: Sequence[Source]) -> dict[str, Any]:
    made: dict[str, Any] = {}
    for each in asked:
        place, equals, value = each.partition("=")
        if not equals:
            raise Rejected(f"--set {each!r:.80} has no value. Write name=value.", field="set")
        group, _, name = place.partition(".")
        if name:
            made.setdefault(group, {})[name] = {"true": True, "false": False}.get(value, value)
        else:
            made[group] = rules.named(sources, value).id if value else ""
    return made


def _rules(file: Path) -> tuple[Rule, ...]:
    """A list of rules, or an object with them under `rules`, as Segment's Public API gives them."""
    text = read_file(file)
    try:
        told = msgspec.yaml.decode(text) if file.suffix in {".yaml", ".yml"} else msgspec.json.decode(text)
        return msgspec.convert({"rules": told} if isinstance(told, list) else told, _File).rules
    except msgspec.DecodeError as error:
        raise Rejected(f"{file} is not as expected: {error}.", field="file") from error


def _named(plans: SqlTrackingPlans, name: str) -> TrackingPlan:
    known = [LIVELIKE_PLAN, *plans.plans()]
    for plan in known:
        if name in {plan.name, plan.id}:
            return plan
    told = ", ".join(repr(plan.name) for plan in known)
    raise NotFound(f"There is no tracking plan {name!r:.100}. Known are {told}.", field="plan")


def _changeable(plans: SqlTrackingPlans, name: str) -> TrackingPlan:
    plan = _named(plans, name)
    if plan.id == BUILT_IN_PLAN:
        raise Conflict(f"The plan {plan.name} is built in and stays as it is. Make another one.", field="plan")
    return plan


def _plans(settings: Settings) -> SqlTrackingPlans:
    return compose.plans_of(compose.open_state(settings))


def _sources(settings: Settings) -> list[Source]:
    return compose.catalog_of(compose.open_state(settings)).sources()
