"""Gives a log in a folder its identity: a shard's id, and numbers that no copy of the folder gives to other events.

`log/identity.json` says which log the folder holds, where it was when it was last opened, and from which number on the
events of that opening are numbered. Each opening begins far beyond every number that was given before, at a number
made of the time. So a folder that is restored from a backup numbers its next events beyond all that the lost one
had, and a position that a reader stored meanwhile lies in a gap: reading on from it passes over nothing.
"""

import contextlib
import fcntl
import os
import socket
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from tifo.eventlog.segments import sync_folder
from tifo.kernel.errors import Conflict
from tifo.kernel.ids import NO_SHARD, Shard, uuid7

FILE = "identity.json"
_TICKS_PER_S, _NUMBERS_PER_TICK = 8, 1 << 18
"""A tick of the clock has room for 262,144 numbers: 2 million events a second. Numbers stay below 2**53 until 2106, so
that JSON shows them exactly.
"""
_MACHINE = Path("/etc/machine-id")


class Place(msgspec.Struct, frozen=True):
    """Says where a folder is: a copy of it is elsewhere."""

    path: str
    inode: int
    """A folder keeps it when it is moved or renamed; a copy has another one."""
    machine: str
    """The id that a machine gives itself; empty where it has none."""
    host: str


class LogIdentity(msgspec.Struct, frozen=True, kw_only=True):
    shard: Shard
    base: int = 0
    """The number in front of the first event of the newest opening."""
    first: int = 0
    """The number in front of the log's very first event: a log that begins there was never trimmed."""
    opened_at: datetime
    place: Place
    names_old_positions: bool = False
    """The log is older than this file: positions that name no shard are of it."""
    held: str = ""
    """Why nothing is loaded, delivered or relayed from this folder, until `tifo restore`; empty where nothing stops it.
    """
    copied_from: str = ""
    """The shard of which this log is a copy; empty for one that is none."""


def read_identity(directory: Path) -> LogIdentity | None:
    """Returns None for a folder that no process has appended to yet."""
    try:
        return msgspec.json.decode((directory / FILE).read_bytes(), type=LogIdentity)
    except (FileNotFoundError, NotADirectoryError):
        return None


def shard_of(directory: Path) -> Shard:
    known = read_identity(directory)
    return NO_SHARD if known is None else known.shard


def base_at(now: datetime) -> int:
    return int(now.timestamp() * _TICKS_PER_S) * _NUMBERS_PER_TICK


def begin(directory: Path, now: datetime | None = None, *, appends: bool = True) -> LogIdentity:
    """Makes the identity of a new log, or looks after a known one; begins a new opening of it where it `appends`.

    Call it before anything is appended. A folder that turns out to be a copy whose original is there too is held: both
    would deliver the same events.
    """
    directory.mkdir(parents=True, exist_ok=True, mode=0o700)
    at = now or datetime.now(UTC)
    with _alone(directory):
        known, here = read_identity(directory), place_of(directory)
        has_events = any(directory.glob("*.db"))
        if known is None:
            base = base_at(at) if has_events else 0
            known = LogIdentity(
                shard=Shard(uuid7()), base=base, opened_at=at, place=here, names_old_positions=has_events
            )
        else:
            held = known.held or original_of(known, here)
            # A log without events too: the one that it is a copy of may have got some since.
            base = max(known.base, base_at(at)) if appends else known.base
            first = known.first if has_events else base
            known = msgspec.structs.replace(known, base=base, first=first, opened_at=at, place=here, held=held)
        write_identity(directory, known)
    return known


def succeed(directory: Path) -> LogIdentity:
    """Takes the folder for the log that it is a copy of, because that one is gone: nothing holds it any more."""
    return _changed(directory, lambda known: msgspec.structs.replace(known, held="", place=place_of(directory)))


def as_copy(directory: Path) -> LogIdentity:
    """Gives a copied log an identity of its own, because its original goes on."""

    def changed(known: LogIdentity) -> LogIdentity:
        return msgspec.structs.replace(
            known,
            shard=Shard(uuid7()),
            copied_from=known.shard,
            held="",
            names_old_positions=False,
            place=place_of(directory),
        )

    return _changed(directory, changed)


def place_of(directory: Path) -> Place:
    path = directory.resolve()
    return Place(path=str(path), inode=path.stat().st_ino, machine=_machine(), host=socket.gethostname())


def original_of(known: LogIdentity, here: Place) -> str:
    """Says where the folder's original is, which may go on delivering; empty where there is none to be seen."""
    there = known.place
    # The folder itself, moved or renamed perhaps; a volume keeps the number on another machine too.
    if there.inode == here.inode:
        return ""
    # Machines that give themselves no id, containers among them, cannot be told apart.
    if there.machine and here.machine and there.machine != here.machine:
        return f"It was copied from {there.path} on the machine {there.host}, which may go on with it."
    original = None if there.path == here.path else read_identity(Path(there.path))
    if original is not None and original.shard == known.shard:
        return f"It is a copy of {there.path}, which is there too."
    return ""


def write_identity(directory: Path, identity: LogIdentity) -> None:
    path = directory / FILE
    part = path.with_suffix(".part")
    with part.open("wb") as file:
        file.write(msgspec.json.format(msgspec.json.encode(identity)) + b"\n")
        file.flush()
        os.fsync(file.fileno())
    part.replace(path)
    sync_folder(directory)


def _changed(directory: Path, change: Callable[[LogIdentity], LogIdentity]) -> LogIdentity:
    begin(directory, appends=False)
    with _alone(directory):
        known = read_identity(directory)
        assert known is not None  # noqa: S101 (`begin` has made it)
        changed = change(known)
        write_identity(directory, changed)
    return changed


def _machine() -> str:
    try:
        return _MACHINE.read_text().strip()
    except OSError:
        return ""


@contextlib.contextmanager
def _alone(directory: Path, within_s: float = 10.0) -> Iterator[None]:
    """Keeps two roles that start at once from making two identities."""
    with (directory / "identity.lock").open("w") as file:
        deadline = time.monotonic() + within_s
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except OSError as error:
                if time.monotonic() > deadline:
                    raise Conflict(f"Another process keeps {directory / FILE} locked: stop it.") from error
                time.sleep(0.05)
        yield
