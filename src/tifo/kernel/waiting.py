"""Waiting in an event loop.

Not by `asyncio.wait_for`: before Python 3.12 a task that is cancelled just as its wait is over goes on as if it had not
been, and whoever waits for its end waits for ever.
"""

import asyncio


async def wait(event: asyncio.Event, seconds: float) -> None:
    """Until `event` is set, but no longer than so many seconds."""
    try:
        async with asyncio.timeout(seconds):
            await event.wait()
    except TimeoutError:
        return
