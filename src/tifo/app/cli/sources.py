"""The commands of `tifo source`, webhooks aside."""

import sys
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import App, Parameter

from tifo.app import sources as work
from tifo.app.cli.output import show, talk
from tifo.app.settings import Settings, load_settings
from tifo.workspace.model import SourceChange

_Data = Annotated[Path | None, Parameter(help="Folder that holds all state (default: tifo-data).")]
_Json = Annotated[bool, Parameter(name="--json", negative="", help="Print one JSON document.")]
_Type = Literal["livelike", "http", "javascript", "node", "python", "rudder-node", "rudder-python"]
_Warehouse = Annotated[str, Parameter(help="Its name; duckdb is the built-in one.")]

sources = App(name="source", help="Sources of the pipeline. SOURCE is a slug or an id.")
source_keys = App(name="key", help="Write keys of a source. To rotate: create one, use it everywhere, remove the old.")
sources.command(source_keys)


@sources.command(name="kinds")
def source_kinds(*, json: _Json = False) -> None:
    """The kinds of sources that there are."""
    show(work.kinds(), as_json=json)


@sources.command(name="create")
def source_create(
    name: str,
    /,
    *,
    source_type: Annotated[_Type, Parameter(name="--type", help="See tifo source kinds.")],
    data: _Data = None,
    json: _Json = False,
) -> None:
    """Make a source, with its write key and its warehouse schema."""
    show(work.create(_settings(data), name, source_type), as_json=json)


@sources.command(name="list")
def source_list(*, data: _Data = None, json: _Json = False) -> None:
    """The sources, each with the oldest of its write keys and how many it has."""
    show(work.listed(_settings(data)), as_json=json)


@sources.command(name="setup")
def source_setup(source: str, /, *, data: _Data = None, json: _Json = False) -> None:
    """How to send events to the source, with its write key and this Tifo's address."""
    told = work.setup(_settings(data), source)
    if json:
        show(told, as_json=True)
    else:
        sys.stdout.write(told["setup"])


@sources.command(name="rename")
def source_rename(
    source: str,
    name: str | None = None,
    /,
    *,
    slug: Annotated[str | None, Parameter(help="A new slug too; it stays as it is otherwise.")] = None,
    schema: Annotated[str | None, Parameter(help="A new schema too. What is loaded already stays in the old.")] = None,
    data: _Data = None,
    json: _Json = False,
) -> None:
    """Give the source another name. Slug and schema stay, unless they are given."""
    show(
        work.change(_settings(data), source, SourceChange(name=name, slug=slug, schema=schema)),
        as_json=json,
    )


@sources.command(name="disable")
def source_disable(source: str, /, *, data: _Data = None, json: _Json = False) -> None:
    """Refuse what the source sends from now on; each refusal is counted. Its write keys work again when enabled."""
    show(work.change(_settings(data), source, SourceChange(enabled=False)), as_json=json)


@sources.command(name="enable")
def source_enable(source: str, /, *, data: _Data = None, json: _Json = False) -> None:
    """Take what the source sends."""
    show(work.change(_settings(data), source, SourceChange(enabled=True)), as_json=json)


@sources.command(name="delete")
def source_delete(
    source: str,
    /,
    *,
    force: Annotated[bool, Parameter(negative="", help="Also while applications send to it.")] = False,
    data: _Data = None,
    json: _Json = False,
) -> None:
    """Stop the source's write keys, for good. Its events stay in the log and in the warehouses."""
    deleted = work.delete(_settings(data), source, force=force)
    talk.print(
        f"Its write keys stop within a second. What it sent stays in the event log and in the schema"
        f" {deleted['schema_kept']} of each warehouse; no other source ever gets that schema."
    )
    show(deleted, as_json=json)


@sources.command(name="sync")
def source_sync(
    source: str,
    /,
    *,
    warehouse: _Warehouse = "duckdb",
    off: Annotated[tuple[str, ...], Parameter(negative="", help="Table, or table.column, to load no more.")] = (),
    on: Annotated[tuple[str, ...], Parameter(negative="", help="Table, or table.column, to load again.")] = (),
    data: _Data = None,
    json: _Json = False,
) -> None:
    """Which tables and columns of the source are not loaded into a warehouse; with --off and --on, change that."""
    settings = _settings(data)
    if off or on:
        rows = work.select(settings, source, warehouse, off=off, on=on)
    else:
        rows = work.selection(settings, source, warehouse)
    show(rows, as_json=json)


@source_keys.command(name="list")
def source_key_list(source: str, /, *, data: _Data = None, json: _Json = False) -> None:
    """The source's write keys, the oldest first. All of them are valid."""
    show(work.keys(_settings(data), source), as_json=json)


@source_keys.command(name="create")
def source_key_create(source: str, /, *, data: _Data = None, json: _Json = False) -> None:
    """Make another write key. The others stay valid."""
    show(work.create_key(_settings(data), source), as_json=json)


@source_keys.command(name="remove")
def source_key_remove(source: str, write_key: str, /, *, data: _Data = None, json: _Json = False) -> None:
    """Take the write key back: it stops within a second. The last one of an enabled source stays."""
    show(work.remove_key(_settings(data), source, write_key), as_json=json)


def _settings(data: Path | None) -> Settings:
    return load_settings({"data": data})
