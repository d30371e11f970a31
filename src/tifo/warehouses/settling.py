"""Settles names: decides which key owns which column, and which event name gets a table now. Pure.

**Columns.** The first key that asks for a column owns it; of the keys of one message, the one that is spelled like the
column. A later key gets the first free of `name_2`, `name_3`, ….

**Budgets.** Anybody may have a write key of a website, so new names are rationed (see `budgets.py`): the keys that most
messages have come first. What the tracking plan names, or the warehouse has already, is free and never refused.

**Proof.** Where a load brings more new event names than the budget gives it, the others wait. A name has proved itself
after `PROOF_EVENTS` events; then the budget is for it before it is for names that nobody has seen yet.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from operator import attrgetter

from tifo.warehouses.budgets import Allowance, Budget, Budgets, share_of
from tifo.warehouses.names import (
    CONTEXT,
    MAX_SPELLING,
    MAX_SPELLINGS,
    PROOF_EVENTS,
    ColumnWish,
    NamedColumn,
    NamedTable,
    Settled,
    TableWish,
    Wishes,
)
from tifo.warehouses.naming import Path, free_name, short_name

TABLES = ""
"""Stands, among the allowances of tables, for the one that new tables are made of."""
MAX_WAITING = 5_000
"""Event names of one source that wait; of more the newest stay."""
_PROVEN_SHARE = 0.9
_LIMIT_AGAIN = timedelta(hours=1)


@dataclass(kw_only=True)
class SourceNames:
    """Settles names of one source. A store fills it with what the wishes are about, and writes what was `made`."""

    tables: dict[str, NamedTable] = field(default_factory=dict)
    columns: dict[str, dict[Path, str]] = field(default_factory=dict)
    allowances: dict[str, Allowance] = field(default_factory=dict)
    table_count: int = 0
    """Tables of the whole source that do not wait."""

    def settle(self, wishes: Wishes, budgets: Budgets, now: datetime) -> "Settlement":
        made = Settlement()
        _TableSettling(self, made, now).settle(wishes, budgets.tables)
        by_table: dict[str, list[ColumnWish]] = {}
        for wish in wishes.columns:
            by_table.setdefault(wish.table, []).append(wish)
        refused = {wish.table for wish in wishes.tables if not self.has_table(wish.table)}
        for table, columns in by_table.items():
            if table not in refused:
                budget = budgets.context if table == CONTEXT else budgets.columns
                _ColumnSettling(self, made, now, table).settle(columns, wishes.existing.get(table, ()), budget)
        return made

    def has_table(self, name: str) -> bool:
        found = self.tables.get(name)
        return found is not None and found.made_at is not None

    def answer(self, wishes: Wishes, made: "Settlement") -> Settled:
        found = [
            NamedColumn(wish.table, wish.path, name)
            for wish in wishes.columns
            if (name := self.columns.get(wish.table, {}).get(wish.path)) is not None
        ]
        tables = {
            wish.table: self.tables[wish.table]
            for wish in wishes.tables
            if self.has_table(wish.table) or (wish.table in self.tables and not made.is_full)
        }
        return Settled(tables=tables, columns=found, again_at=made.again_at)


@dataclass
class Settlement:
    """Holds what was settled by one call, to be stored."""

    tables: dict[str, NamedTable] = field(default_factory=dict)
    columns: list[NamedColumn] = field(default_factory=list)
    allowances: dict[str, Allowance] = field(default_factory=dict)
    again_at: dict[str, datetime] = field(default_factory=dict)
    is_full: bool = False
    """The source has all tables that it may have for events that no plan names."""


class _TableSettling:
    def __init__(self, names: SourceNames, made: Settlement, now: datetime) -> None:
        self._names = names
        self._made = made
        self._now = now

    def settle(self, wishes: Wishes, budget: Budget) -> None:
        there = max(self._names.table_count, wishes.event_tables)
        for wish in wishes.tables:
            if self._names.has_table(wish.table) or wish.is_planned or wish.is_there:
                self._note(wish, has_table=True)
        others = [wish for wish in wishes.tables if not self._names.has_table(wish.table)]
        room = max(0, wishes.max_tables - there)
        chosen = self._chosen(others, room, budget)
        for wish in chosen:
            self._note(wish, has_table=True)
        # Where the last table is given away, waiting would be in vain.
        self._made.is_full = len(chosen) >= room
        for wish in others:
            if not self._made.is_full and not self._names.has_table(wish.table):
                self._note(wish, has_table=False)

    def _chosen(self, wishes: Sequence[TableWish], room: int, budget: Budget) -> Sequence[TableWish]:
        left = budget.left(self._names.allowances.get(TABLES), self._now)
        proven = sorted(filter(self._is_proven, wishes), key=attrgetter("count"), reverse=True)
        fresh = [wish for wish in wishes if not self._is_proven(wish) and wish.table not in self._names.tables]
        chosen = proven[: min(room, share_of(left, max(budget.share, _PROVEN_SHARE)))]
        chosen += fresh[: min(room - len(chosen), share_of(left - len(chosen), budget.share))]
        if chosen:
            self._made.allowances[TABLES] = Allowance(left - len(chosen), self._now)
        return chosen

    def _is_proven(self, wish: TableWish) -> bool:
        return len(self._seen(wish)) >= PROOF_EVENTS

    def _seen(self, wish: TableWish) -> tuple[str, ...]:
        # Ids and not a count: every loader, and every load that is tried again, reports the same messages.
        known = self._names.tables.get(wish.table)
        return tuple(dict.fromkeys((*(known.seen if known else ()), *wish.ids)))[:PROOF_EVENTS]

    def _note(self, wish: TableWish, *, has_table: bool) -> None:
        known = self._names.tables.get(wish.table)
        table = self._noted(wish, known, has_table=has_table)
        if table != known:
            self._names.table_count += has_table and not self._names.has_table(wish.table)
            self._names.tables[wish.table] = self._made.tables[wish.table] = table

    def _noted(self, wish: TableWish, known: NamedTable | None, *, has_table: bool) -> NamedTable:
        before = known or NamedTable(name=wish.table, events=(), first_at=wish.first_at, made_at=None)
        spellings = (*before.events, *(event[:MAX_SPELLING] for event in wish.events))
        events = tuple(dict.fromkeys(spellings))[:MAX_SPELLINGS]
        if not has_table:
            return replace(before, events=events, seen=self._seen(wish))
        is_made = before.made_at is not None
        return replace(
            before,
            events=events,
            seen=(),
            made_at=before.made_at if is_made else self._now,
            waited=before.waited if is_made else known is not None,
        )


class _ColumnSettling:
    def __init__(self, names: SourceNames, made: Settlement, now: datetime, table: str) -> None:
        self._names = names
        self._made = made
        self._now = now
        self._table = table
        self._settled = names.columns.setdefault(table, {})
        # The short forms: no two columns may become one in a warehouse that cuts names.
        self._used = {short_name(name) for name in self._settled.values()}

    def settle(self, wishes: Sequence[ColumnWish], existing: Collection[str], budget: Budget) -> None:
        open_wishes = [wish for wish in wishes if wish.path not in self._settled]
        rationed = [wish for wish in open_wishes if not self._is_free(wish, existing)]
        if not rationed:
            return
        left = budget.left(self._names.allowances.get(self._table), self._now)
        room = max(0, int(budget.limit) - len(self._settled))
        # Sorting is stable: of keys that as many messages have, the earlier one comes first.
        ranked = sorted(rationed, key=attrgetter("count"), reverse=True)
        chosen = {wish.path for wish in ranked[: min(room, share_of(left, budget.share))]}
        for wish in rationed:
            if wish.path in chosen:
                self._give(wish)
        self._spend(budget, left, len(chosen), is_full=room <= len(chosen))

    def _is_free(self, wish: ColumnWish, existing: Collection[str]) -> bool:
        """Gives the key its column if that costs nothing."""
        name = free_name(wish.wanted, self._used)
        is_free = wish.is_planned or name in existing
        if is_free:
            self._give(wish)
        return is_free

    def _give(self, wish: ColumnWish) -> None:
        name = free_name(wish.wanted, self._used)
        self._used.add(short_name(name))
        self._settled[wish.path] = name
        self._made.columns.append(NamedColumn(self._table, wish.path, name))

    def _spend(self, budget: Budget, left: float, used: int, *, is_full: bool) -> None:
        if used:
            self._made.allowances[self._table] = Allowance(left - used, self._now)
        if is_full:
            self._made.again_at[self._table] = self._now + _LIMIT_AGAIN
        elif left - used < 1:
            self._made.again_at[self._table] = budget.next_at(left - used, self._now)
