"""An interrupted call is repeated, but not indefinitely."""

from collections.abc import Callable

import pytest

from tifo.kernel.errors import Interrupted, NotFound
from tifo.livelike.blocking import in_thread


def _fails(errors: list[Exception]) -> Callable[[str], str]:
    def call(name: str) -> str:
        if errors:
            raise errors.pop()
        return f"hello {name}"

    return call


async def test_an_interrupted_call_is_repeated() -> None:
    assert await in_thread(_fails([Interrupted("gone")] * 3), "fan") == "hello fan"


async def test_a_call_that_is_always_interrupted_ends() -> None:
    with pytest.raises(Interrupted):
        await in_thread(_fails([Interrupted("gone")] * 100), "fan")


async def test_a_call_that_was_answered_is_not_repeated() -> None:
    errors: list[Exception] = [Interrupted("not reached"), NotFound("nobody")]
    with pytest.raises(NotFound):
        await in_thread(_fails(errors), "fan")
    assert len(errors) == 1
