"""`tifo migrate`: copies the state from its folder into PostgreSQL.

Exit codes: 0 copied, and the copy equals the source; 1 they differ, and the copy is discarded.
"""

import dataclasses
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated

from cyclopts import Parameter
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from tifo.app.cli.output import log_to_stderr, show, talk
from tifo.app.cli.parameters import Data, Json
from tifo.app.migration import migrate_state, source_of
from tifo.app.settings import load_settings
from tifo.store.sql.copying import Advance

COPIED, DIFFERENT = 0, 1


def migrate(
    *,
    to: Annotated[str, Parameter(help="postgresql://user@host/database; the database is there, and empty.")],
    data: Data = None,
    json: Json = False,
) -> int:
    """Copy the state into an empty PostgreSQL and check the copy. Tifo must not run meanwhile (docs/postgresql.md)."""
    log_to_stderr()
    settings = source_of(load_settings({"data": data}), to)
    with _progress() as advance:
        copied = migrate_state(settings, to, advance)
    if json:
        show({"ok": not copied.differences, **dataclasses.asdict(copied)}, as_json=True)
    else:
        show({f"rows of {name}": count for name, count in copied.tables.items() if count}, as_json=False)
        show({f"balances of {item}": total for item, total in copied.balances.items()}, as_json=False)
    for difference in copied.differences:
        talk.print(f"DIFFERS  {difference}", style="bold red", markup=False)
    if copied.differences:
        talk.print("The copy is discarded.")
        return DIFFERENT
    talk.print("The copy equals the source. From now on start Tifo with TIFO_DATABASE_URL set to it.")
    return COPIED


@contextmanager
def _progress() -> Iterator[Advance]:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=talk) as progress:
        bar = progress.add_task("Rows copied", total=None)
        yield lambda done, of: progress.update(bar, completed=done, total=of)
