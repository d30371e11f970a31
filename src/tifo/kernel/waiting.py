"""Waits in an event loop, with a limit."""

import asyncio


async def wait(event: asyncio.Event, seconds: float) -> None:
    """Returns when `event` is set, or after this many seconds."""
    # Not `asyncio.wait_for`: before Python 3.12 it swallows a cancellation that comes just as its wait is over. The
    # task then goes on, and whoever waits for its end waits indefinitely.
    try:
        async with asyncio.timeout(seconds):
            await event.wait()
    except TimeoutError:
        return
