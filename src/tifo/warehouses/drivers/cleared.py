"""Stores in the schema `_tifo` which traits were sent as null, and which columns were flattened from which objects.

The rows of `identifies` and `groups` cannot say it: a null that was sent looks there like a trait that is absent. Both
tables are made when the first such trait is loaded.
"""

from collections.abc import Iterable, Mapping, Sequence

import msgspec
import pyarrow as pa

from tifo.warehouses.drivers.dialect import Session
from tifo.warehouses.nulls import covering
from tifo.warehouses.ports import Nulls
from tifo.warehouses.sql import literal, quoted

CLEARED = "_tifo.cleared_traits"
_NESTED = "_tifo.nested_traits"


class ClearedTraits:
    """Knows the nulls of one table of messages, its history, in one load."""

    def __init__(self, session: Session, schema: str, history: str) -> None:
        self._session = session
        self._schema = schema
        self._history = history
        self._nested: Mapping[str, Sequence[str]] | None = None

    def record(self, nulls: Nulls) -> None:
        """Stores what the batch says; what is known already stays."""
        objects = {column: names for column, names in nulls.nested.items() if column not in self.nested()}
        self._add(_NESTED, "column_name", "objects", objects)
        self._add(CLEARED, "id", "traits", nulls.by_message)
        self._nested = {**objects, **self.nested()}

    def nested(self) -> Mapping[str, Sequence[str]]:
        """Returns the names of the objects that a column was flattened from, by column."""
        if self._nested is None:
            is_there = "nested_traits" in self._session.table_names("_tifo")
            sql = f"SELECT column_name, objects FROM {_NESTED} s WHERE {self._of_ours('s')}"
            rows = self._session.rows(sql) if is_there else []
            self._nested = {column: msgspec.json.decode(objects, type=list[str]) for column, objects in rows}
        return self._nested

    def conditions(self, columns: Sequence[str], key: str, stale: str) -> Mapping[str, str]:
        """Returns, for each column that a message of an id in `stale` clears, the condition by which a message does.

        The condition reads the message's row of `CLEARED`, named `c`.
        """
        if "cleared_traits" not in self._session.table_names("_tifo"):
            return {}
        sql = (
            f"SELECT DISTINCT c.traits FROM {quoted(self._schema, self._history)} m JOIN {CLEARED} c ON {self.joined()}"
            f" WHERE m.{quoted(key)} IN (SELECT id FROM {stale})"
        )
        sent = {name for (traits,) in self._session.rows(sql) for name in msgspec.json.decode(traits, type=list[str])}
        clearing = {column: sent.intersection(covering(column, self.nested())) for column in columns}
        return {column: _lists_any(names) for column, names in clearing.items() if names}

    def joined(self) -> str:
        """Builds the condition that joins a message `m` and its row `c`."""
        return f"c.id = m.id AND {self._of_ours('c')}"

    def _add(self, table: str, key: str, value: str, rows: Mapping[str, Sequence[str]]) -> None:
        if not rows:
            return
        self._make(table, key, value)
        texts = [name_list(names) for names in rows.values()]
        batch = pa.table({"key": pa.array(rows, pa.string()), "value": pa.array(texts, pa.string())})
        is_known = f"SELECT 1 FROM {table} k WHERE k.{key} = b.key AND {self._of_ours('k')}"
        with self._session.batch(batch) as name:
            self._session.execute(
                f"INSERT INTO {table} (schema_name, table_name, {key}, {value})"
                f" SELECT {literal(self._schema)}, {literal(self._history)}, b.key, b.value FROM {name} b"
                f" WHERE NOT EXISTS ({is_known})"
            )

    def _make(self, table: str, key: str, value: str) -> None:
        columns = ", ".join(f"{name} text NOT NULL" for name in ("schema_name", "table_name", key, value))
        by_key = f", PRIMARY KEY (schema_name, table_name, {key})" if self._session.dialect.has_primary_keys else ""
        self._session.execute(f"CREATE TABLE IF NOT EXISTS {table} ({columns}{by_key})")

    def _of_ours(self, alias: str) -> str:
        return f"{alias}.schema_name = {literal(self._schema)} AND {alias}.table_name = {literal(self._history)}"


def name_list(names: Iterable[str]) -> str:
    return msgspec.json.encode(list(names)).decode()


def lists_name(column: str, name: str) -> str:
    """Builds the condition that a column with a list of names holds this one."""
    # The list is JSON, and names have no quotes: each stands between its own.
    return f"strpos({column}, {literal(msgspec.json.encode(name).decode())}) > 0"


def _lists_any(names: set[str]) -> str:
    return " OR ".join(lists_name("c.traits", name) for name in sorted(names))
