"""Waits in an event loop, with a limit.

`asyncio.wait_for` is not used: before Python 3.12 it swallows a cancellation that comes just as its wait is over. The
task then goes on, and whoever waits for its end waits indefinitely.
"""

import asyncio


async def wait(event: asyncio.Event, seconds: float) -> None:
    """Returns when `event` is set, or after this many seconds."""
    try:
        async with asyncio.timeout(seconds):
            await event.wait()
    except TimeoutError:
        return
