"""The commands of `tifo warehouse`."""

from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter

from tifo.app import warehouses as work
from tifo.app.cli.output import show, show_table
from tifo.app.settings import load_settings
from tifo.warehouses.catalog import connectable_kinds

_KINDS = f"One of: {', '.join(kind.id for kind in connectable_kinds())}."
_Data = Annotated[Path | None, Parameter(help="Folder that holds all state (default: tifo-data).")]
_Json = Annotated[bool, Parameter(name="--json", negative="", help="Print one JSON document.")]
_Wait = Annotated[bool, Parameter(negative="", help="Show the progress until it is loaded (`tifo up` must run).")]

warehouses = App(name="warehouse", help="Warehouses beside the built-in DuckDB file, and what was synced.")


@warehouses.command(name="add")
def warehouse_add(
    kind: Annotated[str, Parameter(help=_KINDS)],
    url: str,
    /,
    *,
    name: str | None = None,
    source: Annotated[list[str] | None, Parameter(negative="", help="Slug or id; all sources where absent.")] = None,
    wait: _Wait = False,
    data: _Data = None,
    json: _Json = False,
) -> None:
    """Connect a warehouse. It gets all that the event log holds, then what comes."""
    settings = load_settings({"data": data})
    made = work.add(settings, kind, url, name=name, sources=source or [])
    if wait:
        work.wait(settings, made["name"])
    show(made, as_json=json)


@warehouses.command(name="list")
def warehouse_list(*, data: _Data = None, json: _Json = False) -> None:
    """The warehouses, and how many events each has still to load."""
    _show(work.listed(load_settings({"data": data})), as_json=json)


@warehouses.command(name="remove")
def warehouse_remove(name: str, /, *, data: _Data = None, json: _Json = False) -> None:
    """Load no more into the warehouse. What is in it stays."""
    show(work.remove(load_settings({"data": data}), name), as_json=json)


@warehouses.command(name="syncs")
def warehouse_syncs(name: str | None = None, /, *, limit: int = 50, data: _Data = None, json: _Json = False) -> None:
    """What was loaded, the newest first: start, duration, rows by table, notices; and what failed, with the reason."""
    _show(work.syncs(load_settings({"data": data}), name, limit), as_json=json)


@warehouses.command(name="resync")
def warehouse_resync(
    name: str,
    /,
    *,
    source: Annotated[str | None, Parameter(help="Slug or id; every source where absent.")] = None,
    wait: _Wait = False,
    data: _Data = None,
    json: _Json = False,
) -> None:
    """Load anew what the event log holds. Older rows stay as they are."""
    settings = load_settings({"data": data})
    rewound = work.resync(settings, name, source)
    if wait:
        work.wait(settings, name)
    _show(rewound, as_json=json)


def _show(rows: list[dict[str, object]], *, as_json: bool) -> None:
    if as_json:
        show(rows, as_json=True)
    else:
        show_table(rows)
