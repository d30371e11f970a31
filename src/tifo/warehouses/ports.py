"""Defines the contract of a warehouse: rows and the position that they came from commit together."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from tifo.kernel.ids import Position, Shard
from tifo.kernel.json import JsonObject

if TYPE_CHECKING:
    import pyarrow as pa  # half a second at the start of a command that needs only the contract


class ColumnType(StrEnum):
    """Segment's warehouse types."""

    TIMESTAMP = "timestamp"
    INTEGER = "integer"
    """64 bits, signed."""
    FLOAT = "float"
    """An IEEE double."""
    BOOLEAN = "boolean"
    VARCHAR = "varchar"


LOADED_AT = "uuid_ts"
"""Segment's name for the time when a row was loaded. The driver fills it in; incremental models read by it."""


class Column(NamedTuple):
    type: ColumnType
    values: Any
    """An Arrow array: int64, double, bool or string by `type`. A timestamp is `timestamp[us, UTC]`, or strings of which
    each can be cast to that, so that a column that is text already gets them as they were sent."""


class Nulls(NamedTuple):
    """Holds the traits that were sent as null, by the names that their columns have or would have.

    The null of a nested object clears every column that was flattened from the object.
    """

    cleared: Mapping[str, "pa.Array"]
    """Booleans for each row: true where a null came after the last value."""
    by_message: Mapping[str, Sequence[str]]
    """The names that each message of the batch clears, by its id."""
    nested: Mapping[str, Sequence[str]]
    """The names of the objects that the batch's nested columns were flattened from."""


@dataclass(frozen=True)
class Latest:
    """Marks a table that holds the latest values of each id (`users`, `accounts`), not every message.

    A new row replaces the stored row of its id value by value; a null replaces nothing, unless `nulls` says that it was
    sent. `received_at` decides which value is the latest, in whatever order the loads come.
    """

    history: str
    """The table that holds every message, loaded before this one."""
    key: str
    """Its column with this table's id."""
    # A row that holds anything older than the stored one makes the driver compute the id again from `history`.
    since: "pa.Array"
    """The `received_at` of the oldest message in each row."""
    nulls: Nulls | None = None
    """None where no trait was sent as null, and none was nested."""

    def filtered(self, rows: "pa.Array") -> "Latest":
        """Returns the same for some of the rows."""
        nulls = self.nulls
        if nulls is not None:
            nulls = nulls._replace(cleared={name: each.filter(rows) for name, each in nulls.cleared.items()})
        return replace(self, since=self.since.filter(rows), nulls=nulls)


@dataclass(frozen=True)
class Table:
    """Rows for one warehouse table. The columns always include `id` and `received_at`.

    `id` is the message id, or with `latest` the id of the user or account.
    """

    types: Mapping[str, ColumnType]
    rows: "pa.Table"
    latest: Latest | None = None


class Discard(NamedTuple):
    """Holds a value that fits no column of its table. It becomes a row of `_discards`: nothing is dropped silently."""

    table: str | None
    """None where a whole message has no table."""
    column: str | None
    """None where the whole message is discarded."""
    value: str
    """The value: a string as it is, any other as JSON."""
    reason: str
    message_id: str | None
    received_at: str | None
    """ISO 8601."""


@dataclass(frozen=True)
class Load:
    """Rows and discards of one connection: a source that is loaded into this warehouse.

    Without tables and discards it only moves the connection's position.
    """

    connection: str
    schema: str
    after: Position
    """The position that the caller expects the warehouse to hold; `START` for a connection that it does not know. The
    load may go on from a position that an earlier version stored without a shard: it takes that over.
    """
    position: Position
    """Every event up to this position is handled once the load is committed."""
    tables: Mapping[str, Table] = field(default_factory=dict)
    discards: Sequence[Discard] = ()
    shard: Shard = field(kw_only=True)
    """The log that the positions are of."""


class Loaded(NamedTuple):
    connection: str
    rows: Mapping[str, int]
    """New rows by table; updated ones count too in tables with `Latest`."""
    duplicates: int
    """Rows that were not inserted because their id is stored already."""
    discarded: int
    notices: Sequence[str]
    """Sentences for people: tables and columns that were made or widened."""


class Cursor(NamedTuple):
    """Says how far one connection has loaded one log, and into which schema last."""

    schema: str
    position: Position


def id_column(table: str) -> str:
    """Returns the column that holds a message's id."""
    return "message_id" if table == "_discards" else "id"


class RowCount(NamedTuple):
    rows: int
    ids: int
    """Different ids among the rows."""


class RowSelection(NamedTuple):
    """Selects the rows that a question is about: a table's, or those of them whose column holds a text."""

    schema: str
    table: str
    column: str | None = None
    value: str = ""


class FilledCount(NamedTuple):
    rows: int
    filled: tuple[int, ...]
    """For each group of columns the number of rows that have a value in at least one of them."""


class EventCount(NamedTuple):
    event: str
    """Its name as it was sent."""
    rows: int


class Warehouse(Protocol):
    """Stores rows and positions. Methods block. One loader writes at a time; any number of programs read.

    Neither waits for the other: a kind whose product makes them wait shows readers a copy, which `publish` renews.
    Every method reads that copy, but for `committed_positions` and `table_names`, which are the loader's.
    """

    def positions(self, shard: Shard) -> dict[str, Cursor]:
        """Returns the position in one log up to which each connection's rows can be read, and the schema that it was
        last loaded into. `NO_SHARD` names those that an earlier version of Tifo stored, which did not say which log
        they were of.
        """

    def committed_positions(self, shard: Shard) -> dict[str, Cursor]:
        """Returns the position in one log from which the next load of each connection must begin. Readers may not see
        it yet.
        """

    def publish(self, *, at_end: bool = False) -> None:
        """Shows readers what is committed, where that is a step of its own, and not too early for its cost.

        The loader calls it between loads; it is cheap when there is nothing to do, and raises nothing. A load publishes
        too. `at_end` publishes before its time, as the loader ends, where that takes seconds at most.
        """

    def load(self, loads: Sequence[Load], meanwhile: Callable[[], None] | None = None) -> list[Loaded]:
        """Commits rows, discards and positions of all loads in ONE transaction, durable on return.

        The n-th result belongs to the n-th load. `meanwhile` may be called, once, while a long commit runs, so that the
        caller uses that time; what it raises is raised when the commit is over.

        Schemas, tables and columns are made as they are needed; a column's type widens where a value does not fit it,
        never losing one. A row whose `id` its table holds already, or came earlier in the same table, is not inserted.

        An error changes nothing. `Conflict`: a connection's position is not its load's `after`, because somebody else
        has loaded. `Rejected`: a value is at fault, and the caller finds out which. `Transient`: all else, such as a
        reader that holds the file, a full disk, or a table that someone changed so that it refuses our rows.
        """

    def table_names(self, schema: str) -> frozenset[str]:
        """Returns the names of the schema's committed tables; empty before the first load."""

    def rewind(self, connection: str, received_after: datetime | None) -> None:
        """Sets the connection's positions, of every log, to `START` and deletes its rows and discards, in one
        transaction.

        The loaders then load it again from the start of their logs. Only rows received after `received_after` are
        deleted (None: all of them). `users` and `accounts` stay: the loads that follow bring them up to date.

        Raises `NotFound` for a connection that was never loaded, `Transient` as `load` does.
        """

    def query(self, sql: str, *, wait_s: float = 10.0) -> list[JsonObject]:
        """Runs SQL that cannot change anything; returns rows as JSON-safe objects.

        Waits up to `wait_s` for a load to end. Raises `NotFound` before the first load, `Rejected` for wrong SQL,
        `Transient` when the wait was too short.
        """

    def tables(self, schema: str, *, wait_s: float = 10.0) -> dict[str, int]:
        """Counts the rows of each table of the schema; empty before the first load."""

    # The questions of audit, event checks and traces. Each waits up to 10 seconds for a load to end, and raises
    # `Transient` when that was too short. Before the first load the answers are empty. The tables and columns that a
    # question names must be there (see `columns`): else `Rejected` or `Transient`.

    def columns(self, schema: str) -> dict[str, list[str]]:
        """Returns the names of each table's columns."""

    def row_counts(self, schema: str, tables: Collection[str]) -> dict[str, RowCount]:
        """Counts each table's rows and different ids; the tables must have the column `id` (`_discards` has none)."""

    def stored_ids(self, schema: str, table: str, ids: Collection[str]) -> set[str]:
        """Returns the ids, of those given, that are rows of the table; in `_discards`, ids of messages."""

    def filled_count(self, asked: RowSelection, groups: Sequence[Collection[str]]) -> FilledCount:
        """Counts rows, and for each group of columns those that have a value in at least one of them.

        An empty group is one that no row has.
        """

    def ids_without(self, asked: RowSelection, group: Collection[str], *, limit: int) -> list[str]:
        """Returns the first ids, in their order, of rows that have a value in none of the group's columns."""

    def unplanned_events(self, schema: str, planned: Collection[str], *, limit: int) -> list[EventCount]:
        """Counts events of `tracks` that are not planned: the most frequent first, those of one count by name."""

    def loaded_at(self, schema: str, message_id: str) -> dict[str, datetime]:
        """Returns when the message was loaded (UTC), by table. `users`, `accounts` and `_discards` are not asked."""
