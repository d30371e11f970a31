"""Builds SQL that every SQL warehouse understands alike."""

from collections.abc import Callable, Collection, Sequence
from datetime import datetime

from tifo.kernel.errors import NotFound
from tifo.warehouses.ports import LOADED_AT

SINCE = "_since"
"""The batch's column that holds `Latest.since`; no stored table has it."""

# Their rows are of ids, not of messages: neither counted as messages nor deleted by time.
LATEST_TABLES = frozenset(("users", "accounts"))

Value = Callable[[str], str]
"""Builds the expression that reads a column of the batch, `b`."""


def quoted(*names: str) -> str:
    return ".".join('"' + name.replace('"', '""') + '"' for name in names)


def literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def stale_ids(batch: str, stored: str) -> str:
    """Selects ids for which the batch has a message that is older than the stored row, or of unknown age."""
    # IS NOT TRUE: a comparison with an unknown time is null, and must count as older.
    return f"SELECT s.id FROM {stored} s JOIN {batch} b ON s.id = b.id WHERE (b.{SINCE} >= s.received_at) IS NOT TRUE"


def update_latest(batch: str, stored: str, columns: Sequence[str], value: Value) -> str:
    """Writes the batch's values over the stored ones, where they are not older."""
    # Segment: a trait that a later call does not send stays.
    sets = ", ".join(f"{quoted(name)} = COALESCE({value(name)}, s.{quoted(name)})" for name in columns if name != "id")
    return f"UPDATE {stored} s SET {sets} FROM {batch} b WHERE s.id = b.id AND b.{SINCE} >= s.received_at"


def insert_latest(batch: str, stored: str, columns: Sequence[str], value: Value) -> str:
    names, values = ", ".join(map(quoted, columns)), ", ".join(map(value, columns))
    is_new = f"NOT EXISTS (SELECT 1 FROM {stored} s WHERE s.id = b.id)"
    return f"INSERT INTO {stored} ({names}) SELECT {values} FROM {batch} b WHERE {is_new}"


def rework_latest(
    stale: str, stored: str, history: str, key: str, columns: Sequence[str], *, as_text: Collection[str] = ()
) -> str:
    """Writes the latest value of every column, from the id's whole history, for each id in `stale`.

    Columns in `as_text` become text, because the history's type and the table's differ.
    """

    def newest_value(name: str) -> str:
        text = "::text" if name in as_text else ""
        return f"(array_agg({quoted(name)} {newest}) FILTER (WHERE {quoted(name)} IS NOT NULL))[1]{text}"

    k = quoted(key)
    # The last two only decide between messages of the same moment: every load must come to the same row.
    newest = f"ORDER BY received_at DESC, {quoted(LOADED_AT)} DESC, id DESC"
    values = ", ".join(f"{newest_value(name)} AS {quoted(name)}" for name in columns)
    sets = ", ".join(f"{quoted(name)} = COALESCE(h.{quoted(name)}, s.{quoted(name)})" for name in columns)
    of_stale = f"SELECT {k} AS _key, {values} FROM {history} WHERE {k} IN (SELECT id FROM {stale}) GROUP BY {k}"
    return f"UPDATE {stored} s SET {sets} FROM ({of_stale}) h WHERE s.id = h._key"


def deletions(schema: str, tables: Collection[str], received_after: datetime | None) -> list[str]:
    """Builds the statements that delete the rows of every message; the tables must have `received_at`."""
    since = "" if received_after is None else f" WHERE received_at > '{received_after.isoformat()}'"
    return [f"DELETE FROM {quoted(schema, name)}{since}" for name in sorted(tables) if name not in LATEST_TABLES]


def never_loaded(connection: str) -> NotFound:
    return NotFound(f"Nothing of {connection!r} was loaded into this warehouse yet.", field="source")
