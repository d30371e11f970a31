"""Runs statements for many rows: compiled once, then run on the driver's own cursor.

SQLAlchemy builds the parameters of every row again, and writes an `IN` again for each number of values. That took a
third of a commit's time.
"""

from collections import namedtuple
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import cache
from itertools import chain
from operator import itemgetter
from typing import Any, NamedTuple

import msgspec
from sqlalchemy import (
    JSON,
    ColumnElement,
    Connection,
    LargeBinary,
    Subquery,
    Table,
    bindparam,
    cast,
    column,
    func,
    literal_column,
    select,
)
from sqlalchemy.dialects import postgresql, sqlite

Row = dict[str, Any]
_Pick = Callable[[Row], tuple[Any, ...]]
_CHUNKS = (64, 16, 4, 1)
"""The numbers of rows that one statement has: few, so that each stays compiled, and below SQLite's limit of values."""
_encode = msgspec.json.Encoder().encode


def _driver(connection: Connection) -> Any:
    """Returns the driver's own connection. `Database` translates its errors as it does SQLAlchemy's."""
    # A short statement takes a third of the time that it takes through SQLAlchemy's connection.
    return connection.connection.driver_connection


def without_waiting(connection: Connection) -> AbstractContextManager[Any]:
    """Pipelines the block's statements to PostgreSQL: it gets one behind the other, and is asked for the results at the
    end. Only for statements of this module whose rows nobody reads.
    """
    if connection.dialect.name != "postgresql":
        return nullcontext()
    pipeline: AbstractContextManager[Any] = _driver(connection).pipeline()
    return pipeline


class Given:
    """Names a look-up's values in its statement: JSON documents, each of which is one value however long it is."""

    def __init__(self, dialect: str) -> None:
        self._is_postgres = dialect == "postgresql"

    def among(self, wanted: ColumnElement[Any], name: str = "ids") -> ColumnElement[bool]:
        """Says whether the column's text is one of the values given as `name`."""
        return wanted.in_(select(self._elements(name, "json_array_elements_text")))

    def tuples(self, name: str, width: int) -> Subquery:
        """Returns the tuples of texts given as `name`, as a table with the columns `0`, `1` and so on."""
        value = self._elements(name, "json_array_elements")
        parts = [self._part(value, place).label(str(place)) for place in range(width)]
        return select(*parts).subquery()

    def _elements(self, name: str, postgres: str) -> ColumnElement[Any]:
        document = cast(bindparam(name), JSON) if self._is_postgres else bindparam(name)
        elements = getattr(func, postgres if self._is_postgres else "json_each")(document).table_valued("value")
        value: ColumnElement[Any] = elements.c.value
        return value

    def _part(self, value: ColumnElement[Any], place: int) -> ColumnElement[str]:
        if self._is_postgres:
            return value.op("->>")(literal_column(str(place)))
        return func.json_extract(value, literal_column(f"'$[{place}]'"))


class Lookup:
    """Looks up many texts by one statement, the same however many they are."""

    def __init__(self, make: Callable[[Given], Any]) -> None:
        self._make = make
        self._compiled: dict[str, _Compiled] = {}

    def tuples(self, connection: Connection, **values: Collection[str | Sequence[str]]) -> Sequence[tuple[Any, ...]]:
        """Runs the statement with the `values` that `Given` names. A string is one value by itself."""
        found: Sequence[tuple[Any, ...]] = _execute(connection, self._of(connection), values).fetchall()
        return found

    def rows(self, connection: Connection, **values: Collection[str | Sequence[str]]) -> list[Any]:
        """Does the same, and names the columns."""
        compiled = self._of(connection)
        return list(map(compiled.row, _execute(connection, compiled, values).fetchall()))

    def run(self, connection: Connection, **values: Collection[str | Sequence[str]]) -> None:
        """Runs a statement that returns no rows."""
        _execute(connection, self._of(connection), values)

    def _of(self, connection: Connection) -> "_Compiled":
        known = self._compiled.get(connection.dialect.name)
        if known is not None:
            return known
        made = self._make(Given(connection.dialect.name))
        compiled = made.compile(dialect=connection.dialect)
        row = namedtuple("row", [*made.exported_columns.keys()])  # type: ignore[misc]  # noqa: PYI024 (the statement has its names)
        ready = self._compiled[connection.dialect.name] = _Compiled(str(compiled), compiled.positiontup, row._make)
        return ready


class _Compiled(NamedTuple):
    sql: str
    places: Sequence[str] | None
    """The names of the values in order; None if they are passed by name."""
    row: Callable[[Sequence[Any]], Any]


def _execute(connection: Connection, compiled: _Compiled, values: Mapping[str, Any]) -> Any:
    texts = {name: value if isinstance(value, str) else _encode([*value]).decode() for name, value in values.items()}
    given = texts if compiled.places is None else tuple(texts[name] for name in compiled.places)
    return _driver(connection).execute(compiled.sql, given)


class Bulk:
    """Runs one statement whose parameters have the names of the rows' keys."""

    def __init__(self, make: Callable[[str, Sequence[str]], Any]) -> None:
        """`make` builds the statement for a dialect's name and the names in a row."""
        self._make = make
        self._compiled: dict[str, tuple[str, Callable[[Row], Any] | None]] = {}

    def run(self, connection: Connection, rows: Sequence[Row]) -> None:
        """Runs the statement for each row. Values go to the driver as they are: it must know their types."""
        if not rows:
            return
        sql, pick = self._compiled.get(connection.dialect.name) or self._compile(connection, list(rows[0]))
        _driver(connection).cursor().executemany(sql, list(map(pick, rows)) if pick is not None else rows)

    def _compile(self, connection: Connection, names: list[str]) -> tuple[str, Callable[[Row], Any] | None]:
        made = self._make(connection.dialect.name, names)
        compiled = made.compile(dialect=connection.dialect, column_keys=names)
        places: Sequence[str] | None = compiled.positiontup
        # Two names at the least: `itemgetter` of one gives no tuple, which no statement here needs.
        ready = (str(compiled), None if places is None else itemgetter(*places))
        self._compiled[connection.dialect.name] = ready
        return ready


class _Rows:
    """Inserts many rows with one statement: for SQLite as many VALUES, for PostgreSQL as one JSON document."""

    # A statement for each row would be a message to PostgreSQL each time. With SQLite it would release the
    # interpreter's lock each time, and wait for it again.

    def __init__(self, table: Table, finish: Callable[[Any, Sequence[str]], Any]) -> None:
        """`finish` adds the ON CONFLICT clause to an insert of these names."""
        self._table = table
        self._finish = finish
        self._has_bytes = any(isinstance(each.type, LargeBinary) for each in table.columns)
        # SQLite's and PostgreSQL's inserts are alike, down to ON CONFLICT.
        self._each = Bulk(lambda _, names: finish(postgresql.insert(table), names))
        self._document: str | None = None
        self._values: dict[int, tuple[str, _Pick]] = {}

    def run(self, connection: Connection, rows: Sequence[Row]) -> None:
        if not rows:
            return
        if connection.dialect.name == "sqlite":
            self._run_values(connection, rows)
        elif self._has_bytes:  # JSON has no bytes
            self._each.run(connection, rows)
        else:
            self._run_document(connection, rows)

    def run_each(self, connection: Connection, rows: Sequence[Row]) -> None:
        """Runs one statement for each row, in order."""
        self._each.run(connection, rows)

    def _run_document(self, connection: Connection, rows: Sequence[Row]) -> None:
        if self._document is None:
            names = list(rows[0])
            columns = [column(name, self._table.columns[name].type) for name in names]
            document = func.json_to_recordset(cast(bindparam("rows"), JSON)).table_valued(*columns)
            # json_to_recordset wants the columns' types in the query.
            given = select(document.render_derived(name="given", with_types=True))
            made = self._finish(postgresql.insert(self._table).from_select(names, given), names)
            self._document = str(made.compile(dialect=connection.dialect))
        _driver(connection).execute(self._document, {"rows": _encode(rows).decode()})

    def _run_values(self, connection: Connection, rows: Sequence[Row]) -> None:
        driver, begin = _driver(connection), 0
        for size in _CHUNKS:
            while len(rows) - begin >= size:
                sql, pick = self._values.get(size) or self._compile_values(connection, list(rows[0]), size)
                driver.execute(sql, tuple(chain.from_iterable(map(pick, rows[begin : begin + size]))))
                begin += size

    def _compile_values(self, connection: Connection, names: list[str], size: int) -> tuple[str, "_Pick"]:
        made = self._finish(sqlite.insert(self._table).values([dict.fromkeys(names)] * size), names)
        compiled = made.compile(dialect=connection.dialect)
        # SQLAlchemy numbers the parameters of several VALUES: `name_m0`, `name_m1` and so on. Every row has the first
        # row's order.
        places = [place.removesuffix("_m0") for place in compiled.positiontup[: len(names)]]
        ready = self._values[size] = (str(compiled), itemgetter(*places))
        return ready


def insert_rows(connection: Connection, table: Table, rows: Sequence[Row]) -> None:
    _insert(table).run(connection, rows)


def upsert_rows(
    connection: Connection, table: Table, rows: Sequence[Row], *, key: str | None = None, adding: Collection[str] = ()
) -> None:
    """Inserts rows with distinct keys, or replaces those that have their key, by few statements.

    `key` is by default the primary key. The columns `adding` are added to what is there. Columns that the rows do not
    name stay as they are. PostgreSQL refuses a key that comes twice: see `upsert_each`.
    """
    _upsert(table, key, tuple(adding)).run(connection, rows)


def upsert_each(connection: Connection, table: Table, rows: Sequence[Row], *, adding: Collection[str] = ()) -> None:
    """Does as `upsert_rows` by the primary key, row after row: a key may come several times."""
    _upsert(table, None, tuple(adding)).run_each(connection, rows)


def without_nul(value: str) -> str:
    """Replaces the character NUL, which PostgreSQL cannot store in a text."""
    return value.replace("\0", "\N{REPLACEMENT CHARACTER}")


@cache
def _insert(table: Table) -> _Rows:
    return _Rows(table, lambda made, _: made)


@cache
def _upsert(table: Table, key: str | None, adding: tuple[str, ...]) -> _Rows:
    keys = [key] if key is not None else [column.name for column in table.primary_key]

    def finish(made: Any, names: Sequence[str]) -> Any:
        values = {
            name: table.columns[name] + made.excluded[name] if name in adding else made.excluded[name]
            for name in names
            if name not in keys
        }
        return made.on_conflict_do_update(index_elements=keys, set_=values)

    return _Rows(table, finish)
