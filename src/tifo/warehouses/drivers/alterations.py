"""Changes a warehouse's table so that rows fit it: columns that are new, types that widen."""

from collections.abc import Iterable, Mapping

from tifo.warehouses.columns import EXACT
from tifo.warehouses.drivers.dialect import Session
from tifo.warehouses.ports import ColumnType, Discard, Table
from tifo.warehouses.schema import Evolution, Existing, discards_of, evolve
from tifo.warehouses.sql import quoted


class TableAlterations:
    """Changes one table for one load; collects `notices` and `discards`."""

    def __init__(self, session: Session, schema: str, name: str) -> None:
        self._session = session
        self._dialect = session.dialect
        self._schema = schema
        self._name = name
        self._here = quoted(schema, name)
        self.notices: list[str] = []
        self.discards: list[Discard] = []

    def make_fit(self, table: Table, stored: Mapping[str, str]) -> Existing:
        """Returns the table's columns as they are afterwards. `stored` are the columns with their types before."""
        existing: Existing = {column: self._dialect.type_of(data_type) for column, data_type in stored.items()}
        evolution = self._evolution(table, existing)
        if pinned := self._pinned(evolution):
            existing, evolution = self._without(pinned, table, existing)
        if not self._carry_out(evolution, existing):
            too_wide = frozenset(evolution.widened)
            self.notices += [f"column {self._name}.{each} not widened: rows have no room" for each in sorted(too_wide)]
            existing, evolution = self._without(too_wide, table, existing)
            self._carry_out(evolution, existing)
        for column in evolution.refused:
            self.discards += discards_of(self._name, table, column, "the table has no room for another column")
        return evolution.after(existing)

    def widen(self, existing: Existing, wider: Mapping[str, ColumnType]) -> bool:
        """Returns False, and changes nothing, where rows have no room for the wider values."""
        return self._alter(self._retyped(column, existing[column], kind) for column, kind in wider.items())

    def _without(self, pinned: frozenset[str], table: Table, existing: Existing) -> tuple[Existing, Evolution]:
        # Such a column is treated as one of a foreign type: what it cannot hold is discarded.
        existing = {**existing, **dict.fromkeys(pinned)}
        return existing, self._evolution(table, existing)

    def _evolution(self, table: Table, existing: Existing) -> Evolution:
        max_columns = self._dialect.max_columns
        if existing and any(column not in existing for column in table.types):
            spare = self._session.spare_columns(self._schema, self._name)
            max_columns = max_columns if spare is None else min(max_columns, len(existing) + spare)
        return evolve(existing, table, self._is_exact, max_columns)

    def _pinned(self, evolution: Evolution) -> frozenset[str]:
        if not evolution.widened:
            return frozenset()
        # Asked only where something widens: it is a question to the server.
        pinned = self._session.pinned_columns(self._schema, self._name) & evolution.widened.keys()
        self.notices += [f"column {self._name}.{each} not widened: a view depends on it" for each in sorted(pinned)]
        return pinned

    def _carry_out(self, evolution: Evolution, existing: Existing) -> bool:
        """Returns False, and changes nothing, where rows have no room for the wider values."""
        if not existing:
            self._make_table(evolution.added)
        else:
            added = [f"ADD COLUMN {self._defined(column, kind)}" for column, kind in evolution.added.items()]
            widened = [self._retyped(column, existing[column], kind) for column, kind in evolution.widened.items()]
            if not self._alter([*added, *widened]):
                return False
            self.notices += [f"column {self._name}.{name} added as {kind}" for name, kind in evolution.added.items()]
        self.notices += [
            f"column {self._name}.{column} widened from {existing[column]} to {wider}"
            for column, wider in evolution.widened.items()
        ]
        return True

    def _make_table(self, columns: Mapping[str, ColumnType]) -> None:
        parts = [self._defined(column, kind) for column, kind in columns.items()]
        parts += ["PRIMARY KEY (id)"] if self._dialect.has_primary_keys else []
        self._session.execute(f"CREATE TABLE {self._here} ({', '.join(parts)})")
        self.notices.append(f"table {self._name} made")

    def _alter(self, changes: Iterable[str]) -> bool:
        # PostgreSQL rewrites the table once for all changes of one statement. DuckDB takes one change a statement.
        each = list(changes)
        statements = [", ".join(each)] if each and self._dialect.alters_at_once else each
        return all(self._session.attempt(f"ALTER TABLE {self._here} {change}") for change in statements)

    def _defined(self, column: str, kind: ColumnType) -> str:
        return f"{quoted(column)} {self._dialect.types[kind]}"

    def _retyped(self, column: str, current: ColumnType | None, wider: ColumnType) -> str:
        name, data_type = quoted(column), self._dialect.types[wider]
        # A plain cast writes each product's own form of a timestamp or a number.
        value = self._dialect.text(current, name) if wider is ColumnType.VARCHAR else f"{name}::{data_type}"
        return f"ALTER COLUMN {name} TYPE {data_type} USING {value}"

    def _is_exact(self, column: str) -> bool:
        # LIMIT 1: the first such integer decides.
        inexact = f"{quoted(column)} NOT BETWEEN {-EXACT} AND {EXACT}"
        return not self._session.rows(f"SELECT 1 FROM {self._here} WHERE {inexact} LIMIT 1")
