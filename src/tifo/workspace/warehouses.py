"""Warehouses beside the built-in DuckDB file, and the history of what was synced into each."""

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from itertools import count
from typing import NamedTuple, Protocol

from tifo.kernel.errors import NotFound, Rejected
from tifo.kernel.ids import Position, SourceId

BUILT_IN = "duckdb"
"""The name of the DuckDB file, which is always there and takes every source."""
KEPT_SYNCS = 5_000
"""The history holds so many syncs of each warehouse."""
_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,47}")


class WarehouseKind(StrEnum):
    POSTGRES = "postgres"


@dataclass(frozen=True, kw_only=True)
class ConnectedWarehouse:
    name: str
    kind: WarehouseKind
    url: str = field(repr=False)
    """May hold a password."""
    source_ids: frozenset[SourceId] | None
    """None for every source, those to come included."""
    created_at: datetime
    enabled: bool = True

    def takes(self, source_id: SourceId) -> bool:
        return self.source_ids is None or source_id in self.source_ids


def named_warehouse(connected: Collection[ConnectedWarehouse], name: str) -> ConnectedWarehouse:
    """Raises `NotFound`, naming those that there are."""
    for warehouse in connected:
        if warehouse.name == name:
            return warehouse
    known = ", ".join([BUILT_IN, *(each.name for each in connected)])
    raise NotFound(f"There is no warehouse {name!r:.100}. Known are {known}.", field="warehouse")


class SyncStatus(StrEnum):
    SUCCESS = "success"
    FAILURE = "failure"


@dataclass(frozen=True, kw_only=True)
class Sync:
    """One load of one source into one warehouse; or a failure, which has no source: nothing was changed then."""

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
    """Messages, rows and values that stay out of this warehouse by choice, by the reason."""
    position: Position | None = None
    """Up to where the source's events are handled now; None for a failure."""
    withheld: int = 0
    """Of the events, those that their own `integrations` keep out."""
    failed: int = 0
    """Of the events, those that were set aside whole."""
    latencies: Mapping[int, int] = field(default_factory=dict)
    """From receipt to row: events by bucket of `delivery.latency`."""


class Loads(NamedTuple):
    """Of one source into one warehouse, since it was connected or loaded anew."""

    source_id: SourceId
    position: Position
    events: int
    withheld: int
    failed: int
    latencies: Mapping[int, int]


class Warehouses(Protocol):
    """Methods block. Other processes see a change at once."""

    def add(
        self, kind: WarehouseKind, url: str, name: str | None, source_ids: Collection[SourceId] | None
    ) -> ConnectedWarehouse:
        """Named after its kind where no name is given (`postgres`, `postgres_2`, …). Raises `Rejected` for a name that
        is taken.
        """

    def connected(self) -> list[ConnectedWarehouse]: ...

    def enable(self, name: str, *, enabled: bool) -> ConnectedWarehouse:
        """A disabled one is not loaded; the log waits for it as for one that is away. Raises `NotFound`."""

    def connect(self, name: str, source_id: SourceId) -> ConnectedWarehouse:
        """Load this source too: the warehouse gets what the log holds of it. Raises `NotFound`."""

    def disconnect(self, name: str, source_id: SourceId, everyone: Collection[SourceId]) -> ConnectedWarehouse:
        """Load this source no more; what was loaded stays. A warehouse that takes all sources takes, from now on,
        those of `everyone` only. Raises `NotFound`.
        """

    def remove(self, name: str) -> None:
        """What was loaded stays in the warehouse. Raises `NotFound`."""

    def record(self, syncs: Sequence[Sync]) -> None:
        """Stores syncs: the newest `KEPT_SYNCS` of each warehouse stay."""

    def syncs(self, warehouse: str | None, *, limit: int) -> list[Sync]:
        """The newest first."""

    def loads(self, warehouse: str) -> list[Loads]:
        """Of each source that was ever loaded into it."""

    def begin_anew(self, warehouse: str, source_id: SourceId) -> None:
        """Its numbers: the source is loaded anew."""


def free_warehouse_name(name: str | None, kind: WarehouseKind, used: Collection[str]) -> str:
    """Returns the name, or the first of `postgres`, `postgres_2`, … that is free where none is given.

    Raises `Rejected` for a name that is none or in use.
    """
    if name is not None and not _NAME.fullmatch(name):
        raise Rejected(f"name {name!r:.60} must be small letters, digits, _ and -, at most 48.", field="name")
    if name is not None and (name == BUILT_IN or name in used):
        raise Rejected(f"There is a warehouse named {name!r} already. Give another --name.", field="name")
    candidates = (kind.value if number == 1 else f"{kind.value}_{number}" for number in count(1))
    return name or next(free for free in candidates if free not in used)


def no_warehouse(name: str) -> NotFound:
    return NotFound(f"There is no connected warehouse {name!r:.100}. See `tifo warehouse list`.", field="name")
