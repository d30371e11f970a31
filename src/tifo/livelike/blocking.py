"""Runs blocking calls of the state in a thread, and repeats them where the connection to the state was lost."""

import asyncio
from collections.abc import Callable
from functools import partial
from typing import ParamSpec, TypeVar

from tifo.kernel.errors import Interrupted

_MAX_REPEATS = 3
P = ParamSpec("P")
T = TypeVar("T")


def repeated(call: Callable[[], T]) -> T:
    """Repeats an interrupted call at most three times; nothing was changed, so writes are safe to repeat too."""
    # After a restart of the database several pooled connections may be broken, and each attempt meets one of them.
    for _ in range(_MAX_REPEATS):
        try:
            return call()
        except Interrupted:
            continue
    return call()


async def in_thread(call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    return await asyncio.to_thread(repeated, partial(call, *args, **kwargs))
