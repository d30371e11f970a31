"""Keeps the two files of a DuckDB warehouse: the one that is loaded, and the copy of it that everyone may read.

DuckDB lets either one process write a file or several read it. Readers therefore open a copy, which a new one replaces
by renaming: who has it open goes on reading the old one, and neither side waits for the other (docs/decisions/0015).
"""

import contextlib
import fcntl
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO

import structlog

from tifo.kernel.errors import Transient
from tifo.warehouses.drivers.copying import copy_file

SMALL_BYTES = 4 << 20
"""A file of up to this size is published after every load."""
_BYTES_A_SECOND = 32 << 20
"""Average of bytes that publishing may write, beyond small files."""
_BUSY_SHARE = 1 / 20
"""Maximum share of the time that is spent on publishing, beyond small files."""
_AT_END_BYTES = 512 << 20
"""Maximum size of a file that is published before its turn as the loader ends: the supervisor waits for seconds."""
_AGAIN_S = 5.0
"""Pause after a copy that failed, such as for a full disk."""
_LOCK_POLL_S = 0.01
_LOOK_S = 1.0
"""Pause between two looks at who else uses the published file."""

_log = structlog.get_logger("tifo.warehouse")
_Signature = tuple[int, int]


class PublishedFile:
    """Publishes `working` at `published`, the path that people know.

    `merge` opens a file to write and closes it, by which DuckDB merges its log into it; it raises `Transient`.
    """

    def __init__(
        self, path: Path, merge: Callable[[Path], None], monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        # A path that is a symbolic link leads to another disk: both files belong there.
        self.published = Path(os.path.realpath(path))
        folder = self.published.with_name(f"{self.published.stem}.loading")
        # The same name, as DuckDB calls a database by its file: views with qualified names work in both.
        self.working = folder / self.published.name
        self._next = folder / "next"
        self._merge = merge
        self._monotonic = monotonic
        self._published_of: _Signature | None = None
        self._due_at_s = 0.0
        self._look_at_s = 0.0

    @property
    def exists(self) -> bool:
        return self.working.exists() or self.published.exists()

    def prepare(self) -> None:
        """Makes the working file's folder, and the working file where only the published one is there.

        It is alone after an upgrade from a version that loaded it directly, or when it was restored from a backup.
        Raises `Transient` where it cannot be copied.
        """
        try:
            self.working.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            if not self.working.exists() and self.published.exists():
                self._adopt()
        except OSError as error:
            raise Transient(f"The warehouse's working file {self.working} cannot be made: {error}") from error

    def publish_if_due(self, *, at_end: bool = False) -> None:
        """Publishes what was loaded since the last time, unless it is too early for a file of this size."""
        now_s = self._monotonic()
        if self._is_due(now_s, at_end=at_end) and self._is_stale(now_s):
            self.publish()

    def publish(self) -> None:
        """Replaces the published file by a copy of the working one.

        A failure is logged, and `publish_if_due` tries again: what was loaded is durable without it.
        """
        try:
            with self.alone():
                self._replace()
        except (Transient, OSError) as error:
            self._due_at_s = self._monotonic() + _AGAIN_S
            _log.warning("warehouse.not_published", file=str(self.published), error=str(error), again_s=_AGAIN_S)

    def _adopt(self) -> None:
        with self.alone(), _unwritten(self.published):
            # The log that DuckDB had not merged into the file belongs to it. First the log: a working file is whole.
            _log_of(self.working).unlink(missing_ok=True)
            if _log_of(self.published).exists():
                copy_file(_log_of(self.published), self._next)
                self._next.replace(_log_of(self.working))
            copy_file(self.published, self._next)
            self._next.chmod(0o600)
            self._next.replace(self.working)
        _log.info("warehouse.adopted", file=str(self.published), working=str(self.working))

    def _replace(self) -> None:
        started_s = self._monotonic()
        if _log_of(self.working).exists():  # its loader was killed
            self._merge(self.working)
        with _unwritten(self.working):
            copied = _signature(self.working)
            shared = copy_file(self.working, self._next)
        # Equal times say after a restart that the copy is up to date. Not to be written: changes would be lost with
        # the next copy.
        os.utime(self._next, ns=(copied[1], copied[1]))
        self._next.chmod(self._mode())
        # A log that somebody's writing left belongs to the file that goes. It goes first, as a new file beside an old
        # log is damaged for who opens it.
        _log_of(self.published).unlink(missing_ok=True)
        self._next.replace(self.published)
        self._published_of = copied
        self._due_at_s = self._monotonic() + pause_s(0 if shared else copied[0], self._monotonic() - started_s)

    @contextlib.contextmanager
    def alone(self, wait_s: float = 60.0) -> Iterator[None]:
        """Keeps other threads and processes of Tifo from writing or copying the working file. Raises `Transient`."""
        deadline_s = self._monotonic() + wait_s
        with (self.working.parent / "lock").open("w") as file:
            while not _locked(file):
                if self._monotonic() >= deadline_s:
                    raise Transient(
                        f"Another process of Tifo works on {self.working}: try again when it is done.",
                        code="warehouse_busy",
                        retry_after_s=0.1,
                    )
                time.sleep(_LOCK_POLL_S)
            yield

    def _is_due(self, now_s: float, *, at_end: bool) -> bool:
        if now_s >= self._due_at_s:
            return True
        return at_end and self.working.exists() and self.working.stat().st_size <= _AT_END_BYTES

    def _is_stale(self, now_s: float) -> bool:
        if not self.working.exists():
            return False
        if self._published_of is None and self.published.exists():
            self._published_of = _signature(self.published)
        if not self.published.exists() or _log_of(self.working).exists():
            return True
        if _signature(self.working) != self._published_of:
            return True
        if now_s < self._look_at_s:
            return False
        self._look_at_s = now_s + _LOOK_S
        # Somebody opened the copy to write: other readers are refused, and get one of their own.
        return _log_of(self.published).exists() or _is_written(self.published)

    def _mode(self) -> int:
        """Keeps who may read, as an administrator may have changed it."""
        mode = self.published.stat().st_mode if self.published.exists() else self._next.stat().st_mode
        return mode & 0o444


def pause_s(written_bytes: int, took_s: float) -> float:
    """Returns the pause after publishing a file, which bounds what is written, and the time that it takes."""
    if written_bytes <= SMALL_BYTES:
        return 0.0
    return max((written_bytes - SMALL_BYTES) / _BYTES_A_SECOND, took_s / _BUSY_SHARE)


def _signature(path: Path) -> _Signature:
    status = path.stat()
    return status.st_size, status.st_mtime_ns


def _log_of(path: Path) -> Path:
    return path.with_name(f"{path.name}.wal")


def _locked(file: IO[str]) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


@contextlib.contextmanager
def _unwritten(path: Path) -> Iterator[None]:
    """Takes DuckDB's lock for reading, which holds the writers in other processes off. Raises `Transient`."""
    # Much cheaper than a DuckDB that opens the file. Closing a file frees all locks of this process on it, so no thread
    # of it may have it open in DuckDB meanwhile: `alone` sees to that.
    with path.open("rb") as file:
        try:
            fcntl.lockf(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except OSError as error:
            raise Transient(f"Another program writes {path}: {error}", retry_after_s=0.1) from error
        yield


def _is_written(path: Path) -> bool:
    try:
        with _unwritten(path):
            return False
    except Transient:
        return True
