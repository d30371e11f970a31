"""Tells a role to stop: on a signal, or when its supervisor is gone."""

import asyncio
import signal
import threading
from collections.abc import Callable


def stop_on_signals(stop: asyncio.Event) -> None:
    loop = asyncio.get_running_loop()
    for signal_number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(signal_number, stop.set)


def when_parent_ends(stdin: int, act: Callable[[], object]) -> None:
    """Calls `act` once the pipe on `stdin` ends, which means that the supervisor has died."""

    def wait() -> None:
        with open(stdin, "rb", closefd=False) as pipe:
            while pipe.read(1):
                pass
        act()

    threading.Thread(target=wait, name="parent-watch", daemon=True).start()
