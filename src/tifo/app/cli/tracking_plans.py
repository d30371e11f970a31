"""The commands of `tifo plan` and `tifo events`."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
from cyclopts import App, Parameter

from tifo.app.cli.files import read_file
from tifo.app.cli.output import show, show_table, talk
from tifo.app.cli.parameters import Data, Json, backend
from tifo.kernel.clock import to_iso
from tifo.kernel.errors import Rejected
from tifo.operations import sources
from tifo.operations import tracking_plans as operations
from tifo.tracking.plans.model import Controls, TrackingPlan
from tifo.tracking.plans.ports import ViolationSummary
from tifo.workspace.model import Source

if TYPE_CHECKING:
    from tifo.operations.landed_events import LandedEvent, LandedEvents, LandedProperty, LandedSource

_OK, _DIFFERENT = 0, 1

tracking_plans = App(name="plan", help="Tracking plans: what a source's events should hold.")
events = App(name="events", help="Events in the warehouse, compared with their tracking plan.")


@tracking_plans.command(name="list")
def plan_list(*, data: Data = None, json: Json = False) -> None:
    """List the plans, each with the sources that are connected to it."""
    with backend(data) as opened:
        rows = [
            {
                "name": use.plan.name,
                "id": use.plan.id,
                "rules": len(use.plan.rules),
                "sources": ", ".join(each.slug for each in use.sources),
            }
            for use in operations.uses(opened)
        ]
    show(rows, as_json=json)


@tracking_plans.command(name="show")
def plan_show(name: str, /, *, data: Data = None) -> None:
    """Print a plan with its rules, as JSON that `tifo plan rules` reads."""
    with backend(data) as opened:
        plan = operations.find(opened, name)
    shown = {
        "id": plan.id,
        "name": plan.name,
        "description": plan.description,
        "type": plan.type.value,
        "rules": msgspec.to_builtins(plan.rules),
    }
    show(shown, as_json=True)


@tracking_plans.command(name="create")
def plan_create(
    name: str,
    /,
    *,
    rules: Annotated[Path | None, Parameter(help="JSON or YAML, in the form of Segment's Public API.")] = None,
    description: str = "",
    data: Data = None,
    json: Json = False,
) -> None:
    """Make a plan."""
    with backend(data, make=True) as opened:
        read = operations.read_rules(read_file(rules), str(rules)) if rules else ()
        show(_counted(operations.create(opened, name, description=description, rules=read)), as_json=json)


@tracking_plans.command(name="rules")
def plan_rules(name: str, file: Path, /, *, data: Data = None, json: Json = False) -> None:
    """Replace the plan's rules by those of a file."""
    with backend(data) as opened:
        rules = operations.read_rules(read_file(file), str(file))
        show(_counted(operations.replace_rules(opened, name, rules)), as_json=json)


@tracking_plans.command(name="delete")
def plan_delete(name: str, /, *, data: Data = None, json: Json = False) -> None:
    """Delete a plan that no source is connected to."""
    with backend(data) as opened:
        show({"deleted": operations.delete(opened, name).name}, as_json=json)


@tracking_plans.command(name="connect")
def plan_connect(name: str, source: str, /, *, data: Data = None, json: Json = False) -> None:
    """Check the source's events by the plan, from now on."""
    with backend(data) as opened:
        use = operations.connect(opened, name, source)
    show({"source": use.sources[0].slug, "plan": use.plan.name}, as_json=json)


@tracking_plans.command(name="disconnect")
def plan_disconnect(source: str, /, *, data: Data = None, json: Json = False) -> None:
    """Check the source's events by no plan."""
    with backend(data) as opened:
        found = operations.disconnect(opened, source)
    show({"source": found.slug, "plan": None}, as_json=json)


@tracking_plans.command(name="controls")
def plan_controls(
    source: str,
    /,
    *,
    set: Annotated[  # noqa: A002 (the flag's name)
        list[str] | None, Parameter(negative="", help="Such as track.allowUnplannedEvents=false.")
    ] = None,
    data: Data = None,
    json: Json = False,
) -> None:
    """Show how the source's events are handled that are not as planned; --set changes it."""
    with backend(data) as opened:
        if set:
            controls = operations.change_controls(opened, source, _asked(set))
        else:
            controls = operations.controls(opened, source)
        show(_controls_shown(controls, sources.listed(opened)), as_json=json)


@tracking_plans.command(name="violations")
def plan_violations(
    source: str,
    /,
    *,
    since: Annotated[str, Parameter(help="1h, 24h or 7d.")] = "24h",
    data: Data = None,
    json: Json = False,
) -> None:
    """List the source's violations of its plan, and what was repaired on ingest, with counts and samples, the most
    frequent first.
    """
    with backend(data) as opened:
        show([_violation_shown(each) for each in operations.violations(opened, source, since)], as_json=json)


@events.command(name="check")
def events_check(source: str | None = None, /, *, data: Data = None, json: Json = False) -> int:
    """Check that the events in the warehouse have all that their plan expects. Exits with 1 where a required property
    is missing.
    """
    from tifo.operations.landed_events import check

    with backend(data) as opened:
        landed = check(opened, source)
    if json:
        show(_landed_shown(landed), as_json=True)
    else:
        for each in landed.sources:
            _show_source(each)
    return _OK if landed.are_complete else _DIFFERENT


def _counted(plan: TrackingPlan) -> Mapping[str, object]:
    return {"id": plan.id, "name": plan.name, "rules": len(plan.rules)}


def _asked(words: Sequence[str]) -> Mapping[str, object]:
    """Reads `track.allowUnplannedEvents=false` as the management API's body has it."""
    asked: dict[str, object] = {}
    groups: dict[str, dict[str, object]] = {}
    for each in words:
        place, equals, value = each.partition("=")
        if not equals:
            raise Rejected(f"--set {each!r:.80} has no value. Write name=value.", field="set")
        group, _, name = place.partition(".")
        if name:
            groups.setdefault(group, {})[name] = {"true": True, "false": False}.get(value, value)
        else:
            asked[group] = value
    return {**asked, **groups}


def _controls_shown(controls: Controls, known: Sequence[Source]) -> Mapping[str, object]:
    slugs = {str(each.id): each.slug for each in known}
    flat: dict[str, Any] = {}
    for name, value in msgspec.to_builtins(controls).items():
        flat |= {f"{name}.{each}": v for each, v in value.items()} if isinstance(value, dict) else {name: value}
    return {name: slugs.get(value, value) if name.startswith("forwarding") else value for name, value in flat.items()}


def _violation_shown(counted: ViolationSummary) -> Mapping[str, object]:
    kind, noted = counted
    return {
        "event": kind.name or kind.type,
        "violation": kind.violation,
        "field": kind.field,
        "count": noted.total,
        "blocked": noted.blocked,
        "omitted": noted.omitted,
        "newest": to_iso(noted.at),
        "description": noted.description,
        "message_id": noted.message_id,
        "sample": noted.sample.decode(errors="replace"),
    }


def _landed_shown(landed: "LandedEvents") -> Mapping[str, object]:
    sources_shown = [
        {
            "source": each.source.slug,
            "plan": each.plan.name,
            "events": [_event_shown(event) for event in each.events],
            "unplanned": [event._asdict() for event in each.unplanned],
        }
        for each in landed.sources
    ]
    return {"ok": landed.are_complete, "sources": sources_shown}


def _event_shown(event: "LandedEvent") -> Mapping[str, object]:
    return {
        "event": event.name,
        "table": event.table,
        "rows": event.rows,
        "ok": event.is_complete,
        "properties": [
            {
                "property": _name(each),
                "required": each.expected.is_required,
                "present": each.present,
                "missing": each.missing,
                "examples": each.examples,
            }
            for each in event.properties
        ],
    }


def _show_source(landed: "LandedSource") -> None:
    talk.print(f"{landed.source.slug}, by the plan {landed.plan.name}", style="bold", markup=False)
    show_table(
        [
            {
                "event": event.name,
                "rows": event.rows,
                "verdict": "INCOMPLETE" if not event.is_complete else "ok" if event.rows else "never came",
                "missing": "; ".join(
                    f"{_name(each)} in {each.missing} (such as {', '.join(each.examples)})"
                    for each in event.properties
                    if each.expected.is_required and each.missing
                ),
                "optional": ", ".join(
                    f"{_name(each)} {each.present}" for each in event.properties if not each.expected.is_required
                ),
            }
            for event in landed.events
        ]
    )
    if landed.unplanned:
        talk.print("Events that the plan does not know")
        show_table([each._asdict() for each in landed.unplanned])


def _name(landed: "LandedProperty") -> str:
    return ".".join(landed.expected.path)
