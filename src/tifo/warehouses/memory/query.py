"""Runs SQL for `MemoryWarehouse`, by a DuckDB in memory that gets a copy of every table."""

from collections.abc import Mapping, Sequence
from typing import Any

import duckdb
import pyarrow as pa

from tifo.kernel.errors import Rejected
from tifo.kernel.json import JsonObject
from tifo.warehouses.answers import objects
from tifo.warehouses.sql import quoted


def run(sql: str, tables: Mapping[tuple[str, str], pa.Table], history: Sequence[Mapping[str, Any]]) -> list[JsonObject]:
    """Raises `Rejected` for wrong SQL, and for SQL that changes something."""
    every = dict(tables)
    if history:
        every["_tifo", "loads"] = pa.Table.from_pylist(list(history))
    with duckdb.connect(config={"python_enable_replacements": False}) as connection:
        for (schema, name), rows in every.items():
            connection.execute(f"CREATE SCHEMA IF NOT EXISTS {quoted(schema)}")
            connection.register("_batch", rows)
            connection.execute(f"CREATE TABLE {quoted(schema, name)} AS SELECT * FROM _batch")
            connection.unregister("_batch")
        try:
            if any(statement.type != duckdb.StatementType.SELECT for statement in duckdb.extract_statements(sql)):
                raise Rejected("A query cannot change the warehouse.", code="invalid_sql")
            return objects(connection.sql(sql).to_arrow_table())
        except duckdb.Error as error:
            raise Rejected(str(error), code="invalid_sql") from error
