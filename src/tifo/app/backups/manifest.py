"""Describes one backup: which log and state it holds, and the hash of every file."""

import hashlib
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path

import msgspec

from tifo.kernel.errors import Rejected
from tifo.kernel.ids import Position, Shard

FILE = "manifest.json"
FORMAT = 1
_AT_ONCE = 1 << 20


class BackedUpFile(msgspec.Struct, frozen=True):
    bytes: int
    sha256: str


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """Stands in the backup's folder, written last: a folder without one is no backup."""

    format: int = FORMAT
    made_at: datetime
    shard: Shard
    log_end: Position
    """The position of the last event in the backup."""
    state: str
    """`sqlite`; `postgresql` where the state is backed up by PostgreSQL's own tools."""
    has_warehouse: bool
    """Whether the built-in warehouse is in it; else it is loaded anew with what the log holds."""
    files: Mapping[str, BackedUpFile]
    """By path below the folder."""


def described(file: Path) -> BackedUpFile:
    hashed = hashlib.sha256()
    with file.open("rb") as opened:
        while part := opened.read(_AT_ONCE):
            hashed.update(part)
    return BackedUpFile(file.stat().st_size, hashed.hexdigest())


def read_manifest(folder: Path) -> Manifest:
    """Raises `Rejected` for a folder that is no backup, or one of a newer Tifo."""
    try:
        manifest = msgspec.json.decode((folder / FILE).read_bytes(), type=Manifest)
    except OSError as error:
        raise Rejected(f"{folder} is no backup: it has no {FILE}. Name a folder that tifo backup made.") from error
    except msgspec.DecodeError as error:
        raise Rejected(f"{folder / FILE} cannot be read: {error}. Take another backup.") from error
    if manifest.format != FORMAT:
        raise Rejected(
            f"{folder} is of a newer Tifo (format {manifest.format}; this one knows {FORMAT}). Use that one."
        )
    return manifest


def check_files(folder: Path, manifest: Manifest) -> None:
    """Raises `Rejected` naming the first file that is not what was backed up."""
    for name, expected in manifest.files.items():
        file = folder / name
        if not file.is_file():
            raise Rejected(f"The backup {folder} lacks the file {name}. Take another backup.")
        if described(file) != expected:
            raise Rejected(f"The file {name} of the backup {folder} was changed or damaged. Take another backup.")
