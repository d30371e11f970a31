"""Defines what a SQL driver brings: a `Dialect`, and a `Session` that gets Arrow rows into the product."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import pyarrow as pa

from tifo.warehouses.budgets import MAX_COLUMNS
from tifo.warehouses.ports import ColumnType, Discard


@dataclass(frozen=True, kw_only=True)
class Dialect:
    """Holds what differs in the SQL of warehouse products. Every statement takes its parameters as `$1`, `$2`, …."""

    types: Mapping[ColumnType, str]
    """A column's type in SQL, spelled as `columns_of` returns it."""
    # A column that someone made as varchar without a length holds every text, so it is no foreign type.
    synonyms: Mapping[str, ColumnType] = field(default_factory=dict)
    """Further spellings of columns that hold our types as well as ours do."""
    tables_of: str
    """Selects the names of a schema's (`$1`) tables, in their order."""
    schema_named: str = "SELECT 1 FROM pg_namespace WHERE nspname = $1"
    """Selects a row where there is a schema of this name (`$1`). DuckDB has PostgreSQL's catalog too."""
    columns_of: str
    """Selects table, column and type of every column of a schema's (`$1`) tables."""
    timestamp_text: str
    """The expression that writes a timestamp `{column}` as `warehouses.texts` has it."""
    float_text: str
    """The expression that writes a float `{column}` as `warehouses.texts` has it."""
    try_cast: Callable[[str, str], str]
    """Builds the expression that casts an expression to a type and is null where it cannot."""
    try_cast_setup: str | None = None
    """The statement that must run before `try_cast` is used in a transaction."""
    # See docs/decisions/0003: what a key costs in DuckDB, and why none is needed.
    has_primary_keys: bool
    """`id` becomes a table's primary key."""
    alters_at_once: bool
    """One ALTER TABLE takes several changes, and rewrites the rows once for all of them."""
    sorts_text_by_bytes: bool
    """A range of ids, as Arrow sorts them, holds the same ids here. With a collation it may not."""
    max_columns: int = MAX_COLUMNS
    max_key_bytes: int | None = None
    """Limit of an id in `users` and `accounts`; None where there is none."""
    storable: Callable[[Discard], Discard] = lambda discard: discard
    """Rewrites a discard's texts so that the product can store them."""

    def text(self, kind: ColumnType | None, column: str) -> str:
        """Builds the expression that writes a column of this type as text, as `warehouses.texts` has it."""
        own = {ColumnType.TIMESTAMP: self.timestamp_text, ColumnType.FLOAT: self.float_text}
        return own[kind].format(column=column) if kind in own else f"{column}::{self.types[ColumnType.VARCHAR]}"

    def type_of(self, data_type: str) -> ColumnType | None:
        """Returns None for a foreign type: one that somebody else gave the column."""
        return self._ours.get(data_type)

    @cached_property
    def _ours(self) -> dict[str, ColumnType]:
        return {**self.synonyms, **{name: column_type for column_type, name in self.types.items()}}


class Session(ABC):
    """Runs statements on one open connection, in a transaction that has no effect unless the driver commits it."""

    dialect: Dialect

    @abstractmethod
    def execute(self, sql: str, *values: object) -> None: ...

    @abstractmethod
    def rows(self, sql: str, *values: object) -> list[tuple[Any, ...]]: ...

    @abstractmethod
    def batch(self, rows: pa.Table) -> AbstractContextManager[str]:
        """Makes Arrow rows a relation that statements can read in the block; returns its name."""

    @abstractmethod
    def append(self, schema: str, table: str, rows: pa.Table) -> None:
        """Inserts rows whose columns have the table's names and types."""

    def keyed_tables(self, schema: str) -> frozenset[str]:  # noqa: ARG002 (the drivers' to use)
        """Returns tables whose key makes `append` fail on an id that is there; the driver then loads again with none.

        No ids are looked up in them. None unless a driver says so.
        """
        return frozenset()

    def pinned_columns(self, schema: str, table: str) -> frozenset[str]:  # noqa: ARG002 (the drivers' to use)
        """Returns the columns whose type the product refuses to change, because a view depends on them."""
        return frozenset()

    def spare_columns(self, schema: str, table: str) -> int | None:  # noqa: ARG002 (likewise)
        """Returns how many columns the product still takes in this table; None where only `max_columns` limits it."""
        return None

    def excess(self, schema: str, table: str, rows: pa.Table, *, reserved_bytes: int = 0) -> Mapping[str, pa.Array]:  # noqa: ARG002 (likewise)
        """Says for columns of the rows which of their values have no room in the product's row.

        Rows of the latest values take the place of stored ones. They need `reserved_bytes` of their row otherwise.
        """
        return {}

    def attempt(self, sql: str) -> bool:
        """Executes the statement. Returns False, and has no effect, where it would make a row wider than rows can be.

        Where the driver does not look out for such rows, it fails as any statement.
        """
        self.execute(sql)
        return True

    def table_names(self, schema: str) -> list[str]:
        return [name for (name,) in self.rows(self.dialect.tables_of, schema)]

    def column_types(self, schema: str) -> dict[str, dict[str, str]]:
        """Returns each table's columns with their types as the product spells them."""
        tables: dict[str, dict[str, str]] = {}
        for table, column, data_type in self.rows(self.dialect.columns_of, schema):
            tables.setdefault(table, {})[column] = data_type
        return tables
