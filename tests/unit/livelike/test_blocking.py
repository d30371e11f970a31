"""A question that was interrupted is asked again, but not for ever."""

from collections.abc import Callable

import pytest

from tifo.kernel.errors import Interrupted, NotFound
from tifo.livelike.blocking import in_thread


def _fails(errors: list[Exception]) -> Callable[[str], str]:
    def question(name: str) -> str:
        if errors:
            raise errors.pop()
        return f"hello {name}"

    return question


async def test_an_interrupted_question_is_asked_again() -> None:
    assert await in_thread(_fails([Interrupted("gone")] * 3), "fan") == "hello fan"


async def test_a_question_that_is_always_interrupted_ends() -> None:
    with pytest.raises(Interrupted):
        await in_thread(_fails([Interrupted("gone")] * 100), "fan")


async def test_a_question_that_has_an_answer_is_asked_once() -> None:
    errors: list[Exception] = [Interrupted("not reached"), NotFound("nobody")]
    with pytest.raises(NotFound):
        await in_thread(_fails(errors), "fan")
    assert len(errors) == 1
