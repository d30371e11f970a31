"""The commands of `tifo plan` and `tifo events`."""

from pathlib import Path
from typing import Annotated, Any

from cyclopts import App, Parameter

from tifo.app import tracking_plans as work
from tifo.app.cli.output import show, show_table, talk
from tifo.app.settings import load_settings

_Data = Annotated[Path | None, Parameter(help="Folder that holds all state (default: tifo-data).")]
_Json = Annotated[bool, Parameter(name="--json", negative="", help="Print one JSON document.")]
_OK, _DIFFERENT = 0, 1

tracking_plans = App(name="plan", help="Tracking plans: what a source's events should hold.")
events = App(name="events", help="What landed, against what was planned.")


@tracking_plans.command(name="list")
def plan_list(*, data: _Data = None, json: _Json = False) -> None:
    """The plans, and which sources each is connected to."""
    show(work.listed(load_settings({"data": data})), as_json=json)


@tracking_plans.command(name="show")
def plan_show(name: str, /, *, data: _Data = None) -> None:
    """A plan with its rules, as JSON: `tifo plan rules` takes it again."""
    show(work.shown(load_settings({"data": data}), name), as_json=True)


@tracking_plans.command(name="create")
def plan_create(
    name: str,
    /,
    *,
    rules: Annotated[Path | None, Parameter(help="JSON or YAML, in the form of Segment's Public API.")] = None,
    description: str = "",
    data: _Data = None,
    json: _Json = False,
) -> None:
    """Make a plan."""
    show(work.create(load_settings({"data": data}), name, rules, description), as_json=json)


@tracking_plans.command(name="rules")
def plan_rules(name: str, file: Path, /, *, data: _Data = None, json: _Json = False) -> None:
    """Put these rules in the place of the plan's."""
    show(work.replace_rules(load_settings({"data": data}), name, file), as_json=json)


@tracking_plans.command(name="delete")
def plan_delete(name: str, /, *, data: _Data = None, json: _Json = False) -> None:
    """Delete a plan that no source is connected to."""
    show(work.delete(load_settings({"data": data}), name), as_json=json)


@tracking_plans.command(name="connect")
def plan_connect(name: str, source: str, /, *, data: _Data = None, json: _Json = False) -> None:
    """Check the source's events by the plan, from now on."""
    show(work.connect(load_settings({"data": data}), name, source), as_json=json)


@tracking_plans.command(name="disconnect")
def plan_disconnect(source: str, /, *, data: _Data = None, json: _Json = False) -> None:
    """Check the source's events by no plan."""
    show(work.disconnect(load_settings({"data": data}), source), as_json=json)


@tracking_plans.command(name="controls")
def plan_controls(
    source: str,
    /,
    *,
    set: Annotated[  # noqa: A002 (the flag's name)
        list[str] | None, Parameter(negative="", help="Such as track.allowUnplannedEvents=false.")
    ] = None,
    data: _Data = None,
    json: _Json = False,
) -> None:
    """What becomes of the source's events that are not as planned; --set changes it."""
    show(work.controls(load_settings({"data": data}), source, set or []), as_json=json)


@tracking_plans.command(name="violations")
def plan_violations(
    source: str,
    /,
    *,
    since: Annotated[str, Parameter(help="1h, 24h or 7d.")] = "24h",
    data: _Data = None,
    json: _Json = False,
) -> None:
    """What of the source was not as planned: counts and samples, the most frequent first."""
    show(work.violations(load_settings({"data": data}), source, since), as_json=json)


@events.command(name="check")
def events_check(source: str | None = None, /, *, data: _Data = None, json: _Json = False) -> int:
    """Whether what landed in the warehouse has all that the plan expects. Exits with 1 where a required property is
    missing.
    """
    from tifo.app.events import check

    verdict = check(load_settings({"data": data}), source)
    if json:
        show(verdict, as_json=True)
    else:
        for each in verdict["sources"]:
            _show_source(each)
    return _OK if verdict["ok"] else _DIFFERENT


def _show_source(checked: dict[str, Any]) -> None:
    talk.print(f"{checked['source']}, by the plan {checked['plan']}", style="bold", markup=False)
    show_table(
        [
            {
                "event": event["event"],
                "rows": event["rows"],
                "verdict": "ok" if event["ok"] and event["rows"] else "never came" if event["ok"] else "INCOMPLETE",
                "missing": "; ".join(
                    f"{each['property']} in {each['missing']} (such as {', '.join(each['examples'])})"
                    for each in event["properties"]
                    if each["required"] and each["missing"]
                ),
                "optional": ", ".join(
                    f"{each['property']} {each['present']}" for each in event["properties"] if not each["required"]
                ),
            }
            for event in checked["events"]
        ]
    )
    if checked["unplanned"]:
        talk.print("Events that the plan does not know")
        show_table(checked["unplanned"])
