"""`tifo backup` and `tifo restore`.

Exit codes: 0 done; 2 the backup or the folder is not what it should be; 75 a file cannot be copied now.
"""

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from tifo.app.cli.output import show, talk
from tifo.app.cli.parameters import Data, Json
from tifo.app.settings import load_settings
from tifo.kernel.clock import to_iso


def backup(
    folder: Path,
    /,
    *,
    keep: Annotated[int | None, Parameter(help="Delete all but the newest so many backups in the folder.")] = None,
    warehouse: Annotated[bool, Parameter(negative="", help="Back up the built-in warehouse too.")] = False,
    data: Data = None,
    json: Json = False,
) -> None:
    """Back up a node, which may run: state, log and secrets, into a new folder below FOLDER (docs/backup.md)."""
    from tifo.app.backups.backup import make_backup

    settings = load_settings({"data": data})
    made = make_backup(settings, folder, keep=keep, warehouse=warehouse)
    if settings.database_url:
        talk.print("The state is in PostgreSQL, and not in this backup: docs/backup.md says how to back it up first.")
    show(
        {
            "backup": str(made.folder),
            "made_at": to_iso(made.manifest.made_at),
            "log": made.manifest.shard,
            "bytes": made.bytes,
            "state": made.manifest.state,
            "warehouse": made.manifest.has_warehouse,
            "removed": [str(each) for each in made.removed],
        },
        as_json=json,
    )


def restore(
    backup: Path | None = None,
    /,
    *,
    as_copy: Annotated[
        bool, Parameter(negative="", help="The original goes on: give this folder's log an identity of its own.")
    ] = False,
    data: Data = None,
    json: Json = False,
) -> None:
    """Restore BACKUP (or the newest one in it) into an empty data folder; without it, bless a folder copied by hand."""
    from tifo.app.backups.restore import restore as restored

    done = restored(load_settings({"data": data}), backup, copies=as_copy)
    show(
        {
            "data": str(done.data),
            "backup": None if done.backup is None else str(done.backup),
            "log": done.identity.shard,
            "copied_from": done.identity.copied_from or None,
        },
        as_json=json,
    )
    talk.print("Start it by tifo up, then prove it by tifo audit.")
