"""Questions to the state, which block: asked in a thread, and again where they were interrupted."""

import asyncio
from collections.abc import Callable
from typing import ParamSpec, TypeVar

from tifo.kernel.errors import Interrupted

ASKED_AGAIN = 3
P = ParamSpec("P")
T = TypeVar("T")


async def ask(question: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """A read changes nothing, so that it may be repeated without asking what became of it."""
    for _ in range(ASKED_AGAIN):
        try:
            return await asyncio.to_thread(question, *args, **kwargs)
        except Interrupted:
            continue
    return await asyncio.to_thread(question, *args, **kwargs)
