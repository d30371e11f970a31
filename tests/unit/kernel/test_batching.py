import asyncio
import threading
import time
from collections.abc import Sequence

import pytest

from tifo.kernel.batching import GroupCommit
from tifo.kernel.errors import Overloaded, Rejected, Transient


async def test_what_gathers_while_a_commit_runs_is_committed_together() -> None:
    gate, sizes = threading.Event(), []

    def commit(batch: Sequence[int]) -> list[int]:
        gate.wait(5)
        sizes.append(len(batch))
        return [number * 2 for number in batch]

    group = GroupCommit[int, int](commit, max_batch=100, max_waiting=100)
    waiting = [asyncio.create_task(group.submit(number)) for number in range(10)]
    await asyncio.sleep(0)
    gate.set()
    assert await asyncio.gather(*waiting) == [number * 2 for number in range(10)]
    await group.close()
    assert sum(sizes) == 10
    assert len(sizes) <= 2


async def test_one_items_error_is_its_own() -> None:
    def commit(batch: Sequence[int]) -> list[int | Exception]:
        return [Rejected("odd") if number % 2 else number for number in batch]

    group = GroupCommit[int, int](commit, max_batch=10, max_waiting=10)
    results = await asyncio.gather(*(group.submit(number) for number in range(4)), return_exceptions=True)
    await group.close()
    assert [isinstance(result, Rejected) for result in results] == [False, True, False, True]


async def test_a_failed_commit_fails_its_batch_and_the_next_one_goes_on() -> None:
    broken = [True]

    def commit(batch: Sequence[int]) -> list[int]:
        if broken.pop() if broken else False:
            raise Transient("disk full")
        return list(batch)

    group = GroupCommit[int, int](commit, max_batch=10, max_waiting=10)
    with pytest.raises(Transient, match="disk full"):
        await group.submit(1)
    assert await group.submit(2) == 2
    await group.close()


async def test_a_full_queue_pushes_back_and_a_closing_one_finishes() -> None:
    gate, taken = threading.Event(), threading.Lock()
    taken.acquire()

    def commit(batch: Sequence[int]) -> list[int]:
        if taken.locked():
            taken.release()
        gate.wait(5)
        return list(batch)

    group = GroupCommit[int, int](commit, max_batch=1, max_waiting=3)
    waiting = [asyncio.create_task(group.submit(0))]
    await asyncio.to_thread(taken.acquire, timeout=5)  # the first is being committed
    waiting += [asyncio.create_task(group.submit(number)) for number in range(1, 4)]
    await asyncio.sleep(0)
    with pytest.raises(Overloaded) as refused:
        await group.submit(9)
    assert refused.value.retry_after_s > 0
    closing = asyncio.create_task(group.close())
    await asyncio.sleep(0)
    gate.set()
    await closing
    assert await asyncio.gather(*waiting) == [0, 1, 2, 3]
    with pytest.raises(Transient):
        await group.submit(10)


async def test_those_who_were_answered_together_share_the_next_commit_too() -> None:
    sizes = []

    def commit(batch: Sequence[int]) -> list[int]:
        sizes.append(len(batch))
        time.sleep(0.2)
        return list(batch)

    group = GroupCommit[int, int](commit, max_batch=10, max_waiting=10, linger_s=30)

    async def client(number: int) -> None:
        await group.submit(number)
        for _ in range(100 * number):  # some come back later than others
            await asyncio.sleep(0)
        await group.submit(number)

    began = time.monotonic()
    await asyncio.gather(*(client(number) for number in range(4)))
    await asyncio.gather(
        group.submit(1), group.submit(2)
    )  # the others stay away: they are waited for, but not for ever
    await group.close()
    assert sizes == [4, 4, 2]
    assert time.monotonic() - began < 10, "as long as the last commit took, not as long as is allowed"
