"""The commands of `tifo warehouse`, and `tifo sql`."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

from cyclopts import App, Parameter
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from tifo.app.cli.output import show, show_table, talk
from tifo.app.cli.parameters import Data, Json, backend
from tifo.app.compose import OpenedBackend
from tifo.kernel.clock import to_iso
from tifo.kernel.ids import SourceId
from tifo.operations import sources, warehouse_names
from tifo.operations import warehouses as operations
from tifo.operations.warehouse_names import WarehouseColumn
from tifo.warehouses.catalog import connectable_kinds, kind_of
from tifo.workspace.warehouses import BUILT_IN, ConnectedWarehouse, Sync

_Wait = Annotated[bool, Parameter(negative="", help="Show the progress until it is loaded (`tifo up` must run).")]

warehouses = App(name="warehouse", help="Warehouses beside the built-in DuckDB file, and the history of loads.")


@warehouses.command(name="add")
def warehouse_add(
    kind: Annotated[str, Parameter(help=f"One of {', '.join(each.id for each in connectable_kinds())}.")],
    url: str,
    /,
    *,
    name: str | None = None,
    source: Annotated[list[str] | None, Parameter(negative="", help="Slug or id; all sources where absent.")] = None,
    wait: _Wait = False,
    data: Data = None,
    json: Json = False,
) -> None:
    """Connect a warehouse. It loads all that the event log holds, then what comes."""
    with backend(data, make=True) as opened:
        made = operations.add(opened, kind, url, name=name, sources_to_load=source or None)
        if wait:
            _wait(opened, made.name)
        show(_shown(opened, made), as_json=json)


@warehouses.command(name="list")
def warehouse_list(*, data: Data = None, json: Json = False) -> None:
    """List the warehouses, each with the number of events that it has still to load."""
    with backend(data) as opened:
        rows = [
            {**_shown(opened, each), **operations.backlog(opened, each.name)._asdict()}
            for each in operations.listed(opened)
        ]
    _show(rows, as_json=json)


@warehouses.command(name="remove")
def warehouse_remove(name: str, /, *, data: Data = None, json: Json = False) -> None:
    """Stop loading into the warehouse. Its rows stay."""
    with backend(data) as opened:
        removed = operations.remove(opened, name)
    show({"removed": removed.name}, as_json=json)


@warehouses.command(name="syncs")
def warehouse_syncs(name: str | None = None, /, *, limit: int = 50, data: Data = None, json: Json = False) -> None:
    """List the loads, the newest first: start, duration, rows by table and notices; of a failure the reason."""
    with backend(data) as opened:
        slugs = sources.slugs(opened)
        rows = [_sync_shown(sync, slugs) for sync in operations.syncs(opened, name, limit=limit)]
    _show(rows, as_json=json)


@warehouses.command(name="columns")
def warehouse_columns(
    name: str = BUILT_IN,
    /,
    *,
    source: Annotated[str | None, Parameter(help="Slug or id; every source where absent.")] = None,
    table: str | None = None,
    data: Data = None,
    json: Json = False,
) -> None:
    """List which table each event has, and which column each key. Table `*` has the columns of `context`."""
    with backend(data) as opened:
        rows = [_column_shown(each) for each in warehouse_names.columns(opened, name, source=source, table=table)]
    if not json:
        rows = [{**row, "events": ", ".join(row["events"])} for row in rows]
    _show(rows, as_json=json)


@warehouses.command(name="resync")
def warehouse_resync(
    name: str,
    /,
    *,
    source: Annotated[str | None, Parameter(help="Slug or id; every source where absent.")] = None,
    wait: _Wait = False,
    data: Data = None,
    json: Json = False,
) -> None:
    """Load anew what the event log holds. Older rows stay as they are."""
    with backend(data) as opened:
        rewound = operations.resync(opened, name, source)
        if wait:
            _wait(opened, name)
    rows = [
        {"source": each.source.slug, "since": "the beginning" if each.since is None else to_iso(each.since)}
        for each in rewound
    ]
    _show(rows, as_json=json)


def sql(query: str, /, *, data: Data = None, json: Json = False) -> None:
    """Ask the warehouse (DuckDB's SQL, read-only)."""
    with backend(data) as opened:
        rows = operations.query(opened, query)
    _show(rows, as_json=json)


def _wait(opened: OpenedBackend, name: str) -> None:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=talk) as shown:
        bar = shown.add_task(f"loading {name}", total=None)
        for at in operations.progress(opened, name):
            shown.update(bar, completed=at.loaded, total=at.total)


def _shown(opened: OpenedBackend, warehouse: ConnectedWarehouse) -> Mapping[str, object]:
    slugs, ids = sources.slugs(opened), warehouse.source_ids
    return {
        "name": warehouse.name,
        "kind": warehouse.kind,
        "url": str(opened.settings.warehouse)
        if warehouse.is_built_in
        else kind_of(warehouse.kind).without_password(warehouse.url),
        "sources": "all" if ids is None else ", ".join(sorted(slugs.get(each, each) for each in ids)),
    }


def _column_shown(column: WarehouseColumn) -> dict[str, Any]:
    return {
        "source": column.source.slug,
        "table": column.table,
        "column": column.column,
        "field": column.field,
        "key": column.key,
        "events": list(column.events),
        "waits": column.waits,
    }


def _sync_shown(sync: Sync, slugs: Mapping[SourceId, str]) -> Mapping[str, object]:
    return {
        "warehouse": sync.warehouse,
        "source": None if sync.source_id is None else slugs.get(sync.source_id, sync.source_id),
        "status": sync.status.value,
        "start": to_iso(sync.started_at),
        "duration_s": round((sync.finished_at - sync.started_at).total_seconds(), 3),
        "events": sync.events,
        "rows": dict(sync.rows),
        "duplicates": sync.duplicates,
        "discarded": sync.discarded,
        "left_out": dict(sync.left_out),
        "notices": list(sync.notices),
        "error": sync.error,
    }


def _show(rows: Sequence[Mapping[str, object]], *, as_json: bool) -> None:
    if as_json:
        show(rows, as_json=True)
    else:
        show_table(rows)
