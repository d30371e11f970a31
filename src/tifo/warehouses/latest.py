"""Makes the rows of `users` and `accounts`: each id's latest traits, from the rows of `identifies` and `groups`."""

from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from tifo.warehouses.nulls import covering
from tifo.warehouses.ports import ColumnType, Latest, Nulls, Table

_ROW = " row"
"""A column with each row's number; the space keeps it apart from the columns of traits."""


class SentTraits(NamedTuple):
    """Says what the rows of a table hold of traits that were sent as null or nested."""

    nulls: Mapping[str, Sequence[int]]
    """The numbers of the rows that clear a column, by column."""
    nested: Mapping[str, Sequence[str]]
    """The names of the objects from which a column was flattened."""


def latest_of(table: Table, history: str, key: str, shown: Collection[str], sent: SentTraits) -> Table:
    """Makes one row for each key, with the latest value of every column that is `shown`, and of `received_at`."""
    rows = table.rows.append_column(_ROW, pa.array(np.arange(len(table.rows)))) if sent.nulls else table.rows
    # Segment: a call without the key changes no user and no account.
    rows = rows.filter(pc.and_kleene(pc.is_valid(rows[key]), pc.not_equal(rows[key], "")))
    rows = rows.take(pc.sort_indices(rows["received_at"])) if not _is_sorted(rows["received_at"]) else rows
    columns = [name for name in table.types if name in shown or name == "received_at"]
    # Arrow refuses the aggregations `first` and `last` with threads: they depend on the order of the rows.
    last = rows.group_by(key, use_threads=False).aggregate(
        [(name, "last") for name in columns] + [("received_at", "first")]
    )
    values = {"id": last[key]} | {name: last[f"{name}_last"] for name in columns}
    types = {"id": ColumnType.VARCHAR} | {name: table.types[name] for name in columns}
    cleared = _cleared(rows, key, last[key], sent)
    for name in cleared.keys() & set(columns):
        values[name] = pc.if_else(cleared[name], pa.scalar(None, values[name].type), values[name])
    nulls = Nulls(cleared, _by_message(rows, sent), sent.nested) if cleared or sent.nested else None
    return Table(types, pa.table(values), Latest(history, key, last["received_at_first"].combine_chunks(), nulls))


def _is_sorted(times: pa.ChunkedArray) -> bool:
    return bool(pc.all(pc.less_equal(times[:-1], times[1:])).as_py() is not False)


def _cleared(rows: pa.Table, key: str, ids: pa.ChunkedArray, sent: SentTraits) -> dict[str, pa.Array]:
    """Says for each column, and each of the ids, whether the last that came was a null."""
    if not sent.nulls or not len(rows):
        return {}
    number_of_id = pc.index_in(rows[key], ids.combine_chunks()).to_numpy()
    place = np.full(int(pc.max(rows[_ROW]).as_py()) + 1, -1)
    place[rows[_ROW].to_numpy()] = np.arange(len(rows))

    def last_place(places: np.ndarray) -> np.ndarray:
        last = np.full(len(ids), -1)
        np.maximum.at(last, number_of_id[places], places)
        return last

    def last_null(names: Sequence[str]) -> np.ndarray:
        numbers = np.array([number for name in names for number in sent.nulls.get(name, ())], dtype=np.int64)
        places = place[numbers[numbers < len(place)]]
        return last_place(places[places >= 0])

    def last_value(column: str) -> np.ndarray:
        is_there = column in rows.column_names
        return last_place(np.flatnonzero(rows[column].is_valid().to_numpy() if is_there else []))

    # A column of which the batch has no value is cleared too, where the warehouse has it.
    concerned = {*sent.nulls, *(column for column in sent.nested if {*sent.nested[column]} & sent.nulls.keys())}
    every = {name: last_null(covering(name, sent.nested)) > last_value(name) for name in sorted(concerned)}
    return {name: pa.array(is_cleared) for name, is_cleared in every.items() if is_cleared.any()}


def _by_message(rows: pa.Table, sent: SentTraits) -> dict[str, list[str]]:
    names: dict[int, list[str]] = {}
    for column, numbers in sent.nulls.items():
        for number in numbers:
            names.setdefault(number, []).append(column)
    if not names:
        return {}
    ids = zip(rows[_ROW].to_pylist(), rows["id"].to_pylist(), strict=True)
    return {message_id: names[number] for number, message_id in ids if number in names}
