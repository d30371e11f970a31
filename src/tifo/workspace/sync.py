"""Selective sync: which tables and columns of a source go into a warehouse. All do, unless they are turned off.

Names are the warehouse's (`order_completed`, `context_ip`), as docs/warehouses.md makes them, before a warehouse cuts
names that are too long for it. A table or column that is turned off is not loaded from then on; loaded rows and values
stay. The event log holds everything, so `tifo warehouse resync` loads what is turned on again.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from tifo.kernel.errors import Rejected

ALWAYS_TAKEN_COLUMNS = frozenset(("id", "received_at", "uuid_ts"))
"""Segment: these identify and order rows, and are always loaded."""
ALWAYS_TAKEN_TABLES = frozenset(("_discards",))
"""Tables that are always loaded. `_discards` holds values that fit nowhere else; a column that is off gives none."""
MAX_OVERRIDES = 5_000
"""Tables and columns of one source that may be off in one warehouse. Ours."""
MAX_NAME = 127
"""Characters of a table's or column's name."""


class Override(NamedTuple):
    """One setting, in Segment's form: `column` None means the whole table."""

    table: str
    column: str | None
    enabled: bool


@dataclass(frozen=True)
class Selection:
    """The tables and columns that are off for one source in one warehouse. Read once for each load."""

    tables_off: frozenset[str] = frozenset()
    columns_off: Mapping[str, frozenset[str]] = field(default_factory=dict)
    """Columns by table. A table that is off keeps its columns' settings for when it is on again."""

    def takes_table(self, table: str) -> bool:
        return table not in self.tables_off

    def takes_column(self, table: str, column: str) -> bool:
        """False for every column of a table that is off."""
        return table not in self.tables_off and column not in self.columns_off.get(table, ())

    @property
    def is_everything(self) -> bool:
        return not self.tables_off and not self.columns_off


EVERYTHING = Selection()


def with_overrides(selection: Selection, overrides: Iterable[Override]) -> Selection:
    """Applies overrides; later ones win. Raises `Rejected` for what cannot be turned off, or for too many settings."""
    tables, columns = set(selection.tables_off), {table: set(off) for table, off in selection.columns_off.items()}
    for override in overrides:
        _check(override)
        off = tables if override.column is None else columns.setdefault(override.table, set())
        name = override.table if override.column is None else override.column
        # One setting a name is stored, and only for what is off: everything else is loaded, also what comes later.
        (off.discard if override.enabled else off.add)(name)
    if len(tables) + sum(map(len, columns.values())) > MAX_OVERRIDES:
        raise Rejected(f"At most {MAX_OVERRIDES:,} tables and columns of a source are turned off.", field="overrides")
    return Selection(frozenset(tables), {table: frozenset(off) for table, off in sorted(columns.items()) if off})


def _check(override: Override) -> None:
    for name, what in ((override.table, "table"), (override.column, "column")):
        if name is not None and not (0 < len(name) <= MAX_NAME and name.isprintable()):
            raise Rejected(f"{what} {name!r:.150} is no name of 1 to {MAX_NAME} characters.", field=what)
    # Turning on what cannot be off changes nothing.
    if override.enabled:
        return
    if override.table in ALWAYS_TAKEN_TABLES:
        raise Rejected(f"{override.table} is always there: it holds what could not be stored elsewhere.", field="table")
    if override.column in ALWAYS_TAKEN_COLUMNS:
        raise Rejected(
            f"{override.table}.{override.column} cannot be turned off: it identifies or orders rows."
            " Turn the table off, or another column.",
            field="column",
        )
