"""Restores a data folder from a backup, or blesses one that was copied by hand."""

import contextlib
import fcntl
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tifo.app import compose
from tifo.app.backups.backup import newest_backup, verify
from tifo.app.backups.files import copy_file, write_ahead
from tifo.app.backups.manifest import Manifest, read_manifest
from tifo.app.settings import Settings
from tifo.eventlog.identity import LogIdentity, as_copy, read_identity, succeed
from tifo.kernel.errors import Conflict, Rejected
from tifo.kernel.ids import LogPosition, Position
from tifo.store.delivery.forks import begin_fork, leave_to_original


@dataclass(frozen=True)
class Restored:
    data: Path
    backup: Path | None
    """The backup that it came from; None for a folder that was copied by hand."""
    identity: LogIdentity
    log_end: Position


def restore(settings: Settings, source: Path | None, *, copies: bool = False) -> Restored:
    """Restores a backup into the data folder, which must be empty; without one, takes the folder as it is.

    The folder is taken for the lost node's, and goes on with what that had not done yet. With `copies` the original
    goes on: the folder gets an identity of its own, and what waits to be sent is left to the original. Raises
    `Rejected` for a damaged backup or a folder that is in use, `Conflict` while Tifo runs on it.
    """
    backup = None if source is None else newest_backup(source)
    if backup is not None:
        _check_empty(settings)
        manifest = read_manifest(backup)
        _check_state(manifest, settings)
        verify(backup, manifest)
        _copy(backup, manifest, settings)
    elif settings.database.exists():
        compose.make_state(settings)  # one that cannot be used is reported before anything changes
    if read_identity(settings.log) is None:
        raise Rejected(f"There is no data in {settings.data.absolute()}. Name the backup, or the folder by --data.")
    with _stopped(settings) as end:
        identity = _forked(settings, end) if copies else succeed(settings.log)
    return Restored(settings.data, backup, identity, end)


def _check_empty(settings: Settings) -> None:
    if settings.data.exists() and any(settings.data.iterdir()):
        raise Rejected(
            f"The data folder {settings.data.absolute()} is not empty. Move it away, or name another by --data.",
            field="data",
        )


def _check_state(manifest: Manifest, settings: Settings) -> None:
    """Raises `Rejected` where the settings name another kind of state than the backup was made beside."""
    wanted = "postgresql" if settings.database_url else "sqlite"
    if manifest.state != wanted:
        raise Rejected(
            f"The backup's state is {manifest.state}, and the settings name {wanted}. Set TIFO_DATABASE_URL as it was.",
            field="database_url",
        )


def _copy(backup: Path, manifest: Manifest, settings: Settings) -> None:
    """Copies under another name, then renames: a restore that is cut off leaves nothing that looks like a folder."""
    part = settings.data.with_name(f".{settings.data.name}.part")
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir(parents=True, mode=0o700)
    for name in manifest.files:
        copy_file(backup / name, part / name)
    verify(part, manifest)
    for name in manifest.files:
        if name.endswith(".db"):
            write_ahead(part / name)
    if settings.data.exists():
        settings.data.rmdir()
    part.rename(settings.data)


@contextlib.contextmanager
def _stopped(settings: Settings) -> Iterator[Position]:
    """Holds the log, so that no api runs meanwhile. Yields the log's end."""
    settings.log.mkdir(parents=True, exist_ok=True, mode=0o700)
    with (settings.log / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise Conflict(f"Tifo runs on {settings.data}. Stop it first.") from error
        with contextlib.closing(compose.open_log_reader(settings)) as log:
            end = log.end()
        yield end


def _forked(settings: Settings, end: Position) -> LogIdentity:
    before = read_identity(settings.log)
    assert before is not None  # noqa: S101 (`restore` has looked)
    identity = as_copy(settings.log)
    # The original goes on under the names that its roles hold leases by.
    shutil.rmtree(settings.data / "leases", ignore_errors=True)
    database = compose.open_state(settings)
    try:
        # A PostgreSQL is the original's own, and shared; a file was copied with the log.
        if not settings.database_url:
            leave_to_original(database, before.shard, identity.shard)
        begin_fork(database, LogPosition(identity.shard, end))
    finally:
        database.dispose()
    return identity
