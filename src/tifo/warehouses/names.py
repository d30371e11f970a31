"""Defines the contract of settled names: which table an event has, and which column a key, in every warehouse alike."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple, Protocol

from tifo.kernel.ids import SourceId
from tifo.warehouses.budgets import MAX_TABLES
from tifo.warehouses.naming import Path

CONTEXT = "*"
"""Stands for the table of `context` columns, which every table has under the same names."""
PROOF_EVENTS = 3
"""Events, of different message ids, after which a new event name has proved itself."""
MAX_SPELLINGS = 10
"""Event names that are stored for one table. Further ones share it all the same."""
MAX_SPELLING = 200
"""Characters that are stored of such a name."""


@dataclass(frozen=True, kw_only=True)
class NamedTable:
    """An event's table, or one that waits until the event name has proved itself."""

    name: str
    events: tuple[str, ...]
    """The event names that share the table, in the order in which they came: at most `MAX_SPELLINGS`."""
    first_at: datetime
    """When the first event was received."""
    made_at: datetime | None
    """When the name got its table. None: it waits."""
    seen: tuple[str, ...] = ()
    """While it waits: ids of at most `PROOF_EVENTS` messages."""
    waited: bool = False
    """The name waited: events that came before `made_at` are rows of `tracks`, and no loader had a table for them."""


class NamedColumn(NamedTuple):
    """A column that belongs to one key."""

    table: str
    """An event's table, a standard one, or `CONTEXT`."""
    path: Path
    name: str


@dataclass(frozen=True, kw_only=True)
class TableWish:
    """Asks for the table of events that have none."""

    table: str
    events: tuple[str, ...]
    """Their names as they were sent."""
    ids: tuple[str, ...]
    """Ids of the first `PROOF_EVENTS` messages."""
    count: int
    first_at: datetime
    is_planned: bool = False
    """The source's tracking plan names the event: no budget holds it back."""
    is_there: bool = False
    """The warehouse has the table already, from before names were settled."""


@dataclass(frozen=True, kw_only=True)
class ColumnWish:
    """Asks for the column of a key that has none."""

    table: str
    path: Path
    wanted: str
    """The name that the key gives."""
    count: int
    """Messages that have the key."""
    is_planned: bool = False


@dataclass(frozen=True)
class Planned:
    """The tables and keys that the source's tracking plan names."""

    tables: Collection[str] = frozenset()
    paths: Mapping[str, Collection[Path]] = field(default_factory=dict)
    """By table. A key inside a planned object is planned too."""

    def has_path(self, table: str, path: Path) -> bool:
        paths = self.paths.get(table, ())
        return any(path[:length] in paths for length in range(1, len(path) + 1))


UNPLANNED = Planned()


@dataclass(frozen=True, kw_only=True)
class Wishes:
    """Holds everything that one load asks for, in the order in which it came."""

    tables: Sequence[TableWish] = ()
    columns: Sequence[ColumnWish] = ()
    existing: Mapping[str, Collection[str]] = field(default_factory=dict)
    """The columns that the warehouse has, by table: they cost no budget."""
    event_tables: int = 0
    """Tables for events that the warehouse has."""
    max_tables: int = MAX_TABLES


@dataclass(frozen=True, kw_only=True)
class Settled:
    """Answers wishes. A column that was wished for and is not named here has none."""

    tables: Mapping[str, NamedTable] = field(default_factory=dict)
    """A table that was wished for and is absent: the schema has all its tables."""
    columns: Sequence[NamedColumn] = ()
    again_at: Mapping[str, datetime] = field(default_factory=dict)
    """Tables whose budget of columns is used up, with the time when asking is of use again."""


class SchemaNames(Protocol):
    """Stores the names of each source's tables and columns. Methods block, and raise `Transient`.

    A name is settled once, by whoever asks first, and never changes: every loader of the source, on every node that
    shares the state, gets the same one. No two keys of a table have one column.
    """

    def read(self, source_id: SourceId) -> Settled:
        """Returns all tables of the source, waiting ones too, and all its columns, in the order of their settlement."""

    def settle(self, source_id: SourceId, wishes: Wishes) -> Settled:
        """Settles what is new by the rules of `settling.py`, durable on return, and returns what was settled before."""
