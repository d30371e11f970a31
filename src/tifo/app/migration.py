"""Composes the copy of a state into PostgreSQL. It stands beside `compose`, as it alone opens two states at once."""

import dataclasses
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass

from tifo.app import compose
from tifo.app.settings import Settings
from tifo.kernel.errors import Rejected
from tifo.store.sql.copying import Advance, copy_state
from tifo.store.sql.database import open_postgres, postgres_url

_PORT = 5432


@dataclass(frozen=True)
class CopiedState:
    """Counts what the source holds. Where there are differences, the copy is discarded."""

    tables: Mapping[str, int]
    """Rows by table."""
    balances: Mapping[str, int]
    """Sums of balances by reward item."""
    differences: Sequence[str]
    """One sentence each, seen from the source."""


def migrate_state(settings: Settings, to: str, advance: Advance) -> CopiedState:
    """Copies the state and compares the copy. Raises `Transient` while an api runs on the folder."""
    with ExitStack() as opened:
        if not settings.database_url:
            # Only one process may append to the event log, and the api does. While we hold the log, no api runs.
            opened.enter_context(closing(compose.open_log(settings)))
        source = compose.open_state(settings)
        opened.callback(source.dispose)
        target = open_postgres(to)
        opened.callback(target.dispose)
        totals, differences = copy_state(source, target, advance)
    return CopiedState(totals.tables, totals.balances, differences)


def source_of(settings: Settings, to: str) -> Settings:
    """Returns the settings of the state to copy: the folder, unless they name another PostgreSQL than the target."""
    if settings.database_url and _place(settings.database_url) == _place(to):
        settings = dataclasses.replace(settings, database_url="")
    if not settings.database_url and not settings.database.exists():
        raise Rejected(f"There is no state in {settings.data}. Name the folder that has it by --data.", field="data")
    return settings


def _place(url: str) -> tuple[object, ...]:
    parsed = postgres_url(url)
    return parsed.host, parsed.port or _PORT, parsed.database
