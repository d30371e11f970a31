"""Connected warehouses and the history of the syncs into each."""

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from itertools import count
from typing import NamedTuple, NewType, Protocol

from tifo.kernel.errors import NotFound, Rejected
from tifo.kernel.ids import NO_SHARD, Position, Shard, SourceId

WarehouseKind = NewType("WarehouseKind", str)
"""A kind's id in `warehouses.catalog`."""
BUILT_IN = "duckdb"
"""Name and kind of the DuckDB file that comes with Tifo and takes every source."""
MAX_SYNCS = 5_000
"""The history holds the newest 5,000 syncs of each warehouse."""
_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,47}")


@dataclass(frozen=True, kw_only=True)
class ConnectedWarehouse:
    name: str
    kind: WarehouseKind
    url: str = field(repr=False)
    """May hold a password."""
    source_ids: frozenset[SourceId] | None
    """None for every source, future ones included."""
    created_at: datetime
    enabled: bool = True

    @property
    def is_built_in(self) -> bool:
        return self.name == BUILT_IN

    def takes(self, source_id: SourceId) -> bool:
        return self.source_ids is None or source_id in self.source_ids


def built_in_warehouse(url: str = "") -> ConnectedWarehouse:
    """Describes the built-in warehouse. `url` is the path of its file; without it only the other fields are meant."""
    return ConnectedWarehouse(
        name=BUILT_IN,
        kind=WarehouseKind(BUILT_IN),
        url=url,
        source_ids=None,
        # It was never made: it comes with Tifo, and no row says when.
        created_at=datetime(1970, 1, 1, tzinfo=UTC),
    )


def every_warehouse(connected: Sequence[ConnectedWarehouse], built_in_url: str = "") -> list[ConnectedWarehouse]:
    """Returns the built-in warehouse, then the connected ones as they come."""
    return [built_in_warehouse(built_in_url), *connected]


def named_warehouse(connected: Collection[ConnectedWarehouse], name: str) -> ConnectedWarehouse:
    """Finds a warehouse by its name. Raises `NotFound`, naming those that there are."""
    for warehouse in connected:
        if warehouse.name == name:
            return warehouse
    known = ", ".join(dict.fromkeys([BUILT_IN, *(each.name for each in connected)]))
    raise NotFound(f"There is no warehouse {name!r:.100}. Known are {known}.", field="warehouse")


class SyncStatus(StrEnum):
    SUCCESS = "success"
    PARTIAL = "partial"
    """Loaded, but for values or messages that are in `_discards`."""
    FAILURE = "failure"


@dataclass(frozen=True, kw_only=True)
class Sync:
    """One load of one source into one warehouse. A failure has no source: it changed nothing."""

    warehouse: str
    source_id: SourceId | None
    status: SyncStatus
    started_at: datetime
    finished_at: datetime
    events: int = 0
    rows: Mapping[str, int] = field(default_factory=dict)
    duplicates: int = 0
    discarded: int = 0
    notices: Sequence[str] = ()
    error: str | None = None
    left_out: Mapping[str, int] = field(default_factory=dict)
    """Messages, rows and values that settings keep out of this warehouse, by reason."""
    shard: Shard = NO_SHARD
    """The log that was loaded."""
    position: Position | None = None
    """The source's events of that log are loaded up to here; None for a failure."""
    withheld: int = 0
    """Events that their own `integrations` keep out."""
    failed: int = 0
    """Events of which no row was loaded: dead-lettered, or expired in the log."""
    latencies: Mapping[int, int] = field(default_factory=dict)
    """Time from receipt to row: events by bucket of `delivery.latency`."""


class Loads(NamedTuple):
    """Totals of one source's events of one log in one warehouse, since it was connected or loaded anew."""

    source_id: SourceId
    shard: Shard
    position: Position
    events: int
    withheld: int
    failed: int
    latencies: Mapping[int, int]


class Warehouses(Protocol):
    """Stores connected warehouses and their syncs. Methods block; other processes see a change at once."""

    def add(
        self, kind: WarehouseKind, url: str, name: str | None, source_ids: Collection[SourceId] | None
    ) -> ConnectedWarehouse:
        """Connects a warehouse, named after its kind where no name is given (`postgres`, `postgres_2`, …).

        Raises `Rejected` for a name in use.
        """

    def connected(self) -> list[ConnectedWarehouse]: ...

    def enable(self, name: str, *, enabled: bool) -> ConnectedWarehouse:
        """Enables or disables loading. The log keeps events for a disabled warehouse as for one that is unreachable.

        Raises `NotFound`.
        """

    # One source and not a list: of two requests at once both are stored.
    def connect(self, name: str, source_id: SourceId) -> ConnectedWarehouse:
        """Loads this source too, from the log's oldest event on. Raises `NotFound`."""

    def disconnect(self, name: str, source_id: SourceId, everyone: Collection[SourceId]) -> ConnectedWarehouse:
        """Stops loading this source; loaded rows stay. A warehouse that loads all sources loads, from now on, only the
        others of `everyone`.

        Raises `NotFound`.
        """

    def remove(self, name: str) -> None:
        """Removes the connection, its history and its selections; rows stay in the warehouse. Raises `NotFound`."""

    def record(self, syncs: Sequence[Sync]) -> None:
        """Adds syncs to the history, which holds the newest `MAX_SYNCS` of each warehouse, and to the loads."""

    def syncs(self, warehouse: str | None, *, limit: int) -> list[Sync]:
        """Returns the newest first; of every warehouse where none is named."""

    def loads(self, warehouse: str, shard: Shard | None = None) -> list[Loads]:
        """Returns the totals of each source that was ever loaded into it, from one log or from each."""

    def begin_anew(self, warehouse: str, source_id: SourceId, shard: Shard | None = None) -> None:
        """Forgets the source's totals, of one log or of all, because it is loaded anew."""


def free_warehouse_name(name: str | None, kind: WarehouseKind, used: Collection[str]) -> str:
    """Returns the name, or the first of `postgres`, `postgres_2`, … that is free where none is given.

    Raises `Rejected` for a name that is none or in use.
    """
    if name is not None and not _NAME.fullmatch(name):
        raise Rejected(f"name {name!r:.60} must be small letters, digits, _ and -, at most 48.", field="name")
    if name is not None and (name == BUILT_IN or name in used):
        raise Rejected(f"There is a warehouse named {name!r} already. Give another --name.", field="name")
    candidates = (kind if number == 1 else f"{kind}_{number}" for number in count(1))
    return name or next(free for free in candidates if free not in used)


def no_warehouse(name: str) -> NotFound:
    return NotFound(f"There is no connected warehouse {name!r:.100}. See `tifo warehouse list`.", field="name")
