"""The commands of `tifo source`."""

import sys
from collections.abc import Mapping, Sequence
from typing import Annotated, Literal

from cyclopts import App, Parameter

from tifo.app.cli.output import show, talk
from tifo.app.cli.parameters import Data, Json, WarehouseName, backend
from tifo.kernel.clock import to_iso
from tifo.operations import selective_sync
from tifo.operations import sources as operations
from tifo.operations.selective_sync import SyncedTable
from tifo.workspace.kinds import KINDS
from tifo.workspace.model import Source, SourceChange

_Kind = Literal["livelike", "http", "javascript", "node", "python", "rudder-node", "rudder-python"]

sources = App(name="source", help="Sources of the pipeline. SOURCE is a slug or an id.")
source_keys = App(name="key", help="Write keys of a source. To rotate: create one, use it everywhere, remove the old.")
sources.command(source_keys)


@sources.command(name="kinds")
def source_kinds(*, json: Json = False) -> None:
    """List the kinds of sources."""
    show([{"type": kind.id, "name": kind.name, "description": kind.description} for kind in KINDS], as_json=json)


@sources.command(name="create")
def source_create(
    name: str,
    /,
    *,
    source_type: Annotated[_Kind, Parameter(name="--type", help="See tifo source kinds.")],
    data: Data = None,
    json: Json = False,
) -> None:
    """Make a source, with its write key and its warehouse schema."""
    with backend(data, make=True) as opened:
        made = operations.create(opened, name, source_type)
    shown = {"id": made.id, "slug": made.slug, "schema": made.schema, "write_key": made.write_key}
    show(shown, as_json=json)


@sources.command(name="list")
def source_list(*, data: Data = None, json: Json = False) -> None:
    """List the sources, each with the oldest of its write keys and how many it has."""
    with backend(data) as opened:
        show([_shown(source) for source in operations.listed(opened)], as_json=json)


@sources.command(name="setup")
def source_setup(source: str, /, *, data: Data = None, json: Json = False) -> None:
    """Print how to send events to the source, with its write key and this Tifo's address."""
    with backend(data) as opened:
        setup = operations.setup(opened, source)
    if json:
        show({"source": setup.source.slug, "setup": setup.instructions}, as_json=True)
    else:
        sys.stdout.write(setup.instructions)


@sources.command(name="rename")
def source_rename(
    source: str,
    name: str | None = None,
    /,
    *,
    slug: Annotated[str | None, Parameter(help="A new slug too; it stays as it is otherwise.")] = None,
    schema: Annotated[str | None, Parameter(help="A new schema too. Rows loaded before stay in the old one.")] = None,
    data: Data = None,
    json: Json = False,
) -> None:
    """Rename the source. Slug and schema stay, unless they are given."""
    with backend(data) as opened:
        changed = operations.change(opened, source, SourceChange(name=name, slug=slug, schema=schema))
    show(_shown(changed), as_json=json)


@sources.command(name="disable")
def source_disable(source: str, /, *, data: Data = None, json: Json = False) -> None:
    """Refuse the source's events from now on, and count each refusal. Enabling it makes its write keys work again."""
    with backend(data) as opened:
        show(_shown(operations.change(opened, source, SourceChange(enabled=False))), as_json=json)


@sources.command(name="enable")
def source_enable(source: str, /, *, data: Data = None, json: Json = False) -> None:
    """Accept the source's events."""
    with backend(data) as opened:
        show(_shown(operations.change(opened, source, SourceChange(enabled=True))), as_json=json)


@sources.command(name="delete")
def source_delete(
    source: str,
    /,
    *,
    force: Annotated[bool, Parameter(negative="", help="Also while applications send to it.")] = False,
    data: Data = None,
    json: Json = False,
) -> None:
    """Stop the source's write keys for good. Its events stay in the log and in the warehouses."""
    with backend(data) as opened:
        deleted = operations.delete(opened, source, force=force)
    talk.print(
        f"Its write keys stop within a second. Its events stay in the event log and in the schema"
        f" {deleted.source.schema} of each warehouse; no other source ever gets that schema."
    )
    shown = {
        "deleted": deleted.source.slug,
        "write_keys_stopped": len(deleted.source.keys),
        "applications_disconnected": [each.client_id for each in deleted.disconnected],
        "schema_kept": deleted.source.schema,
    }
    show(shown, as_json=json)


@sources.command(name="sync")
def source_sync(
    source: str,
    /,
    *,
    warehouse: WarehouseName = "duckdb",
    off: Annotated[tuple[str, ...], Parameter(negative="", help="Table, or table.column, to load no more.")] = (),
    on: Annotated[tuple[str, ...], Parameter(negative="", help="Table, or table.column, to load again.")] = (),
    data: Data = None,
    json: Json = False,
) -> None:
    """List the tables and columns of the source that a warehouse does not load; --off and --on change that."""
    with backend(data) as opened:
        if off or on:
            overrides = selective_sync.overrides_of(off=off, on=on)
            selective_sync.select(opened, warehouse, {source: overrides})
        tables = selective_sync.tables(opened, source, warehouse)
    show(_turned_off(tables), as_json=json)


@source_keys.command(name="list")
def source_key_list(source: str, /, *, data: Data = None, json: Json = False) -> None:
    """List the source's write keys, the oldest first. All of them are valid."""
    with backend(data) as opened:
        keys = operations.find(opened, source).keys
    show([{"write_key": each.key, "created_at": to_iso(each.created_at)} for each in keys], as_json=json)


@source_keys.command(name="create")
def source_key_create(source: str, /, *, data: Data = None, json: Json = False) -> None:
    """Make another write key. The others stay valid."""
    with backend(data) as opened:
        made = operations.create_write_key(opened, source)
    shown = {"source": made.slug, "write_key": made.write_keys[-1], "write_keys": len(made.keys)}
    show(shown, as_json=json)


@source_keys.command(name="remove")
def source_key_remove(source: str, write_key: str, /, *, data: Data = None, json: Json = False) -> None:
    """Remove a write key: it stops within a second. The last one of an enabled source stays."""
    with backend(data) as opened:
        left = operations.remove_write_key(opened, source, write_key)
    show({"source": left.slug, "write_keys": len(left.keys)}, as_json=json)


def _turned_off(tables: Sequence[SyncedTable]) -> Sequence[Mapping[str, object]]:
    off = [(table.name, None) for table in tables if not table.is_loaded]
    columns_off = [(table.name, column) for table in tables for column in table.columns_off]
    return [{"table": table, "column": column, "loaded": False} for table, column in [*off, *columns_off]]


def _shown(source: Source) -> Mapping[str, object]:
    return {
        "id": source.id,
        "name": source.name,
        "slug": source.slug,
        "schema": source.schema,
        "type": source.type.value,
        "enabled": source.enabled,
        "write_key": source.write_key,
        "write_keys": len(source.keys),
    }
