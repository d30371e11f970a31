"""Shows in the data folder which roles run on it, so that the api can say so.

A role holds a lock on its file as long as its process lives, however that ends.
"""

import contextlib
import fcntl
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from tifo.operations.readiness import Need, NeedStatus

WANTED = "TIFO_ROLES"
"""The variable by which a supervisor tells each role the names of all that it runs."""


class Presence:
    def __init__(self, path: Path) -> None:
        self._path = path

    def up(self) -> None:
        """Notes that the role has what it needs, and works."""
        self.note(NeedStatus.UP)

    def note(self, status: NeedStatus) -> None:
        # A full disk may refuse it: the role works all the same.
        with contextlib.suppress(OSError):
            self._path.write_text(status)


@contextlib.contextmanager
def present(data: Path, role: str) -> Iterator[Presence]:
    """Shows the role as starting until `up` is called, and as down when the block or the process ends."""
    path = _folder(data) / role
    presence = Presence(path)
    with contextlib.ExitStack() as held:
        with contextlib.suppress(OSError):
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            # Another process may run the same role on this folder: the lock is shared, and who asks wants it alone.
            fcntl.flock(held.enter_context(path.open("a+")), fcntl.LOCK_SH)
        presence.note(NeedStatus.STARTING)
        yield presence


def roles_seen(data: Path, wanted: Sequence[str]) -> Mapping[str, Need]:
    """Returns the state of the wanted roles, and of others that run on the folder."""
    folder = _folder(data)
    others = sorted(path.name for path in folder.iterdir()) if folder.exists() else []
    seen = {role: _seen(folder / role) for role in dict.fromkeys([*wanted, *others])}
    return {role: need for role, need in seen.items() if role in wanted or need.status is not NeedStatus.DOWN}


def _seen(path: Path) -> Need:
    try:
        with path.open() as file:
            if _alone(file.fileno()):
                return Need(NeedStatus.DOWN, "no process runs it")
            status = NeedStatus.UP if file.read() == NeedStatus.UP else NeedStatus.STARTING
            return Need(status, "it is still starting")
    except FileNotFoundError:
        return Need(NeedStatus.DOWN, "no process runs it")


def _alone(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def _folder(data: Path) -> Path:
    return data / "roles"
