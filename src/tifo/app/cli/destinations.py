"""The commands of `tifo destination`."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import msgspec
from cyclopts import App, Parameter
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn

from tifo.app import destinations as work
from tifo.app.cli.output import show, talk
from tifo.app.settings import load_settings
from tifo.destinations.actions import installing
from tifo.destinations.catalog import is_own
from tifo.kernel.errors import Rejected

_Data = Annotated[Path | None, Parameter(help="Folder that holds all state (default: tifo-data).")]
_Json = Annotated[bool, Parameter(name="--json", negative="", help="Print one JSON document.")]
_Set = Annotated[list[str] | None, Parameter(negative="", help="A setting of the kind, such as url=https://….")]

_Event = Annotated[Path | None, Parameter(help="A file with one message, as the log holds it.")]

destinations = App(name="destination", help="Where a source's events go beside the warehouses.")
filters = App(name="filter", help="What a destination does not get, or gets less of.")
destinations.command(filters)
mappings = App(name="mapping", help="Which events become which call of a vendor's kind.")
destinations.command(mappings)


@destinations.command(name="kinds")
def destination_kinds(*, json: _Json = False) -> None:
    """The kinds of destinations, and their settings."""
    show(work.catalog(), as_json=json)


@destinations.command(name="add")
def destination_add(
    kind: str,
    /,
    *,
    source: str,
    name: str,
    set: _Set = None,  # noqa: A002 (the flag's name)
    data: _Data = None,
    json: _Json = False,
) -> None:
    """Deliver what the source receives from now on. The first vendor's kind installs their library."""
    if not is_own(kind) and not installing.is_installed():
        _installed()
    show(work.add(load_settings({"data": data}), kind, source, name, set or []), as_json=json)


@destinations.command(name="list")
def destination_list(*, data: _Data = None, json: _Json = False) -> None:
    """The destinations; secrets are masked."""
    show(work.listed(load_settings({"data": data})), as_json=json)


@destinations.command(name="set")
def destination_set(
    name: str,
    /,
    *,
    set: _Set = None,  # noqa: A002 (the flag's name)
    new_name: str | None = None,
    data: _Data = None,
    json: _Json = False,
) -> None:
    """Change settings; the others stay."""
    settings = load_settings({"data": data})
    show(work.change(settings, name, set or [], new_name=new_name, enabled=None), as_json=json)


@destinations.command(name="enable")
def destination_enable(name: str, /, *, data: _Data = None, json: _Json = False) -> None:
    """Deliver again, from where it was disabled."""
    show(work.change(load_settings({"data": data}), name, [], new_name=None, enabled=True), as_json=json)


@destinations.command(name="disable")
def destination_disable(name: str, /, *, data: _Data = None, json: _Json = False) -> None:
    """Deliver nothing; what comes waits in the event log."""
    show(work.change(load_settings({"data": data}), name, [], new_name=None, enabled=False), as_json=json)


@destinations.command(name="remove")
def destination_remove(name: str, /, *, data: _Data = None, json: _Json = False) -> None:
    """Deliver no more, and forget what waits, failed and was counted."""
    show(work.remove(load_settings({"data": data}), name), as_json=json)


@destinations.command(name="events")
def destination_events(
    name: str,
    /,
    *,
    type: Annotated[tuple[str, ...], Parameter(negative="", help="Only such calls: track, identify, …")] = (),  # noqa: A002 (as above)
    only: Annotated[tuple[str, ...], Parameter(negative="", help="Only events of this name.")] = (),
    without: Annotated[tuple[str, ...], Parameter(negative="", help="No events of this name.")] = (),
    data: _Data = None,
    json: _Json = False,
) -> None:
    """Choose which events it gets; nothing named: all."""
    settings = load_settings({"data": data})
    show(work.choose(settings, name, types=type, only=only, excluded=without), as_json=json)


@destinations.command(name="test")
def destination_test(name: str, /, *, event: _Event = None, data: _Data = None, json: _Json = False) -> int:
    """Send one event now (the source's newest, or one from a file), and show request and answer."""
    told = work.try_out(load_settings({"data": data}), name, None if event is None else _message(event))
    show(told, as_json=json)
    return 0 if told["outcome"] == "delivered" else 1


@destinations.command(name="install-actions")
def destination_install_actions(*, json: _Json = False) -> None:
    """Put the library of vendors' kinds on this machine (102 MB in the user's cache); needs Node.js and npm."""
    show(_installed(), as_json=json)


def _installed() -> dict[str, Any]:
    with Progress(TextColumn("installing vendors' kinds"), BarColumn(), TaskProgressColumn(), console=talk) as progress:
        task = progress.add_task("install", total=installing.PACKAGES)
        place = installing.install(lambda: progress.advance(task))
        progress.update(task, completed=installing.PACKAGES)
    return {"folder": str(place), "kinds": len(work.catalog())}


@mappings.command(name="presets")
def mapping_presets(kind: str, /, *, json: _Json = False) -> None:
    """The kind's ready-made mappings; a new destination begins with the automatic ones."""
    show(work.presets(kind), as_json=json)


@mappings.command(name="list")
def mapping_list(destination: str, /, *, data: _Data = None, json: _Json = False) -> None:
    """The destination's mappings."""
    show(work.mappings(load_settings({"data": data}), destination), as_json=json)


@mappings.command(name="add")
def mapping_add(
    destination: str,
    /,
    *,
    preset: Annotated[str | None, Parameter(help="A ready-made one.")] = None,
    action: Annotated[str | None, Parameter(help="Or an action of the kind, with the defaults of its fields.")] = None,
    trigger: Annotated[str | None, Parameter(help="FQL, in place of its own.")] = None,
    mapping: Annotated[Path | None, Parameter(help="A file with its fields as JSON, in place of its own.")] = None,
    data: _Data = None,
    json: _Json = False,
) -> None:
    """Add one."""
    fields = None if mapping is None else _message(mapping)
    settings = load_settings({"data": data})
    made = work.add_mapping(settings, destination, preset=preset, action=action, trigger=trigger, mapping=fields)
    show(made, as_json=json)


@mappings.command(name="enable")
def mapping_enable(destination: str, mapping: str, /, *, data: _Data = None, json: _Json = False) -> None:
    """Let one, by its id or name, take events."""
    show(work.change_mapping(load_settings({"data": data}), destination, mapping, enabled=True), as_json=json)


@mappings.command(name="disable")
def mapping_disable(destination: str, mapping: str, /, *, data: _Data = None, json: _Json = False) -> None:
    """Let one take nothing."""
    show(work.change_mapping(load_settings({"data": data}), destination, mapping, enabled=False), as_json=json)


@mappings.command(name="remove")
def mapping_remove(destination: str, mapping: str, /, *, data: _Data = None, json: _Json = False) -> None:
    """Take one away."""
    show(work.change_mapping(load_settings({"data": data}), destination, mapping, enabled=None), as_json=json)


@filters.command(name="list")
def filter_list(destination: str, /, *, data: _Data = None, json: _Json = False) -> None:
    """The destination's filters."""
    show(work.filters(load_settings({"data": data}), destination), as_json=json)


@Parameter(name="*")
@dataclass
class _Actions:
    """What happens to an event for which the condition holds."""

    drop: Annotated[bool, Parameter(negative="", help="It is not sent.")] = False
    sample: Annotated[float | None, Parameter(help="Only this share is sent, 0 to 1.")] = None
    sample_by: Annotated[str | None, Parameter(help="What decides, such as userId (else the message).")] = None
    drop_properties: Annotated[tuple[str, ...], Parameter(negative="", help="Not sent: properties.email.")] = ()
    allow_properties: Annotated[tuple[str, ...], Parameter(negative="", help="All that is sent of an object.")] = ()


@filters.command(name="add")
def filter_add(
    destination: str,
    /,
    *,
    if_: Annotated[str, Parameter(name="--if", help="FQL, such as type = 'identify'.")],
    title: str,
    actions: _Actions | None = None,
    data: _Data = None,
    json: _Json = False,
) -> None:
    """Add one: a condition, and what happens where it holds."""
    asked = work.actions_asked(**vars(actions or _Actions()))
    show(work.add_filter(load_settings({"data": data}), destination, if_, asked, title), as_json=json)


@filters.command(name="remove")
def filter_remove(destination: str, filter_id: str, /, *, data: _Data = None, json: _Json = False) -> None:
    """Take one away, by its id or title."""
    show(work.remove_filter(load_settings({"data": data}), destination, filter_id), as_json=json)


@filters.command(name="preview")
def filter_preview(
    event: Path,
    /,
    *,
    if_: Annotated[str, Parameter(name="--if", help="FQL, such as type = 'identify'.")],
    actions: _Actions | None = None,
    json: _Json = False,
) -> None:
    """What a filter would leave of the message in a file; nothing is kept."""
    asked = work.actions_asked(**vars(actions or _Actions()))
    show(work.preview_filter(if_, asked, _message(event)), as_json=json)


def _message(file: Path) -> dict[str, Any]:
    try:
        return msgspec.json.decode(file.read_bytes(), type=dict[str, Any])
    except OSError as error:
        raise Rejected(f"{file} cannot be read: {error}", field="event") from error
    except msgspec.DecodeError as error:
        raise Rejected(f"{file} is no JSON object: {error}", field="event") from error
