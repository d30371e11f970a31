"""Remembers that the state's server does not answer, and notices that it does again."""

import threading
import time
from collections.abc import Callable

from tifo.kernel.errors import Transient

_AGAIN_S = 0.25
"""Pause between two probes."""


class StateAway(Transient):
    """The state's server does not answer. It is asked in the background, and used again as soon as it does."""

    code = "state_away"

    def __init__(self) -> None:
        super().__init__("The state cannot be reached right now. Send this again.", retry_after_s=1.0)


class Reachability:
    """Remembers that the server is away, so that callers fail at once instead of waiting one after the other.

    `probe` asks the server and blocks for a limited time. While it is away, a thread asks it again and again.
    """

    def __init__(self, probe: Callable[[], bool]) -> None:
        self._probe = probe
        self._lock = threading.Lock()
        self._probed_at_s = float("-inf")
        self._back = threading.Event()
        self._back.set()
        self._closed = threading.Event()

    @property
    def is_away(self) -> bool:
        return not self._back.is_set()

    def check(self) -> None:
        """Raises `StateAway` while the server is known to be away. Costs nothing otherwise."""
        if not self._back.is_set():
            raise StateAway

    def look(self) -> bool:
        """Asks the server, unless somebody just did. Returns whether it is away."""
        if self.is_away or not self._lock.acquire(blocking=False):
            return self.is_away
        try:
            if time.monotonic() - self._probed_at_s >= _AGAIN_S:
                answers = self._probe()
                self._probed_at_s = time.monotonic()
                if not answers:
                    self.went_away()
        finally:
            self._lock.release()
        return self.is_away

    def went_away(self) -> None:
        if self._back.is_set():
            self._back.clear()
            threading.Thread(target=self._wait_for_it, name="state-away", daemon=True).start()

    def close(self) -> None:
        """Stops asking."""
        self._closed.set()

    def _wait_for_it(self) -> None:
        while not self._closed.wait(_AGAIN_S):
            if self._probe():
                self._back.set()
                return
