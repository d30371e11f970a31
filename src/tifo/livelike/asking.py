"""Questions to the state, which block: asked again where they were interrupted, and in a thread."""

import asyncio
from collections.abc import Callable
from functools import partial
from typing import ParamSpec, TypeVar

from tifo.kernel.errors import Interrupted

_ASKED_AGAIN = 3
P = ParamSpec("P")
T = TypeVar("T")


def patiently(question: Callable[[], T]) -> T:
    """A read changes nothing, so that it may be repeated without asking what became of it."""
    for _ in range(_ASKED_AGAIN):
        try:
            return question()
        except Interrupted:
            continue
    return question()


async def ask(question: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    return await asyncio.to_thread(patiently, partial(question, *args, **kwargs))
