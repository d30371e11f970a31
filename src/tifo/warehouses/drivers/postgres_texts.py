"""Rewrites names and texts that PostgreSQL cannot store: long names, and the character U+0000."""

from dataclasses import replace

import msgspec
import pyarrow as pa
import pyarrow.compute as pc

from tifo.warehouses.naming import SHORTEST_LIMIT, short_name
from tifo.warehouses.ports import Discard, Latest, Load, Nulls, Table
from tifo.warehouses.schema import discards_of

_NUL, _FOR_NUL = "\0", "␀"
_NUL_REASON = f"PostgreSQL takes no U+0000: {_FOR_NUL} stands for it"


def with_short_names(load: Load) -> Load:
    """Cuts names of tables and columns to PostgreSQL's limit."""
    return replace(load, tables={short_name(name): _with_short_columns(table) for name, table in load.tables.items()})


def _with_short_columns(table: Table) -> Table:
    latest = table.latest
    if latest is not None and latest.nulls is not None:
        table = replace(table, latest=replace(latest, nulls=_with_short_traits(latest.nulls)))
    # A character has at most four bytes: this spares nearly every table the look at each name.
    if max(map(len, table.types)) * 4 <= SHORTEST_LIMIT or all(short_name(name) == name for name in table.types):
        return table
    types = {short_name(name): column_type for name, column_type in table.types.items()}
    return replace(table, types=types, rows=table.rows.rename_columns(list(map(short_name, table.rows.column_names))))


def _with_short_traits(nulls: Nulls) -> Nulls:
    return Nulls(
        {short_name(name): rows for name, rows in nulls.cleared.items()},
        {message_id: list(map(short_name, names)) for message_id, names in nulls.by_message.items()},
        {short_name(name): list(map(short_name, objects)) for name, objects in nulls.nested.items()},
    )


def without_nul(load: Load) -> Load:
    """Replaces U+0000 by `␀` in every text; a value that held one goes to the discards as it was sent."""
    discards = list(load.discards)
    tables = {name: _table_without_nul(name, table, discards) for name, table in load.tables.items()}
    return replace(load, tables=tables, discards=discards)


def _table_without_nul(name: str, table: Table, discards: list[Discard]) -> Table:
    rows = table.rows
    for index, column in enumerate(rows.column_names):
        if not pa.types.is_string(rows[column].type):
            continue
        holds_nul = pc.fill_null(pc.match_substring(rows[column], _NUL), False)
        if pc.any(holds_nul).as_py():
            changed = replace(table, rows=rows.filter(holds_nul))
            discards += discards_of(name, changed, column, _NUL_REASON)
            rows = rows.set_column(index, column, pc.replace_substring(rows[column], _NUL, _FOR_NUL))
    return replace(table, rows=rows, latest=None if table.latest is None else _latest_without_nul(table.latest))


def _latest_without_nul(latest: Latest) -> Latest:
    if latest.nulls is None:
        return latest
    by_message = {each.replace(_NUL, _FOR_NUL): names for each, names in latest.nulls.by_message.items()}
    return replace(latest, nulls=latest.nulls._replace(by_message=by_message))


def storable_discard(discard: Discard) -> Discard:
    """Writes a value that holds U+0000 as JSON, which escapes it: nothing of the value is lost."""
    value = discard.value
    if _NUL in value:
        value = msgspec.json.encode(value).decode()
        discard = discard._replace(value=value, reason=f"{discard.reason} (the value is written as JSON)")
    texts = {field: text.replace(_NUL, _FOR_NUL) for field, text in discard._asdict().items() if text is not None}
    return discard._replace(**texts)
