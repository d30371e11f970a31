"""Tracking plans, their rules and sources, schema controls, and the violations that were counted.

A plan is found by its id or name. The plan that LiveLike sources come with is built in: it is listed and connected like
the others, and never changes.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

import msgspec

from tifo.kernel.errors import Conflict, NotFound, Rejected
from tifo.operations import sources
from tifo.operations.backend import Backend
from tifo.source.plan import LIVELIKE_PLAN, plan_ids
from tifo.tracking.plans.model import BUILT_IN_PLAN, LENIENT, Controls, PlanType, Rule, TrackingPlan
from tifo.tracking.plans.ports import RulePlace, ViolationSummary
from tifo.workspace.model import Source

PERIODS: Mapping[str, timedelta] = {"1h": timedelta(hours=1), "24h": timedelta(hours=24), "7d": timedelta(days=7)}
MAX_VIOLATIONS = 500


@dataclass(frozen=True)
class PlanUse:
    """A plan with the sources whose events are checked by it."""

    plan: TrackingPlan
    sources: Sequence[Source]


class _RulesFile(msgspec.Struct):
    rules: tuple[Rule, ...]


def listed(backend: Backend, plan_type: str | None = None) -> Sequence[TrackingPlan]:
    """Returns the built-in plan first, then the others in the order of their making. Raises `Rejected` for a type that
    is none.
    """
    if plan_type is not None and plan_type not in set(PlanType):
        raise Rejected(f"type is {plan_type!r:.40}. Known are {', '.join(PlanType)}.", field="type")
    return [plan for plan in (LIVELIKE_PLAN, *backend.plans.plans()) if plan_type in {None, plan.type}]


def uses(backend: Backend) -> Sequence[PlanUse]:
    """Returns every plan with its sources."""
    known = backend.catalog.sources()
    ids = plan_ids(known, backend.plans.connections())
    return [PlanUse(plan, [each for each in known if ids.get(each.id) == plan.id]) for plan in listed(backend)]


def find(backend: Backend, name: str) -> TrackingPlan:
    """Finds a plan by its id, or else by its name. Raises `NotFound`, naming the plans that there are."""
    known = listed(backend)
    for plan in sorted(known, key=lambda plan: plan.id != name):  # no name hides another plan's id
        if name in {plan.id, plan.name}:
            return plan
    names = ", ".join(repr(plan.name) for plan in known)
    raise NotFound(f"There is no tracking plan {name!r:.100}. Known are {names}.", field="plan")


def sources_of(backend: Backend, name: str) -> Sequence[Source]:
    plan = find(backend, name)
    return next(use.sources for use in uses(backend) if use.plan.id == plan.id)


def create(
    backend: Backend,
    name: str,
    plan_type: PlanType = PlanType.LIVE,
    *,
    description: str = "",
    rules: Sequence[Rule] = (),
) -> TrackingPlan:
    """Raises as `TrackingPlans.create` does."""
    return backend.plans.create(name, plan_type, description, rules)


def change(backend: Backend, name: str, *, new_name: str | None = None, description: str | None = None) -> TrackingPlan:
    return backend.plans.change(_changeable(backend, name).id, name=new_name, description=description)


def delete(backend: Backend, name: str) -> TrackingPlan:
    """Returns what the plan was. Raises `Conflict` while a source is connected to it."""
    plan = _changeable(backend, name)
    backend.plans.delete(plan.id)
    return plan


def replace_rules(backend: Backend, name: str, rules: Sequence[Rule]) -> TrackingPlan:
    """Raises `Rejected` for a bad rule: then nothing is changed."""
    return backend.plans.replace_rules(_changeable(backend, name).id, rules)


def put_rules(backend: Backend, name: str, rules: Sequence[tuple[Rule, str | None]]) -> TrackingPlan:
    """Adds rules, or replaces those of the same place. A key beside a rule is the rule's new key."""
    return backend.plans.change_rules(_changeable(backend, name).id, upserted=rules)


def remove_rules(backend: Backend, name: str, places: Sequence[RulePlace]) -> TrackingPlan:
    """Raises `NotFound` where the plan lacks one of the rules: then all of them stay."""
    return backend.plans.change_rules(_changeable(backend, name).id, removed=places)


def connect(backend: Backend, name: str, source: str) -> PlanUse:
    """Checks the source's events by this plan from now on, in place of another one."""
    found, plan = sources.find(backend, source), find(backend, name)
    backend.plans.connect(found.id, plan.id)
    return PlanUse(plan, [found])


def disconnect(backend: Backend, source: str, name: str | None = None) -> Source:
    """Checks the source's events by no plan. Raises `NotFound` where `name` is a plan that the source does not have."""
    plan, found = None if name is None else find(backend, name), sources.find(backend, source)
    if plan is not None and plan_ids([found], backend.plans.connections()).get(found.id) != plan.id:
        raise NotFound(f"{found.slug} is not connected to this plan.", field="sourceId")
    backend.plans.connect(found.id, None)
    return found


def controls(backend: Backend, source: str) -> Controls:
    return _controls_of(backend, sources.find(backend, source))


def change_controls(backend: Backend, source: str, asked: Mapping[str, object]) -> Controls:
    """Changes what happens to events that are not as planned. What `asked`, in Segment's form, does not name stays.

    Sources to forward to are named by slug or id; an empty text stops the forwarding. Raises `Rejected`, naming the
    field, and `NotFound`.
    """
    found = sources.find(backend, source)
    return backend.plans.change_controls(found.id, {name: _resolved(backend, name, asked[name]) for name in asked})


def violations(backend: Backend, source: str, since: str = "24h") -> Sequence[ViolationSummary]:
    """Returns the counted violations of a period, the most frequent first. `since` is one of `PERIODS`."""
    found = sources.find(backend, source)
    if since not in PERIODS:
        raise Rejected(f"--since is {since!r:.40}. Known are {', '.join(PERIODS)}.", field="since")
    return backend.plans.violations(found.id, backend.clock() - PERIODS[since], limit=MAX_VIOLATIONS)


def read_rules(text: str, file: str) -> Sequence[Rule]:
    """Reads a list of rules, or an object with them under `rules`, as Segment's Public API gives them.

    The text is YAML where the file's name says so, JSON otherwise. Raises `Rejected`, naming the file.
    """
    decode = msgspec.yaml.decode if file.endswith((".yaml", ".yml")) else msgspec.json.decode
    try:
        content = decode(text)
        return msgspec.convert({"rules": content} if isinstance(content, list) else content, _RulesFile).rules
    except msgspec.DecodeError as error:
        raise Rejected(f"{file} is not as expected: {error}.", field="file") from error


def _changeable(backend: Backend, name: str) -> TrackingPlan:
    plan = find(backend, name)
    if plan.id == BUILT_IN_PLAN:
        raise Conflict(
            f"The plan {plan.name} is built in and stays as it is. Make another one with the rules that you want, and"
            " connect it.",
            field="plan",
        )
    return plan


def _controls_of(backend: Backend, source: Source) -> Controls:
    return backend.plans.controls().get(source.id, LENIENT)


def _resolved(backend: Backend, name: str, value: object) -> object:
    """The contract knows sources by id alone."""
    if name.startswith("forwarding") and isinstance(value, str) and value:
        return sources.find(backend, value).id
    return value
