"""Names the tables and columns of one source while its messages are converted, and asks for what has no name yet.

A block of messages is converted with the names that are known. Where some are missing, all of them are asked for in one
call, and the block is converted again. So a block without new names asks nobody.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from functools import cached_property
from typing import Protocol

from tifo.kernel.clock import Clock, from_iso, system_clock
from tifo.warehouses.budgets import MAX_TABLES, UNRATIONED
from tifo.warehouses.names import (
    CONTEXT,
    MAX_SPELLING,
    MAX_SPELLINGS,
    PROOF_EVENTS,
    UNPLANNED,
    ColumnWish,
    NamedTable,
    Planned,
    Settled,
    TableWish,
    Wishes,
)
from tifo.warehouses.naming import STANDARD_TABLES, NameOf, Path
from tifo.warehouses.settling import SourceNames
from tifo.warehouses.shapes import Shapes

_MAX_WISHES = 5_000
"""New keys of one table that one block asks for: no table has room for more."""
_MAX_SHAPES = 1_024
_EXAMPLES = 3


class Received(Protocol):
    """A message, as far as a wish needs it."""

    message_id: str
    received_at: str


class SourceNaming:
    """Names one source for one loader: `begin` a block, convert it, `settle`, and convert it again where that says so.

    `existing` holds the columns that the warehouse has by table, `planned` what the tracking plan names.
    """

    def __init__(
        self,
        settle: Callable[[Wishes], Settled],
        known: Settled | None = None,
        *,
        existing: Mapping[str, Collection[str]] | None = None,
        planned: Callable[[], Planned] = lambda: UNPLANNED,
        clock: Clock = system_clock,
    ) -> None:
        self.shapes = Shapes()
        self._settle = settle
        self._existing = dict(existing or {})
        self._planned = planned
        self._clock = clock
        self._tables: dict[str, NamedTable] = {}
        self._columns: dict[str, dict[Path, str]] = {}
        self._again_at: dict[str, datetime] = {}
        self._namings: dict[str, KeyNaming] = {}
        self._learn(known or Settled())
        self.begin()

    @classmethod
    def alone(cls) -> "SourceNaming":
        """Names a source by what its messages hold, without a store and budgets."""
        names = SourceNames()

        def settle(wishes: Wishes) -> Settled:
            return names.answer(wishes, names.settle(wishes, UNRATIONED, system_clock()))

        return cls(settle)

    def begin(self, stored: Collection[str] = (), max_tables: int = MAX_TABLES) -> None:
        """Begins a block. `stored` are the tables that the warehouse has."""
        self._stored = frozenset(stored) - STANDARD_TABLES
        self._max_tables = max_tables
        self._is_asking = True
        self._plan: Planned | None = None
        self._forget_wishes()
        self.late: dict[str, NamedTable] = {}
        """Tables of the block that the warehouse does not have yet, and whose earlier events waited."""
        self._waiting: dict[str, int] = {}
        self._refused: dict[str, dict[Path, int]] = {}

    def has_table(self, table: str, events: Sequence[str], messages: Sequence[Received]) -> bool:
        """Says whether the events, all that the block has for the table, get rows in it; asks for it where needed."""
        known = self._tables.get(table)
        is_made = known is not None and known.made_at is not None
        if self._is_asking and not (is_made and known and _has_spellings(known, events)):
            self._table_wishes[table] = self._wish(table, events, messages)
            return True
        if known and is_made:
            if known.waited and table not in self._stored:
                self.late[table] = known
            return True
        self._waiting[table] = len(messages)
        return False

    def refusal(self, table: str) -> str:
        """Says why the events have no table."""
        if table in self._tables:
            return (
                f"new event names came too many at once: this one gets its table after {PROOF_EVENTS} events, the first"
                " of them included; the event is in tracks"
            )
        return f"the schema has tables for {self._max_tables:,} events already; the event is in tracks"

    def columns(self, table: str, name_of: NameOf) -> "KeyNaming":
        naming = self._namings.get(table)
        if naming is None:
            names = self._columns.setdefault(table, {})
            naming = self._namings[table] = KeyNaming(table, name_of, names, self._missing)
        return naming

    def settle(self) -> bool:
        """Asks for what was missing. Returns whether the block must be converted again."""
        if not self._table_wishes and not self._column_wishes:
            return False
        planned = self._plan_now()
        tables = [replace(wish, is_planned=wish.table in planned.tables) for wish in self._table_wishes.values()]
        columns = [
            replace(wish, is_planned=planned.has_path(table, wish.path))
            for table, wishes in self._column_wishes.items()
            for wish in wishes.values()
        ]
        for table in self._table_wishes:
            self._tables.pop(table, None)
        self._learn(self._settle(self._wishes(tables, columns)))
        self._is_asking = False
        self._forget_wishes()
        return True

    def notices(self) -> list[str]:
        """Returns sentences on what the block got no table or column for."""
        found = []
        if self._waiting:
            events, names = sum(self._waiting.values()), list(self._waiting)
            found.append(
                f"{events:,} events of {len(names):,} new names are in tracks only, such as {_examples(names)}: too"
                " many new event names, see docs/warehouses.md, New names"
            )
        for table, paths in self._refused.items():
            keys = _examples([".".join(path) for path in paths])
            found.append(
                f"{len(paths):,} new keys of {table} have no column, such as {keys}: too many new keys, see"
                " docs/warehouses.md, New names"
            )
        return found

    def _forget_wishes(self) -> None:
        self._table_wishes: dict[str, TableWish] = {}
        self._column_wishes: dict[str, dict[Path, ColumnWish]] = {}
        for naming in self._namings.values():
            naming.asks = False

    def _wish(self, table: str, events: Sequence[str], messages: Sequence[Received]) -> TableWish:
        ids = dict.fromkeys(message.message_id for message in messages[: 2 * PROOF_EVENTS])
        return TableWish(
            table=table,
            events=tuple(event[:MAX_SPELLING] for event in events[:MAX_SPELLINGS]),
            ids=tuple(ids)[:PROOF_EVENTS],
            count=len(messages),
            first_at=self._time(messages[0].received_at),
            is_there=table in self._stored,
        )

    def _time(self, text: str) -> datetime:
        try:
            return from_iso(text)
        except (ValueError, OverflowError):
            return self._clock()

    def _missing(self, naming: "KeyNaming", paths: Sequence[Path], count: int) -> None:
        """Notes the keys of one shape that have no column; `count` messages have them."""
        table = naming.table
        if self._is_asking and self._may_ask(table, paths):
            naming.asks = True
            wishes = self._column_wishes.setdefault(table, {})
            for path in paths:
                before = wishes.get(path)
                if before is not None:
                    wishes[path] = replace(before, count=before.count + count)
                elif len(wishes) < _MAX_WISHES:
                    wishes[path] = ColumnWish(table=table, path=path, wanted=naming.wanted(path), count=count)
        elif len(refused := self._refused.setdefault(table, {})) < _MAX_WISHES:
            refused.update(dict.fromkeys(paths, count))

    def _may_ask(self, table: str, paths: Sequence[Path]) -> bool:
        # Without this, a client that sends ever new keys would have every block converted twice.
        again_at = self._again_at.get(table)
        if again_at is None or self._clock() >= again_at:
            return True
        planned = self._plan_now()
        return any(planned.has_path(table, path) for path in paths)

    def _plan_now(self) -> Planned:
        """Asks for the plan once a block, and only for a block with new names."""
        if self._plan is None:
            self._plan = self._planned()
        return self._plan

    def _wishes(self, tables: Sequence[TableWish], columns: Sequence[ColumnWish]) -> Wishes:
        return Wishes(
            tables=tables,
            columns=columns,
            existing=self._all_existing,
            event_tables=len(self._stored),
            max_tables=self._max_tables,
        )

    @cached_property
    def _all_existing(self) -> Mapping[str, Collection[str]]:
        context = {name for names in self._existing.values() for name in names if name.startswith("context_")}
        return {**self._existing, CONTEXT: context}

    def _learn(self, settled: Settled) -> None:
        self._tables.update(settled.tables)
        for table, path, name in settled.columns:
            self._columns.setdefault(table, {})[path] = name
        self._again_at.update(settled.again_at)


class KeyNaming:
    """Names the columns of one table's leaves; `name_of` is the name that a key asks for."""

    def __init__(
        self,
        table: str,
        name_of: NameOf,
        names: Mapping[Path, str],
        missing: Callable[["KeyNaming", Sequence[Path], int], None],
    ) -> None:
        self.table = table
        self.wanted = name_of
        self.asks = False
        """Keys of the block have no column yet, and are asked for: there is no use in converting it now."""
        self._names = names
        self._missing = missing
        self._shapes: dict[tuple[Path, ...], tuple[str | None, ...]] = {}

    def __call__(self, paths: tuple[Path, ...], count: int = 1) -> tuple[str | None, ...]:
        """Returns the columns of the leaves that `count` messages have. None for a leaf without one."""
        found = self._shapes.get(paths)
        if found is not None:
            return found
        names = tuple(map(self._names.get, paths))
        if None in names:
            open_paths = [path for path, name in zip(paths, names, strict=True) if name is None]
            # First those that are spelled like their column: `userId` of the same message must not take `user_id`.
            self._missing(self, sorted(open_paths, key=lambda path: path != (self.wanted(path),)), count)
            return names
        if len(self._shapes) >= _MAX_SHAPES:
            self._shapes.clear()
        self._shapes[paths] = names
        return names

    def column_of(self, path: Path) -> str | None:
        """Returns the key's column, where it has one; asks for none."""
        return self._names.get(path)

    def unused_name(self, path: Path) -> str:
        """Returns a name for a key that has no column, which no other key's column has."""
        wanted = self.wanted(path)
        # A column never holds a space.
        return f"{wanted} of {'.'.join(path)}" if wanted in self._names.values() else wanted


def _has_spellings(table: NamedTable, events: Sequence[str]) -> bool:
    return len(table.events) >= MAX_SPELLINGS or all(event[:MAX_SPELLING] in table.events for event in events)


def _examples(names: Sequence[str]) -> str:
    return ", ".join(f"{name:.60}" for name in names[:_EXAMPLES])
