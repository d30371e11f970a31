"""What `tifo warehouse …` does. Works whether or not `tifo up` runs; its loader sees a change within a second."""

import contextlib
import time
from collections.abc import Iterator, Sequence
from datetime import timedelta
from typing import Any, NamedTuple

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from tifo.app import compose
from tifo.app.cli.output import talk
from tifo.app.settings import Settings
from tifo.eventlog.ports import EventLog
from tifo.kernel.clock import system_clock, to_iso
from tifo.kernel.errors import NotFound, Transient
from tifo.kernel.ids import Position, SourceId
from tifo.store.sql.database import Database
from tifo.warehouses.drivers.postgres import checked_url, without_password
from tifo.warehouses.ports import Cursor, Warehouse
from tifo.workspace.model import Source
from tifo.workspace.warehouses import BUILT_IN, ConnectedWarehouse, Sync, WarehouseKind

_BOUNDARY = timedelta(seconds=60)
"""Rows that were received so shortly after the log's oldest event stay, and are not loaded again: their neighbours may
be gone from the log."""
_POLL_S = 0.5


def add(settings: Settings, kind: str, url: str, *, name: str | None, sources: Sequence[str]) -> dict[str, Any]:
    """Raises `Transient` where the warehouse cannot be reached: nothing is connected then."""
    state = compose.open_state(settings)
    source_ids = [_source(state, slug).id for slug in sources] or None
    made = ConnectedWarehouse(
        name="", kind=WarehouseKind(kind), url=checked_url(url), source_ids=None, created_at=system_clock()
    )
    compose.open_connected(made).positions()
    return _shown(compose.warehouses_of(state).add(made.kind, url, name, source_ids), state)


def listed(settings: Settings) -> list[dict[str, Any]]:
    """Each warehouse, with how many events of the log it still has to load; or why that is not known."""
    state = compose.open_state(settings)
    built_in = {"name": BUILT_IN, "kind": BUILT_IN, "url": str(settings.warehouse), "sources": "all"}
    rows = [built_in] + [_shown(connected, state) for connected in compose.warehouses_of(state).connected()]
    return [{**row, **_behind(settings, state, row["name"])} for row in rows]


def remove(settings: Settings, name: str) -> dict[str, Any]:
    compose.warehouses_of(compose.open_state(settings)).remove(name)
    return {"removed": name}


def syncs(settings: Settings, name: str | None, limit: int) -> list[dict[str, Any]]:
    state = compose.open_state(settings)
    slugs = {source.id: source.slug for source in compose.catalog_of(state).sources()}
    return [_sync_shown(sync, slugs) for sync in compose.warehouses_of(state).syncs(name, limit=limit)]


def resync(settings: Settings, name: str, slug: str | None) -> list[dict[str, Any]]:
    """Each source whose rows are loaded anew from the log, with the moment since which they were deleted."""
    state = compose.open_state(settings)
    warehouse = _opened(settings, state, name)
    known = warehouse.positions()
    sources = compose.catalog_of(state).sources() if slug is None else [_source(state, slug)]
    rewound = []
    with contextlib.closing(compose.open_log_reader(settings)) as log:
        for source in sources:
            if slug is None and source.id not in known:
                continue
            since = _oldest(log, source.id)
            warehouse.rewind(source.id, since)
            compose.warehouses_of(state).begin_anew(name, source.id)
            rewound.append({"source": source.slug, "since": "the beginning" if since is None else to_iso(since)})
    return rewound


def wait(settings: Settings, name: str) -> None:
    """Until the warehouse has what the log holds now, with a bar. `tifo up` must run."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    state = compose.open_state(settings)
    with Progress(*columns, console=talk) as progress:
        bar = progress.add_task(f"loading {name}", total=None)
        for loaded, total in _progress(settings, state, name):
            progress.update(bar, completed=loaded, total=total)


class _Loaded(NamedTuple):
    loaded: int
    total: int


def _progress(settings: Settings, state: Database, name: str) -> Iterator[_Loaded]:
    with contextlib.closing(compose.open_log_reader(settings)) as log:
        start, end = log.start(), log.end()
        while True:
            with contextlib.suppress(Transient):  # it is being loaded, or away for a moment
                through = _through(log, _opened(settings, state, name).positions(), _taken(state, name), end)
                yield _Loaded(max(0, through - start), end - start)
                if through >= end:
                    return
            time.sleep(_POLL_S)


def _behind(settings: Settings, state: Database, name: str) -> dict[str, Any]:
    with contextlib.closing(compose.open_log_reader(settings)) as log:
        end = log.end()
        try:
            positions = _opened(settings, state, name).positions()
        except Transient as error:
            return {"waiting": None, "error": error.message}
        through = _through(log, positions, _taken(state, name), end)
        return {"waiting": end - max(through, log.start()), "error": None}


def _through(log: EventLog, positions: dict[str, Cursor], sources: Sequence[Source], end: Position) -> Position:
    """Up to where every source's events are loaded."""
    through = end
    for source in sources:
        held = positions[source.id].position if source.id in positions else Position(0)
        waiting = log.read(held, max_events=1, source_id=source.id) if held < through else []
        if waiting:
            through = min(through, Position(waiting[0].first - 1))
    return through


def _taken(state: Database, name: str) -> list[Source]:
    sources = compose.catalog_of(state).sources()
    return sources if name == BUILT_IN else [s for s in sources if _connected(state, name).takes(s.id)]


def _oldest(log: EventLog, source_id: SourceId) -> Any:
    """The moment after which all that was received is still in the log; None where the log holds everything."""
    if log.start() == 0:
        return None
    blocks = log.read(log.start(), max_events=1, source_id=source_id)
    return (blocks[0].received_at if blocks else system_clock()) + _BOUNDARY


def _opened(settings: Settings, state: Database, name: str) -> Warehouse:
    return compose.open_warehouse(settings) if name == BUILT_IN else compose.open_connected(_connected(state, name))


def _connected(state: Database, name: str) -> ConnectedWarehouse:
    for connected in compose.warehouses_of(state).connected():
        if connected.name == name:
            return connected
    raise NotFound(f"There is no warehouse {name!r}. See `tifo warehouse list`.", field="name")


def _source(state: Database, slug: str) -> Source:
    for source in compose.catalog_of(state).sources():
        if slug in (source.slug, source.id):
            return source
    raise NotFound(f"There is no source {slug!r}. See `tifo source list`.", field="source")


def _shown(connected: ConnectedWarehouse, state: Database) -> dict[str, Any]:
    slugs = {source.id: source.slug for source in compose.catalog_of(state).sources()}
    ids = connected.source_ids
    return {
        "name": connected.name,
        "kind": connected.kind.value,
        "url": without_password(connected.url),
        "sources": "all" if ids is None else ", ".join(sorted(slugs.get(each, each) for each in ids)),
    }


def _sync_shown(sync: Sync, slugs: dict[SourceId, str]) -> dict[str, Any]:
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
