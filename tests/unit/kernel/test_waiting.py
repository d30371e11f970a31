import asyncio
import time

import pytest

from tifo.kernel.waiting import wait


async def test_it_ends_with_the_event_or_when_its_time_is_over() -> None:
    event, began = asyncio.Event(), time.monotonic()
    await wait(event, 0.05)
    assert time.monotonic() - began >= 0.05
    event.set()
    await wait(event, 3600)


@pytest.mark.parametrize("turns", [0, 1, 2, 3])
async def test_a_task_that_is_cancelled_just_as_the_event_comes_ends(turns: int) -> None:
    event = asyncio.Event()

    async def wait_again_and_again() -> None:
        while True:
            await wait(event, 3600)
            event.clear()

    waiting = asyncio.create_task(wait_again_and_again())
    await asyncio.sleep(0.01)
    event.set()
    for _ in range(turns):
        await asyncio.sleep(0)
    waiting.cancel()
    await asyncio.wait([waiting], timeout=1)
    assert waiting.cancelled()
