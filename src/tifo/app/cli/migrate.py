"""`tifo migrate`: copies the state from its folder into PostgreSQL.

Exit codes: 0 copied, and the copy equals the source; 1 they differ, and the copy is discarded.
"""

import dataclasses
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from tifo.app import compose
from tifo.app.cli.output import log_to_stderr, show, talk
from tifo.app.settings import Settings, load_settings
from tifo.kernel.errors import Rejected
from tifo.store.sql.copying import Advance, copy_state
from tifo.store.sql.database import open_postgres, postgres_url

COPIED, DIFFERENT = 0, 1
_PORT = 5432


def migrate(
    *,
    to: Annotated[str, Parameter(help="postgresql://user@host/database; the database is there, and empty.")],
    data: Annotated[Path | None, Parameter(help="Folder that holds all state (default: tifo-data).")] = None,
    json: Annotated[bool, Parameter(name="--json", negative="", help="Print one JSON document.")] = False,
) -> int:
    """Copy the state into an empty PostgreSQL and check the copy. Tifo must not run meanwhile (docs/postgresql.md)."""
    log_to_stderr()
    settings = source_of(load_settings({"data": data}), to)
    with _progress() as advance:
        moved = move(settings, to, advance)
    if json:
        show(moved, as_json=True)
    else:
        show({f"rows of {name}": count for name, count in moved["tables"].items() if count}, as_json=False)
        show({f"balances of {item}": total for item, total in moved["balances"].items()}, as_json=False)
    for difference in moved["differences"]:
        talk.print(f"DIFFERS  {difference}", style="bold red", markup=False)
    if moved["differences"]:
        talk.print("The copy is discarded.")
        return DIFFERENT
    talk.print("The copy equals the source. From now on start Tifo with TIFO_DATABASE_URL set to it.")
    return COPIED


def move(settings: Settings, to: str, advance: Advance) -> dict[str, Any]:
    """`{"tables", "balances", "differences", "ok"}`. Raises `Transient` while an api runs on the folder."""
    with ExitStack() as opened:
        if not settings.database_url:
            # Only one process may append to the event log, and the api does. While we hold the log, no api runs.
            opened.enter_context(closing(compose.open_log(settings)))
        source = compose.open_state(settings)
        opened.callback(source.dispose)
        target = open_postgres(to)
        opened.callback(target.dispose)
        totals, differences = copy_state(source, target, advance)
    return {
        "ok": not differences,
        "tables": totals.tables,
        "balances": totals.balances,
        "differences": differences,
    }


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


@contextmanager
def _progress() -> Iterator[Advance]:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=talk) as progress:
        bar = progress.add_task("Rows copied", total=None)
        yield lambda done, of: progress.update(bar, completed=done, total=of)
