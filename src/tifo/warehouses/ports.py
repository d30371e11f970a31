"""The contract of a warehouse: rows and the position that they came from, committed together."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, NamedTuple, Protocol

import pyarrow as pa

from tifo.kernel.ids import Position
from tifo.kernel.json import JsonObject


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
"""Segment's name for when a row was loaded; the driver fills it in, as a timestamp. Incremental models read by it."""


class Column(NamedTuple):
    type: ColumnType
    values: Any
    """An Arrow array: int64, double, bool or string by `type`. A timestamp is `timestamp[us, UTC]`, or strings of which
    each can be cast to that, so that a column that is text already gets them as they were sent."""


@dataclass(frozen=True)
class Latest:
    """Says that a table holds the latest values of each id (`users`, `accounts`), not every message.

    A row that comes replaces, value by value, what the table holds of its id; a null replaces nothing. The order is
    that of `received_at`, however the loads come: what is older than the stored row is worked out anew from `history`.
    """

    history: str
    """The table that holds every message, loaded before this one."""
    key: str
    """Its column with this table's id."""
    since: pa.Array
    """For each row the `received_at` of the oldest message in it."""


@dataclass(frozen=True)
class Table:
    """Rows for one warehouse table. `id` (the message id, or with `latest` what they are the latest of) and
    `received_at` are always among the columns.
    """

    types: Mapping[str, ColumnType]
    rows: pa.Table
    latest: Latest | None = None


class Discard(NamedTuple):
    """A value that its table cannot hold, on its way to the schema's `_discards`: nothing is dropped in silence."""

    table: str | None
    """None where a whole message has no table."""
    column: str | None
    """None where the whole message was set aside."""
    value: str
    """As text: what a string says, else JSON."""
    reason: str
    message_id: str | None
    received_at: str | None
    """ISO 8601."""


@dataclass(frozen=True)
class Load:
    """What one connection (a source that flows into this warehouse) has for it.

    Without tables and discards it only moves the connection's position.
    """

    connection: str
    schema: str
    after: Position
    """The position that the warehouse is believed to hold; 0 for a connection that it does not know."""
    position: Position
    """Everything up to here is handled once this load is committed."""
    tables: Mapping[str, Table] = field(default_factory=dict)
    discards: Sequence[Discard] = ()


class Loaded(NamedTuple):
    connection: str
    rows: Mapping[str, int]
    """New rows by table; with `Latest` the updated ones too."""
    duplicates: int
    """Rows that were not inserted because their id was there already."""
    discarded: int
    notices: Sequence[str]
    """Tables and columns that were made or widened, for people."""


class Cursor(NamedTuple):
    schema: str
    position: Position


class Warehouse(Protocol):
    """Where rows go. Methods block. One loader writes to a warehouse at a time; any number of programs read it."""

    def positions(self) -> dict[str, Cursor]:
        """Every connection's committed position, with the schema that it was last loaded into."""

    def load(self, loads: Sequence[Load], meanwhile: Callable[[], None] | None = None) -> list[Loaded]:
        """Commit rows, discards and positions of all loads in ONE transaction, durable on return.

        The n-th result belongs to the n-th load. `meanwhile` may be called, once, while a long commit runs, so that the
        caller uses that time; what it raises is raised when the commit is over.

        Schemas, tables and columns are made as they are needed; a column's type widens where a value does not fit it,
        never losing one. A row whose `id` its table holds already, or came earlier in the same table, is not inserted.

        Nothing is changed where it raises: `Conflict` when a connection's position is not its load's `after` (somebody
        else has loaded), `Rejected` when a value is at fault (the caller finds out which), `Transient` for all else:
        a reader holds the file, the disk is full, someone changed a table so that it no longer takes our rows.
        """

    def table_names(self, schema: str) -> frozenset[str]:
        """Of the schema's tables; empty before the first load."""

    def rewind(self, connection: str, received_after: datetime | None) -> None:
        """Let the connection be loaded anew from the log's start: take its position back to 0, and delete the rows and
        discards that were received after the moment (None: all of them), in one transaction. `users` and `accounts`
        stay: the rows that come bring them up to date.

        Raises `NotFound` for a connection that was never loaded, `Transient` as `load` does.
        """

    def query(self, sql: str, *, wait_s: float = 10.0) -> list[JsonObject]:
        """Rows as JSON-safe objects. Cannot change anything. Waits up to `wait_s` for a load to end.

        Raises `NotFound` before the first load, `Rejected` for wrong SQL, `Transient` when the wait was too short.
        """

    def tables(self, schema: str, *, wait_s: float = 10.0) -> dict[str, int]:
        """The number of rows in each table of the schema; empty before the first load."""

    def loaded_at(self, schema: str, message_id: str) -> dict[str, datetime]:
        """When the message was loaded (UTC), by table. `users`, `accounts` and `_discards` are not asked.

        Empty before the first load. Raises `Transient` where a load did not end within 10 seconds.
        """
