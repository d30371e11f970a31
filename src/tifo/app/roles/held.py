"""Keeps a role that reads the log from its work while the data folder is held: a copy whose original goes on."""

import asyncio
import contextlib
import fcntl
import threading
from collections.abc import Iterator

import structlog

from tifo.app.roles.presence import roles_seen
from tifo.app.settings import Settings
from tifo.eventlog.identity import LogIdentity, begin, read_identity
from tifo.kernel.errors import Transient
from tifo.kernel.waiting import wait
from tifo.operations.readiness import NeedStatus

_LOOK_S = 1.0
_SAY_EVERY = 60
"""Looks between two lines of the log."""

_log = structlog.get_logger("tifo")


def introduced(settings: Settings) -> LogIdentity:
    """Returns the identity of the folder's log, which may be made here: a reader may start before the api."""
    return read_identity(settings.log) or begin(settings.log, appends=False)


def what_holds(settings: Settings) -> str:
    """Says why nothing is loaded, delivered or relayed, and what to do; empty where nothing stops it."""
    held = introduced(settings).held
    if not held:
        return ""
    return (
        f"Nothing is loaded, delivered or relayed from {settings.data}. {held} Stop this Tifo, then run"
        " `tifo restore --as-copy` to give the copy an identity of its own, or `tifo restore` where the original is"
        " gone for good."
    )


async def released(settings: Settings, stop: asyncio.Event) -> bool:
    """Waits until nothing holds the folder. Returns False where `stop` came first."""
    looks = 0
    while (why := await asyncio.to_thread(what_holds, settings)) and not stop.is_set():
        _say(why, looks)
        looks += 1
        await wait(stop, _LOOK_S)
    return not stop.is_set()


def released_in_thread(settings: Settings, stop: threading.Event) -> bool:
    """Waits as `released` does, in a thread."""
    looks = 0
    while (why := what_holds(settings)) and not stop.is_set():
        _say(why, looks)
        looks += 1
        stop.wait(_LOOK_S)
    return not stop.is_set()


def _say(why: str, looks: int) -> None:
    if looks % _SAY_EVERY == 0:
        _log.warning("log.held", reason=why)


@contextlib.contextmanager
def delivering_alone(settings: Settings) -> Iterator[None]:
    """Keeps a second deliverer off the folder's log: two of them would attempt the same event.

    Raises `Transient` where there is one.
    """
    settings.data.mkdir(parents=True, exist_ok=True, mode=0o700)
    with (settings.data / "deliverer.lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise Transient(f"Another process delivers from {settings.data}: stop it first.") from error
        yield


def is_read_by(settings: Settings, role: str) -> bool:
    """Says whether a process of this role reads the folder's log now."""
    return roles_seen(settings.data, [role])[role].status is not NeedStatus.DOWN
