"""Selects what a warehouse loads of a source: messages by their `integrations`, tables and columns by selective sync.

Everything that is left out is counted under its reason.
"""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple, Protocol

import msgspec

from tifo.warehouses.messages import Converted
from tifo.warehouses.ports import Latest, Table

WITHHELD = "withheld by the message's integrations"
_MARK = b'"Warehouses"'


class SyncSelection(Protocol):
    """Says which tables and columns are loaded, by the warehouse's names."""

    def takes_table(self, table: str) -> bool: ...
    def takes_column(self, table: str, column: str) -> bool: ...


class Selected(NamedTuple):
    converted: Converted
    left_out: Mapping[str, int]
    """Counts messages, rows and values by the reason that they are left out for."""


class _Integrations(msgspec.Struct):
    integrations: Any = None


_decode = msgspec.json.Decoder(_Integrations).decode


def admitted(bodies: bytes, names: Collection[str]) -> tuple[bytes, int]:
    """Returns the canonical messages that may be loaded into the warehouse with these names, and counts the others."""
    # A search of bytes: few sources send such integrations, and no message is decoded for them.
    if _MARK not in bodies:
        return bodies, 0
    lines = bodies.splitlines(keepends=True)
    admissible = [line for line in lines if _MARK not in line or _admits(line, names)]
    return b"".join(admissible), len(lines) - len(admissible)


def _admits(line: bytes, names: Collection[str]) -> bool:
    try:
        integrations = _decode(line).integrations
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        return True  # the conversion discards it, with the reason
    # Segment: `{"Warehouses": {"all": false}}` keeps a message out of every warehouse, `{"Warehouses": {"warehouseIds":
    # […]}}` out of all but those. `{"All": false}` is for destinations alone. Ours: `{"Warehouses": false}` works too.
    asked = integrations.get("Warehouses") if isinstance(integrations, dict) else None
    if not isinstance(asked, dict):
        return asked is not False
    ids = asked.get("warehouseIds")
    if isinstance(ids, list):
        return any(each in names for each in ids)
    return asked.get("all") is not False


def selected(converted: Converted, selection: SyncSelection) -> Selected:
    left_out: Counter[str] = Counter()
    tables: dict[str, Table] = {}
    for name, table in converted.tables.items():
        # `users` and `accounts` are made from `identifies` and `groups`: what is turned off there stays out of them
        # too.
        sources = [name] if table.latest is None else [name, table.latest.history]
        if not all(map(selection.takes_table, sources)):
            left_out[f"table {name} is turned off"] += len(table.rows)
            continue
        off = [
            column for column in table.types if not all(selection.takes_column(source, column) for source in sources)
        ]
        for column in off:
            left_out[f"column {name}.{column} is turned off"] += len(table.rows) - table.rows[column].null_count
        types = {column: kind for column, kind in table.types.items() if column not in off}
        latest = _selected_nulls(table.latest, selection, sources)
        tables[name] = Table(types, table.rows.drop_columns(off), latest) if off else replace(table, latest=latest)
    discards = [
        each
        for each in converted.discards
        if each.table is None
        or (selection.takes_column(each.table, each.column or "") and selection.takes_table(each.table))
    ]
    return Selected(Converted(tables, discards), left_out)


def _selected_nulls(latest: Latest | None, selection: SyncSelection, sources: Sequence[str]) -> Latest | None:
    """Leaves out the nulls of columns that are turned off: such a column stays as it is."""
    if latest is None or latest.nulls is None:
        return latest

    def takes(column: str) -> bool:
        return all(selection.takes_column(source, column) for source in sources)

    cleared = {column: rows for column, rows in latest.nulls.cleared.items() if takes(column)}
    by_message = {each: list(filter(takes, columns)) for each, columns in latest.nulls.by_message.items()}
    return replace(latest, nulls=latest.nulls._replace(cleared=cleared, by_message=by_message))
