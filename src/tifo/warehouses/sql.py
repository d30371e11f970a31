"""Builds SQL that every SQL warehouse understands alike."""

from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime
from types import MappingProxyType
from typing import NamedTuple

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


def update_latest(
    batch: str, stored: str, columns: Sequence[str], value: Value, clears: Mapping[str, str] | None = None
) -> str:
    """Writes the batch's values over the stored ones, where they are not older.

    `clears` are the columns that a null clears, each with the condition by which the batch does.
    """
    cleared = clears or {}

    def newest(name: str) -> str:
        # Segment: a trait that a later call does not send stays. Ours: one that it sends as null is cleared.
        kept = f"s.{quoted(name)}"
        kept = f"CASE WHEN {cleared[name]} THEN NULL ELSE {kept} END" if name in cleared else kept
        return f"COALESCE({value(name)}, {kept})" if name in columns else kept

    changed = dict.fromkeys([*(name for name in columns if name != "id"), *cleared])
    sets = ", ".join(f"{quoted(name)} = {newest(name)}" for name in changed)
    return f"UPDATE {stored} s SET {sets} FROM {batch} b WHERE s.id = b.id AND b.{SINCE} >= s.received_at"


def insert_latest(batch: str, stored: str, columns: Sequence[str], value: Value) -> str:
    names, values = ", ".join(map(quoted, columns)), ", ".join(map(value, columns))
    is_new = f"NOT EXISTS (SELECT 1 FROM {stored} s WHERE s.id = b.id)"
    return f"INSERT INTO {stored} ({names}) SELECT {values} FROM {batch} b WHERE {is_new}"


class History(NamedTuple):
    """Describes the table of messages from which latest values are computed, as `m`."""

    table: str
    key: str
    values: Mapping[str, str]
    """The expressions that read the columns."""
    clearing: Mapping[str, str] = MappingProxyType({})
    """For each column that nulls clear, the condition by which a message does; it reads `c`, which `cleared` joins."""
    cleared: str = ""

    def of(self, columns: Sequence[str]) -> "History":
        """Returns the same for some of the columns."""
        values = {name: self.values[name] for name in columns}
        clearing = {name: self.clearing[name] for name in columns if name in self.clearing}
        return self._replace(values=values, clearing=clearing)


def rework_latest(stale: str, stored: str, history: History) -> str:
    """Writes the latest value of every column, from the id's whole history, for each id in `stale`."""

    def is_sent(name: str) -> str:
        is_null = f" OR {history.clearing[name]}" if name in history.clearing else ""
        return f"m.{quoted(name)} IS NOT NULL{is_null}"

    def newest_value(name: str) -> str:
        newest_first = f"array_agg({history.values[name]} {newest}) FILTER (WHERE {is_sent(name)})"
        return f"({newest_first})[1] AS {quoted(name)}"

    def latest(name: str) -> str:
        stays = f"CASE WHEN h.{quoted(sent_at[name])} THEN NULL ELSE s.{quoted(name)} END" if name in sent_at else ""
        return f"COALESCE(h.{quoted(name)}, {stays or f's.{quoted(name)}'})"

    k = f"m.{quoted(history.key)}"
    # The last two only decide between messages of the same moment: every load must come to the same row.
    newest = f"ORDER BY m.received_at DESC, m.{quoted(LOADED_AT)} DESC, m.id DESC"
    sent_at = {name: f"_sent_{number}" for number, name in enumerate(history.clearing)}
    values = [newest_value(name) for name in history.values]
    values += [f"bool_or({is_sent(name)}) AS {quoted(flag)}" for name, flag in sent_at.items()]
    sets = ", ".join(f"{quoted(name)} = {latest(name)}" for name in history.values)
    of_stale = (
        f"SELECT {k} AS _key, {', '.join(values)} FROM {history.table} m {history.cleared}"
        f" WHERE {k} IN (SELECT id FROM {stale}) GROUP BY {k}"
    )
    return f"UPDATE {stored} s SET {sets} FROM ({of_stale}) h WHERE s.id = h._key"


def deletions(schema: str, tables: Collection[str], received_after: datetime | None) -> list[str]:
    """Builds the statements that delete the rows of every message; the tables must have `received_at`."""
    since = "" if received_after is None else f" WHERE received_at > '{received_after.isoformat()}'"
    return [f"DELETE FROM {quoted(schema, name)}{since}" for name in sorted(tables) if name not in LATEST_TABLES]


def never_loaded(connection: str) -> NotFound:
    return NotFound(f"Nothing of {connection!r} was loaded into this warehouse yet.", field="source")
