"""Names a role's process as the holder of leases, by a file in the data folder."""

import contextlib
import fcntl
import os
from collections.abc import Iterator

from tifo.app.settings import Settings
from tifo.kernel.ids import uuid7
from tifo.leases.share import Holder


@contextlib.contextmanager
def holder_of(settings: Settings, role: str) -> Iterator[Holder]:
    """Gives the folder's name for the role to one process at a time; others of the folder get a name of their own.

    So a process that is started after a crash has the name of the one that crashed, and need not wait for its leases.
    """
    folder = settings.data / "leases"
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    with (folder / role).open("a+") as file:
        try:
            # The kernel holds the lock for this open file: whoever gets it knows that the earlier process has ended.
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            yield Holder(uuid7())
            return
        file.seek(0)
        name = file.read().strip()
        if not name:
            name = uuid7()
            file.write(name)
            file.flush()
            os.fsync(file.fileno())
        yield Holder(name, inherits=True)
