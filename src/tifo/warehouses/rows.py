"""Prepares rows for any warehouse: adds the time of loading, drops duplicates, makes discards rows."""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from tifo.warehouses.ports import LOADED_AT, ColumnType, Discard, Table


class Inserted(NamedTuple):
    rows: int
    duplicates: int


def stamped(table: Table, now: datetime) -> Table:
    """Adds the column that says when the rows were loaded."""
    stamps = pa.repeat(pa.scalar(now, pa.timestamp("us", "UTC")), len(table.rows))
    types = {LOADED_AT: ColumnType.TIMESTAMP, **table.types}  # first: there must always be room for it
    return Table(types, table.rows.append_column(LOADED_AT, stamps), table.latest)


def without(rows: pa.Table, known: frozenset[str]) -> pa.Table:
    """Returns the rows whose id is neither known nor that of an earlier row."""
    # The usual batch has no duplicate: counting in Arrow spares it the walk through its ids.
    if not known and pc.count_distinct(rows["id"]).as_py() == len(rows):
        return rows
    seen = set(known)
    is_new = [not (message_id in seen or seen.add(message_id)) for message_id in rows["id"].to_pylist()]  # type: ignore[func-returns-value] # (add returns None)
    return rows.filter(pa.array(is_new))


def as_rows(discards: Sequence[Discard]) -> pa.Table:
    columns = zip(*discards, strict=True)
    return pa.table({name: pa.array(v, pa.string()) for name, v in zip(Discard._fields, columns, strict=True)})
