"""Copies files of a running node so that each copy is whole: SQLite's by its backup API, others as they are."""

import contextlib
import os
import shutil
import sqlite3
from pathlib import Path

from tifo.kernel.errors import Rejected, Transient

_BUSY_S = 30.0


def copy_sqlite(source: Path, target: Path) -> None:
    """Copies a database that others read and write meanwhile, as it was at one moment. Raises `Transient`."""
    target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    try:
        uri = f"{source.absolute().as_uri()}?mode=ro"
        with (
            contextlib.closing(sqlite3.connect(uri, uri=True, timeout=_BUSY_S)) as live,
            contextlib.closing(sqlite3.connect(target)) as copy,
        ):
            # In one step: a writer in between would make a stepwise copy begin again, and a busy one without end.
            live.backup(copy, pages=-1)
            # The copy stands alone: nothing of it waits in a write-ahead log beside it.
            copy.execute("PRAGMA journal_mode = DELETE")
    except sqlite3.Error as error:
        raise Transient(f"{source} could not be copied: {error}. Try again.", retry_after_s=1.0) from error
    _sync(target)


def write_ahead(file: Path) -> None:
    """Lets a restored database have readers beside its writer, as the original had."""
    with contextlib.closing(sqlite3.connect(file)) as opened:
        opened.execute("PRAGMA journal_mode = WAL")


def copy_file(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    try:
        shutil.copy2(source, target)
    except OSError as error:
        raise Transient(f"{source} could not be copied: {error}", retry_after_s=1.0) from error
    _sync(target)


def check_sqlite(file: Path) -> None:
    """Raises `Rejected` for a copy that SQLite finds damaged."""
    try:
        with contextlib.closing(sqlite3.connect(f"{file.absolute().as_uri()}?mode=ro&immutable=1", uri=True)) as opened:
            ((verdict, *_), *_) = opened.execute("PRAGMA quick_check(1)").fetchall()
    except sqlite3.Error as error:
        raise Rejected(f"{file} is damaged: {error}. Take another backup.") from error
    if verdict != "ok":
        raise Rejected(f"{file} is damaged: {verdict}. Take another backup.")


def _sync(file: Path) -> None:
    file.chmod(0o600)
    descriptor = os.open(file, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
