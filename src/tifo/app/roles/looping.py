"""Runs a role on an event loop."""

import asyncio
import sys
from collections.abc import Awaitable, Callable

import uvloop

from tifo.app.roles.signals import stop_on_signals, when_parent_ends

Role = Callable[[asyncio.Event], Awaitable[None]]
"""Runs until the event is set, then finishes the work that it has accepted."""


def run_on_loop(role: Role, supervised: bool) -> int:
    async def main() -> None:
        stop = asyncio.Event()
        stop_on_signals(stop)
        if supervised:
            loop = asyncio.get_running_loop()
            when_parent_ends(sys.stdin.fileno(), lambda: loop.call_soon_threadsafe(stop.set))
        await role(stop)

    uvloop.run(main())
    return 0
