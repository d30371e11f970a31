"""Says that Tifo is up when it is: when its api answers."""

import contextlib
import threading
import time
import urllib.request
from collections.abc import Callable

_POLL_S = 0.1


def when_it_answers(address: str, say: Callable[[], object]) -> None:
    """Calls `say` in a thread of its own, once, as soon as the api answers at the address."""

    def wait() -> None:
        while not _answers(address):
            time.sleep(_POLL_S)
        say()

    threading.Thread(target=wait, name="announce", daemon=True).start()


def _answers(address: str) -> bool:
    with (
        contextlib.suppress(OSError),
        urllib.request.urlopen(f"{address}/health", timeout=2) as answer,  # noqa: S310 (our own http address)
    ):
        # Another program may have taken the port.
        return b'"ok"' in answer.read(1_000)
    return False
