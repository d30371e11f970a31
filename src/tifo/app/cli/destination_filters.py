"""The commands of `tifo destination filter`."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import msgspec
from cyclopts import App, Parameter

from tifo.app.cli.output import show
from tifo.app.cli.parameters import Data, Json, backend, read_object
from tifo.operations import filters as operations
from tifo.tracking.filters import ActionType, Filter, FilterAction

filters = App(name="filter", help="Filters of a destination: which events or fields it does not get.")


@Parameter(name="*")
@dataclass
class _Actions:
    """Says what happens to an event for which the condition holds."""

    drop: Annotated[bool, Parameter(negative="", help="The event is not sent.")] = False
    sample: Annotated[float | None, Parameter(help="Only this share is sent, 0 to 1.")] = None
    sample_by: Annotated[str | None, Parameter(help="The value that decides, such as userId (else the message).")] = (
        None
    )
    drop_properties: Annotated[tuple[str, ...], Parameter(negative="", help="Not sent: properties.email.")] = ()
    allow_properties: Annotated[tuple[str, ...], Parameter(negative="", help="All that is sent of an object.")] = ()


@filters.command(name="list")
def filter_list(destination: str, /, *, data: Data = None, json: Json = False) -> None:
    """List the destination's filters."""
    with backend(data) as opened:
        show([_shown(each) for each in operations.listed(opened, destination)], as_json=json)


@filters.command(name="add")
def filter_add(
    destination: str,
    /,
    *,
    if_: Annotated[str, Parameter(name="--if", help="FQL, such as type = 'identify'.")],
    title: str,
    actions: _Actions | None = None,
    data: Data = None,
    json: Json = False,
) -> None:
    """Add a filter: a condition, and what happens where it holds."""
    new = operations.NewFilter(condition=if_, actions=_filter_actions(actions or _Actions()), title=title)
    with backend(data) as opened:
        show(_shown(operations.add(opened, destination, new)), as_json=json)


@filters.command(name="remove")
def filter_remove(destination: str, filter_id: str, /, *, data: Data = None, json: Json = False) -> None:
    """Delete a filter, given by id or title."""
    with backend(data) as opened:
        show({"removed": operations.remove(opened, destination, filter_id).title}, as_json=json)


@filters.command(name="preview")
def filter_preview(
    event: Path,
    /,
    *,
    if_: Annotated[str, Parameter(name="--if", help="FQL, such as type = 'identify'.")],
    actions: _Actions | None = None,
    json: Json = False,
) -> None:
    """Show what a filter would leave of the message in a file. Nothing is stored."""
    asked = _filter_actions(actions or _Actions())
    show({"result": operations.preview(if_, asked, read_object(event, "event"))}, as_json=json)


def _filter_actions(flags: _Actions) -> Sequence[FilterAction]:
    actions = [FilterAction(ActionType.DROP)] if flags.drop else []
    if flags.sample is not None:
        actions.append(FilterAction(ActionType.SAMPLE, percent=flags.sample, path=flags.sample_by))
    for action, paths in (
        (ActionType.DROP_PROPERTIES, flags.drop_properties),
        (ActionType.ALLOW_PROPERTIES, flags.allow_properties),
    ):
        if paths:
            actions.append(FilterAction(action, fields=_fields(paths)))
    return actions


def _fields(paths: Sequence[str]) -> dict[str, list[str]]:
    """Reads `properties.email` as the field `email` of the object `properties`."""
    fields: dict[str, list[str]] = {}
    for path in paths:
        of, _, field = path.rpartition(".")
        fields.setdefault(of, []).append(field)
    return fields


def _shown(each: Filter) -> Mapping[str, object]:
    actions = msgspec.json.encode(each.actions).decode()
    return {"id": each.id, "title": each.title, "if": each.if_, "actions": actions, "enabled": each.enabled}
