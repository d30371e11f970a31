"""The commands of `tifo destination`."""

from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter

from tifo.app import destinations as work
from tifo.app.output import show
from tifo.app.settings import load_settings

_Data = Annotated[Path | None, Parameter(help="Folder that holds all state (default: tifo-data).")]
_Json = Annotated[bool, Parameter(name="--json", negative="", help="Print one JSON document.")]
_Set = Annotated[list[str] | None, Parameter(negative="", help="A setting of the kind, such as url=https://….")]

destinations = App(name="destination", help="Where a source's events go beside the warehouses.")


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
    """Deliver what the source receives from now on."""
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
