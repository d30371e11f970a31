"""Backs up the data folder of a node that may run: state, log and secrets, consistent with each other.

The log is copied last. What the state says of it (cursors, relayed facts) is then true of the copied log, which may
hold more: a reader of the restored log goes on with that.
"""

import shutil
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from tifo.app.backups.files import check_sqlite, copy_file, copy_sqlite
from tifo.app.backups.manifest import FILE, Manifest, check_files, described
from tifo.app.settings import Settings
from tifo.eventlog.identity import FILE as IDENTITY
from tifo.eventlog.identity import read_identity
from tifo.eventlog.sqlite import SqliteEventLog
from tifo.kernel.errors import Rejected
from tifo.kernel.ids import Position

NAME = "tifo-%Y%m%dT%H%M%S.%fZ"
_GLOB = "tifo-*Z"


@dataclass(frozen=True)
class MadeBackup:
    folder: Path
    manifest: Manifest
    removed: tuple[Path, ...]
    """Older backups that were deleted, because only so many are kept."""

    @property
    def bytes(self) -> int:
        return sum(file.bytes for file in self.manifest.files.values())


def make_backup(settings: Settings, target: Path, *, keep: int | None = None, warehouse: bool = False) -> MadeBackup:
    """Makes a backup in a new folder below `target`, verifies it, and deletes all but the `keep` newest.

    The state is left to PostgreSQL's own tools where it is there: back it up first (docs/backup.md). Raises `Rejected`
    for a folder without data, `Transient` where a file cannot be copied now; then nothing is left behind.
    """
    if keep is not None and keep < 1:
        raise Rejected(f"keep {keep} keeps no backup. Give a number from 1 on.", field="keep")
    if read_identity(settings.log) is None:
        raise Rejected(f"There is nothing to back up in {settings.data.absolute()}. Name the folder by --data.")
    made_at = datetime.now(UTC)
    folder = target / made_at.strftime(NAME)
    part = folder.with_name(f".{folder.name}.part")
    part.mkdir(parents=True, mode=0o700)
    try:
        manifest = _filled(settings, part, made_at, warehouse=warehouse)
        verify(part, manifest)
        part.rename(folder)
    except BaseException:
        shutil.rmtree(part, ignore_errors=True)
        raise
    return MadeBackup(folder, manifest, _pruned(target, keep))


def backups_in(target: Path) -> list[Path]:
    """Returns the whole backups below a folder, the newest first."""
    return sorted((each for each in target.glob(_GLOB) if (each / FILE).is_file()), reverse=True)


def newest_backup(source: Path) -> Path:
    """Returns the folder itself where it is a backup, else the newest one below it. Raises `Rejected`."""
    if (source / FILE).is_file():
        return source
    found = backups_in(source)
    if not found:
        raise Rejected(f"{source} is no backup, and holds none. Name a folder that tifo backup made.")
    return found[0]


def verify(folder: Path, manifest: Manifest) -> None:
    """Checks every file against its hash, every database for damage, and the log for its end. Raises `Rejected`."""
    check_files(folder, manifest)
    for name in manifest.files:
        if name.endswith(".db"):
            check_sqlite(folder / name)
    end = _end_of(folder / "log")
    if end != manifest.log_end:
        raise Rejected(f"The log of {folder} ends at {end}, not {manifest.log_end}. Take another backup.")


def _filled(settings: Settings, part: Path, made_at: datetime, *, warehouse: bool) -> Manifest:
    if not settings.database_url:
        copy_sqlite(settings.database, part / settings.database.name)
    if settings.secret_key_file.exists():
        copy_file(settings.secret_key_file, part / settings.secret_key_file.name)
    if warehouse and settings.warehouse.exists():
        copy_file(settings.warehouse, part / settings.warehouse.name)
    _copy_log(settings.log, part / "log")
    identity = read_identity(part / "log")
    assert identity is not None  # noqa: S101 (it was copied just now)
    files = {str(each.relative_to(part)): described(each) for each in sorted(part.rglob("*")) if each.is_file()}
    manifest = Manifest(
        made_at=made_at,
        shard=identity.shard,
        log_end=_end_of(part / "log"),
        state="postgresql" if settings.database_url else "sqlite",
        has_warehouse=settings.warehouse.name in files,
        files=files,
    )
    (part / FILE).write_bytes(msgspec.json.format(msgspec.json.encode(manifest)) + b"\n")
    return manifest


def _copy_log(log: Path, target: Path) -> None:
    """Copies the log of a running node. What it appends meanwhile may be in the copy, and may not."""
    # Before the segments: a run of fingerprints must know no event that the copy lacks, or that event's repetition
    # would be dropped as a duplicate. Runs that merge meanwhile are made again from the log.
    for run in sorted(log.glob("dedup/*.npy")):
        _copy_if_there(run, target / "dedup" / run.name)
    # Those that there are now, in their order: with one that is begun meanwhile, the copy would lack what the segment
    # before it got after it was copied.
    for segment in sorted(log.glob("*.db")):
        if segment.exists():  # retention may have deleted it
            copy_sqlite(segment, target / segment.name)
    copy_file(log / IDENTITY, target / IDENTITY)


def _copy_if_there(source: Path, target: Path) -> None:
    if source.exists():
        copy_file(source, target)


def _end_of(log: Path) -> Position:
    reader = SqliteEventLog(log, read_only=True)
    try:
        return reader.end()
    finally:
        reader.close()


def _pruned(target: Path, keep: int | None) -> tuple[Path, ...]:
    old = tuple(backups_in(target)[keep:]) if keep is not None else ()
    for folder in old:
        # The manifest goes first: a deletion that is cut off leaves no folder that looks whole.
        (folder / FILE).unlink()
        shutil.rmtree(folder)
    return old
