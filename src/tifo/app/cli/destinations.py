"""The commands of `tifo destination`."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn

from tifo.app.cli.destination_filters import filters
from tifo.app.cli.destination_mappings import mappings
from tifo.app.cli.output import show, talk
from tifo.app.cli.parameters import Data, Json, backend, read_object
from tifo.destinations.actions import installing
from tifo.destinations.catalog import is_own, kinds
from tifo.destinations.ports import Kind
from tifo.kernel.errors import Rejected
from tifo.kernel.ids import SourceId
from tifo.operations import destinations as operations
from tifo.operations import sources
from tifo.operations.destinations import DestinationEdit
from tifo.tracking.filters import EventChoice
from tifo.workspace.destinations import ConnectedDestination

_Set = Annotated[list[str] | None, Parameter(negative="", help="A setting of the kind, such as url=https://….")]
_Event = Annotated[Path | None, Parameter(help="A file with one message, as the log holds it.")]

destinations = App(name="destination", help="Destinations of a source's events beside the warehouses.")
destinations.command(filters)
destinations.command(mappings)


@destinations.command(name="kinds")
def destination_kinds(*, json: Json = False) -> None:
    """List the kinds of destinations, and their settings."""
    show([_kind_shown(kind) for kind in kinds()], as_json=json)


@destinations.command(name="add")
def destination_add(
    kind: str,
    /,
    *,
    source: str,
    name: str,
    set: _Set = None,  # noqa: A002 (the flag's name)
    data: Data = None,
    json: Json = False,
) -> None:
    """Deliver what the source receives from now on. The first vendor's kind installs their library."""
    if not is_own(kind) and not installing.is_installed():
        _installed()
    with backend(data) as opened:
        made = operations.add(opened, kind, source, _pairs(set or []), name=name)
    show({"id": made.id, "name": made.name, "kind": made.kind}, as_json=json)


@destinations.command(name="list")
def destination_list(*, data: Data = None, json: Json = False) -> None:
    """List the destinations. Secrets are masked."""
    with backend(data) as opened:
        slugs = sources.slugs(opened)
        show([_shown(each, slugs) for each in operations.listed(opened)], as_json=json)


@destinations.command(name="set")
def destination_set(
    name: str,
    /,
    *,
    set: _Set = None,  # noqa: A002 (the flag's name)
    new_name: str | None = None,
    data: Data = None,
    json: Json = False,
) -> None:
    """Change settings; the others stay. A secret given as its mask stays too."""
    _change(data, name, DestinationEdit(name=new_name, settings=_pairs(set) if set else None), as_json=json)


@destinations.command(name="enable")
def destination_enable(name: str, /, *, data: Data = None, json: Json = False) -> None:
    """Deliver again, from where it was disabled."""
    _change(data, name, DestinationEdit(enabled=True), as_json=json)


@destinations.command(name="disable")
def destination_disable(name: str, /, *, data: Data = None, json: Json = False) -> None:
    """Deliver nothing; new events wait in the event log."""
    _change(data, name, DestinationEdit(enabled=False), as_json=json)


@destinations.command(name="remove")
def destination_remove(name: str, /, *, data: Data = None, json: Json = False) -> None:
    """Delete the destination with its waiting events, dead letters and numbers."""
    with backend(data) as opened:
        show({"removed": operations.remove(opened, name).name}, as_json=json)


@destinations.command(name="events")
def destination_events(
    name: str,
    /,
    *,
    type: Annotated[tuple[str, ...], Parameter(negative="", help="Only such calls: track, identify, …")] = (),  # noqa: A002 (as above)
    only: Annotated[tuple[str, ...], Parameter(negative="", help="Only events of this name.")] = (),
    without: Annotated[tuple[str, ...], Parameter(negative="", help="No events of this name.")] = (),
    data: Data = None,
    json: Json = False,
) -> None:
    """Choose which events it gets. Without any option it gets all."""
    choice = EventChoice(list(type), list(only), list(without))
    with backend(data) as opened:
        made = operations.choose_events(opened, name, choice)
    show({"name": made.name, "choice": made.choice}, as_json=json)


@destinations.command(name="test")
def destination_test(name: str, /, *, event: _Event = None, data: Data = None, json: Json = False) -> int:
    """Send one event now (the source's newest, or one from a file), and show request and answer."""
    message = None if event is None else read_object(event, "event")
    with backend(data) as opened:
        outcome = operations.try_out(opened, name, message)
    exchange = outcome.exchange
    shown = {
        "outcome": outcome.fate.value,
        "code": outcome.code,
        "detail": outcome.detail,
        "request": "" if exchange is None else exchange.request,
        "response": "" if exchange is None else exchange.response,
    }
    show(shown, as_json=json)
    return 0 if shown["outcome"] == "delivered" else 1


@destinations.command(name="install-actions")
def destination_install_actions(*, json: Json = False) -> None:
    """Install the library of vendors' kinds on this machine (102 MB in the user's cache). Needs Node.js and npm."""
    show(_installed(), as_json=json)


def _change(data: Path | None, name: str, edit: DestinationEdit, *, as_json: bool) -> None:
    with backend(data) as opened:
        made = operations.change(opened, name, edit)
    show({"id": made.id, "name": made.name, "kind": made.kind, "enabled": made.enabled}, as_json=as_json)


def _installed() -> Mapping[str, object]:
    with Progress(TextColumn("installing vendors' kinds"), BarColumn(), TaskProgressColumn(), console=talk) as progress:
        task = progress.add_task("install", total=installing.PACKAGES)
        place = installing.install(lambda: progress.advance(task))
        progress.update(task, completed=installing.PACKAGES)
    return {"folder": str(place), "kinds": len(kinds())}


def _pairs(given: Sequence[str]) -> Mapping[str, str]:
    """Reads `name=value` texts. Raises `Rejected` for one without a value."""
    parted = [each.partition("=") for each in given]
    for name, equals, _ in parted:
        if not equals:
            raise Rejected(f"--set {name!r:.80} has no value. Write name=value.", field="set")
    return {name: value for name, _, value in parted}


def _kind_shown(kind: Kind) -> Mapping[str, object]:
    settings = ", ".join(f"{each.name}{' (required)' if each.required else ''}" for each in kind.settings)
    return {"kind": kind.id, "name": kind.name, "description": kind.description, "settings": settings}


def _shown(destination: ConnectedDestination, slugs: Mapping[SourceId, str]) -> Mapping[str, object]:
    return {
        "id": destination.id,
        "name": destination.name,
        "kind": destination.kind,
        "source": slugs.get(destination.source_id, destination.source_id),
        "enabled": destination.enabled,
        "settings": operations.visible_settings(destination),
    }
