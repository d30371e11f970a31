"""The commands of `tifo destination mapping`."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import msgspec
from cyclopts import App, Parameter

from tifo.app.cli.output import show
from tifo.app.cli.parameters import Data, Json, backend, read_object
from tifo.destinations.ports import ActionMapping
from tifo.operations import mappings as operations
from tifo.operations.mappings import MappingChange

mappings = App(name="mapping", help="Mappings of a vendor's kind: which events become which call.")


@mappings.command(name="presets")
def mapping_presets(kind: str, /, *, json: Json = False) -> None:
    """List the kind's ready-made mappings. A new destination begins with the automatic ones."""
    rows = [
        {
            "preset": each.mapping.name,
            "action": each.mapping.action,
            "trigger": each.mapping.trigger,
            "automatic": each.automatic,
        }
        for each in operations.presets(kind)
    ]
    show(rows, as_json=json)


@mappings.command(name="list")
def mapping_list(destination: str, /, *, data: Data = None, json: Json = False) -> None:
    """List the destination's mappings."""
    with backend(data) as opened:
        show([_shown(each) for each in operations.listed(opened, destination)], as_json=json)


@mappings.command(name="add")
def mapping_add(
    destination: str,
    /,
    *,
    preset: Annotated[str | None, Parameter(help="A ready-made mapping.")] = None,
    action: Annotated[str | None, Parameter(help="Or an action of the kind, with the defaults of its fields.")] = None,
    trigger: Annotated[str | None, Parameter(help="FQL, in place of its own.")] = None,
    mapping: Annotated[Path | None, Parameter(help="A file with its fields as JSON, in place of its own.")] = None,
    data: Data = None,
    json: Json = False,
) -> None:
    """Add a mapping: a preset, or an action of the kind."""
    fields = None if mapping is None else read_object(mapping, "event")
    change = MappingChange(trigger=trigger, mapping=fields)
    with backend(data) as opened:
        if preset is not None:
            made = operations.add_preset(opened, destination, preset, change)
        else:
            made = operations.add_action(opened, destination, action or "", change)
    show(_shown(made), as_json=json)


@mappings.command(name="enable")
def mapping_enable(destination: str, mapping: str, /, *, data: Data = None, json: Json = False) -> None:
    """Let a mapping, given by id or name, accept events."""
    _enable(data, destination, mapping, enabled=True, as_json=json)


@mappings.command(name="disable")
def mapping_disable(destination: str, mapping: str, /, *, data: Data = None, json: Json = False) -> None:
    """Let a mapping, given by id or name, accept no event."""
    _enable(data, destination, mapping, enabled=False, as_json=json)


@mappings.command(name="remove")
def mapping_remove(destination: str, mapping: str, /, *, data: Data = None, json: Json = False) -> None:
    """Delete a mapping, given by id or name."""
    with backend(data) as opened:
        show({"removed": operations.remove(opened, destination, mapping).name}, as_json=json)


def _enable(data: Path | None, destination: str, mapping: str, *, enabled: bool, as_json: bool) -> None:
    with backend(data) as opened:
        show(_shown(operations.change(opened, destination, mapping, MappingChange(enabled=enabled))), as_json=as_json)


def _shown(each: ActionMapping) -> Mapping[str, object]:
    return {
        "id": each.id,
        "name": each.name,
        "action": each.action,
        "trigger": each.trigger,
        "enabled": each.enabled,
        "mapping": msgspec.json.encode(each.mapping).decode(),
    }
