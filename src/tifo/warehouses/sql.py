"""SQL that DuckDB and PostgreSQL understand alike."""

from collections.abc import Callable, Collection, Sequence
from datetime import UTC, datetime

from tifo.kernel.errors import NotFound
from tifo.warehouses.ports import LOADED_AT, Warehouse

SINCE = "_since"
"""A column of the batch alone: `Latest.since`."""

LATEST_TABLES = frozenset(("users", "accounts"))

Value = Callable[[str], str]
"""The expression that reads a column of the batch, `b`."""


def quoted(*names: str) -> str:
    return ".".join('"' + name.replace('"', '""') + '"' for name in names)


def stale_ids(batch: str, stored: str) -> str:
    """Ids of which the batch brings something that is older than what is stored, or of unknown age."""
    return f"SELECT s.id FROM {stored} s JOIN {batch} b ON s.id = b.id WHERE (b.{SINCE} >= s.received_at) IS NOT TRUE"


def update_latest(batch: str, stored: str, columns: Sequence[str], value: Value) -> str:
    """The batch's values over the stored ones, where they are not older."""
    sets = ", ".join(f"{quoted(name)} = COALESCE({value(name)}, s.{quoted(name)})" for name in columns if name != "id")
    return f"UPDATE {stored} s SET {sets} FROM {batch} b WHERE s.id = b.id AND b.{SINCE} >= s.received_at"


def insert_latest(batch: str, stored: str, columns: Sequence[str], value: Value) -> str:
    names, values = ", ".join(map(quoted, columns)), ", ".join(map(value, columns))
    is_new = f"NOT EXISTS (SELECT 1 FROM {stored} s WHERE s.id = b.id)"
    return f"INSERT INTO {stored} ({names}) SELECT {values} FROM {batch} b WHERE {is_new}"


def rework_latest(
    stale: str, stored: str, history: str, key: str, columns: Sequence[str], *, as_text: Collection[str] = ()
) -> str:
    """Of each id in `stale` the latest value of every column, found in all of its history; of some as text."""

    def newest_value(name: str) -> str:
        text = "::text" if name in as_text else ""
        return f"(array_agg({quoted(name)} {newest}) FILTER (WHERE {quoted(name)} IS NOT NULL))[1]{text}"

    k = quoted(key)
    newest = f"ORDER BY received_at DESC, {quoted(LOADED_AT)} DESC, id DESC"
    found = ", ".join(f"{newest_value(name)} AS {quoted(name)}" for name in columns)
    sets = ", ".join(f"{quoted(name)} = COALESCE(h.{quoted(name)}, s.{quoted(name)})" for name in columns)
    of_stale = f"SELECT {k} AS _key, {found} FROM {history} WHERE {k} IN (SELECT id FROM {stale}) GROUP BY {k}"
    return f"UPDATE {stored} s SET {sets} FROM ({of_stale}) h WHERE s.id = h._key"


def deletions(schema: str, tables: Collection[str], received_after: datetime | None) -> list[str]:
    """What empties the tables of every message; the tables must have `received_at`."""
    since = "" if received_after is None else f" WHERE received_at > '{received_after.isoformat()}'"
    return [f"DELETE FROM {quoted(schema, name)}{since}" for name in sorted(tables) if name not in LATEST_TABLES]


def never_loaded(connection: str) -> NotFound:
    return NotFound(f"Nothing of {connection!r} was loaded into this warehouse yet.", field="source")


def loaded_at(warehouse: Warehouse, schema: str, message_id: str) -> dict[str, datetime]:
    """Finds the message's rows by queries that both warehouses understand: see `Warehouse.loaded_at`."""
    found: dict[str, datetime] = {}
    value = message_id.replace("'", "''")
    for table in sorted(warehouse.table_names(schema) - LATEST_TABLES - {"_discards"}):
        # As text: DuckDB hands out a timestamp with a zone only where Python has pytz.
        query = f"SELECT CAST({LOADED_AT} AS VARCHAR) AS at FROM {quoted(schema, table)} WHERE id = '{value}'"
        for row in warehouse.query(query):
            found[table] = datetime.fromisoformat(str(row["at"])).astimezone(UTC)
    return found
