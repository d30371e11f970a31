"""Ends the tasks of a role that stops."""

import asyncio
from collections.abc import Iterable


async def finish(tasks: Iterable[asyncio.Task[None]], grace_s: float) -> None:
    """Waits up to `grace_s` for the tasks, then cancels the others. Never raises for what a task raised."""
    running = list(tasks)
    if not running:  # asyncio.wait refuses an empty set
        return
    _, unfinished = await asyncio.wait(running, timeout=grace_s)
    for task in unfinished:
        task.cancel()
    await asyncio.gather(*running, return_exceptions=True)
