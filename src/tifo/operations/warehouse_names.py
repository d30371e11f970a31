"""Lists which table an event has and which column a key, and says which names a source's tracking plan has."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

import msgspec

from tifo.kernel.ids import SourceId
from tifo.operations import sources, tracking_plans, warehouses
from tifo.operations.backend import Backend
from tifo.operations.landed_events import expected
from tifo.tracking.plans.model import RuleType, TrackingPlan
from tifo.warehouses.calls import place_of
from tifo.warehouses.catalog import kind_of
from tifo.warehouses.names import CONTEXT, UNPLANNED, NamedTable, Planned, Settled
from tifo.warehouses.naming import Path
from tifo.workspace.model import Source
from tifo.workspace.warehouses import BUILT_IN

_TRAITS = frozenset(("identifies", "groups"))


@dataclass(frozen=True, kw_only=True)
class WarehouseColumn:
    """A column with the key that owns it; or, without both, an event's table."""

    source: Source
    table: str
    """`*` for columns of `context`, which every table has."""
    column: str | None
    field: str | None
    """The part of the message that holds the key: `properties`, `traits` or `context`."""
    key: str | None
    """The key, and those inside it behind dots. A key that holds a dot itself stands in quotes."""
    events: Sequence[str] = ()
    """Names of the events in the table, as they were sent."""
    waits: bool = False
    """The table is not made: its name has not proved itself yet."""
    first_at: datetime | None = None
    """When the table's first event was received."""


def columns(
    backend: Backend, warehouse: str = BUILT_IN, *, source: str | None = None, table: str | None = None
) -> Sequence[WarehouseColumn]:
    """Lists tables and columns of one source (slug or id), or of all that the warehouse loads.

    Names are settled once for a source, and are the same in each of its warehouses; one with a limit below 127
    characters cuts them, and they are listed so. Raises `NotFound`.
    """
    shown = kind_of(warehouses.find(backend, warehouse).kind).shown_name
    chosen = warehouses.loaded_sources(backend, warehouse) if source is None else [sources.find(backend, source)]
    return [
        row
        for each in chosen
        for row in _rows(each, backend.schema_names.read(each.id), shown)
        if table is None or row.table in {table, shown(table)}
    ]


def planned(backend: Backend, source_id: SourceId) -> Planned:
    """Returns the tables and keys that the source's tracking plan names."""
    for use in tracking_plans.uses(backend):
        if any(source.id == source_id for source in use.sources):
            return _planned_by(use.plan)
    return UNPLANNED


def _planned_by(plan: TrackingPlan) -> Planned:
    tables: set[str] = set()
    paths: dict[str, set[Path]] = {}
    for (rule_type, key), rule in plan.latest.items():
        if rule_type is RuleType.COMMON or (rule_type is RuleType.TRACK and not key):
            continue
        table, _ = place_of(rule_type.value.lower(), key or "")
        if rule_type is RuleType.TRACK:
            tables.add(table)
        paths.setdefault(table, set()).update(each.path for each in expected(rule))
    return Planned(frozenset(tables), paths)


def _rows(source: Source, settled: Settled, shown: Callable[[str], str]) -> Iterator[WarehouseColumn]:
    for table in settled.tables.values():
        yield _table_row(source, table, shown)
    for each in settled.columns:
        owner = settled.tables.get(each.table)
        field, path = _place(each.table, each.path)
        yield WarehouseColumn(
            source=source,
            table=shown(each.table),
            column=shown(each.name),
            field=field,
            key=".".join(map(_quoted, path)),
            events=owner.events if owner else (),
            first_at=owner.first_at if owner else None,
        )


def _table_row(source: Source, table: NamedTable, shown: Callable[[str], str]) -> WarehouseColumn:
    return WarehouseColumn(
        source=source,
        table=shown(table.name),
        column=None,
        field=None,
        key=None,
        events=table.events,
        waits=table.made_at is None,
        first_at=table.first_at,
    )


def _place(table: str, path: Path) -> tuple[str, Path]:
    if table == CONTEXT:
        return "context", path
    own, other = ("traits", "properties") if table in _TRAITS else ("properties", "traits")
    # The conversion puts the other payload of a call under its name with a blank before it.
    return (other, path[1:]) if path[0] == f" {other}" and len(path) > 1 else (own, path)


def _quoted(key: str) -> str:
    return msgspec.json.encode(key).decode() if "." in key or not key else key
