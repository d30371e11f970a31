"""Commits in groups: many callers submit items, one writer commits batches, each caller gets its own result.

The next batch gathers while a commit runs, so a slow disk makes batches larger instead of callers slower. The writer
lingers a moment for callers who were answered together, so that they share the next commit.
"""

import asyncio
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

from tifo.kernel.errors import Overloaded, Transient

T = TypeVar("T")
R = TypeVar("R")
Commit = Callable[[Sequence[T]], Sequence[R | Exception]]
"""Commits a batch; blocks. The n-th result belongs to the n-th item. An exception fails every item of the batch."""

# What callers share is 0.7 ms of disk and eight statements (docs/decisions/0007): not worth a longer wait.
LINGER_S = 0.004


class GroupCommit(Generic[T, R]):
    """Gathers the items of one event loop and commits them, one batch at a time; `commit` runs in a thread of its own.

    The writer lingers as long as the last commit took, at most `linger_s`, and only until as many items wait as it
    just answered and saw waiting.

    `weigh` returns an item's weight. A batch weighs at most `max_batch` (or has one item). All that waits weighs at
    most `max_waiting`; beyond it `submit` raises `Overloaded` at once.
    """

    def __init__(
        self,
        commit: Commit[T, R],
        *,
        max_batch: int,
        max_waiting: int,
        weigh: Callable[[T], int] = lambda _: 1,
        linger_s: float = LINGER_S,
        name: str = "group-commit",
    ) -> None:
        self._commit = commit
        self._max_batch = max_batch
        self._max_waiting = max_waiting
        self._weigh = weigh
        self._linger_s = linger_s
        self._gathered: list[tuple[T, int, asyncio.Future[R]]] = []
        self._waiting: deque[tuple[T, int, asyncio.Future[R]]] = deque()
        self._weight = 0
        self._changed = threading.Condition()
        self._closing = False
        self._loop = asyncio.get_running_loop()
        self._thread = threading.Thread(target=self._work, name=name, daemon=True)
        self._thread.start()

    async def submit(self, item: T) -> R:
        """Returns the item's result when its batch is committed. Raises the item's own error, or the batch's."""
        weight = self._weigh(item)
        if self._closing:
            raise Transient("Tifo is stopping. Send this again in a moment.", retry_after_s=1.0)
        # An item that is heavier than the bound gets in when nothing waits: otherwise it could never be written.
        if self._weight + weight > self._max_waiting and self._weight:
            raise Overloaded(
                f"{self._weight:,} are waiting to be written, more than the {self._max_waiting:,} allowed."
                " Send this again after the time in Retry-After.",
                retry_after_s=1.0,
            )
        future: asyncio.Future[R] = self._loop.create_future()
        if not self._gathered:
            # The items of one turn of the loop go to the writer together: batches are larger, and the two threads take
            # the lock once a turn instead of once an item.
            self._loop.call_soon(self._hand_over)
        self._gathered.append((item, weight, future))
        with self._changed:
            # The writer's thread lowers it.
            self._weight += weight
        return await future

    def _hand_over(self) -> None:
        """Passes the items of one turn of the loop to the writer together."""
        with self._changed:
            self._waiting += self._gathered
            self._changed.notify()
        self._gathered.clear()

    async def close(self) -> None:
        """Commits what waits, then stops. Later submits raise `Transient`."""
        self._closing = True
        # The writer ends as soon as nothing waits: what the loop has gathered must be there before.
        self._hand_over()
        # The last results are settled in the loop, which must not be blocked meanwhile.
        await asyncio.to_thread(self._thread.join)

    def _work(self) -> None:
        expected, linger_s = 0, 0.0
        while batch := self._take(expected, linger_s):
            results: Sequence[R | Exception]
            began = time.monotonic()
            try:
                results = self._commit([item for item, _ in batch])
            except Exception as error:  # noqa: BLE001 (each caller is handed it)
                results = [error] * len(batch)
            futures = [future for _, future in batch]
            # A future belongs to its loop: it is no thing for another thread to settle.
            self._loop.call_soon_threadsafe(_settle, futures, results)
            # A single caller has nobody who would come along: lingering would only delay the next command.
            expected = len(batch) + len(self._waiting) if len(batch) > 1 else 0
            linger_s = min(time.monotonic() - began, self._linger_s)

    def _take(self, expected: int, linger_s: float) -> list[tuple[T, asyncio.Future[R]]]:
        """Waits for the next batch. It is empty when closing and nothing waits."""
        deadline = time.monotonic() + linger_s
        with self._changed:
            while not self._waiting and not self._closing:
                self._changed.wait()
            # Callers who were answered together tend to come again together. Without this wait, one half of them would
            # always come too late for the other half's commit.
            while len(self._waiting) < expected and not self._closing:
                if (left_s := deadline - time.monotonic()) <= 0:
                    break
                self._changed.wait(left_s)
            batch: list[tuple[T, asyncio.Future[R]]] = []
            batch_weight = 0
            while self._waiting and (not batch or batch_weight + self._waiting[0][1] <= self._max_batch):
                item, weight, future = self._waiting.popleft()
                batch_weight += weight
                batch.append((item, future))
            self._weight -= batch_weight
            return batch


def _settle(futures: Sequence[asyncio.Future[R]], results: Sequence[R | Exception]) -> None:
    for future, result in zip(futures, results, strict=True):
        if future.done():  # its caller was cancelled
            continue
        if isinstance(result, Exception):
            future.set_exception(result)
        else:
            future.set_result(result)
