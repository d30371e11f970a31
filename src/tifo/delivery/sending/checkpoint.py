"""Decides when a connection commits what it has done, and commits it together with the cursor."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime

import structlog

from tifo.delivery.ports import Checkpoint, ConnectionStatus
from tifo.delivery.sending.backlog import RetryBacklog
from tifo.delivery.sending.health import DestinationHealth
from tifo.delivery.sending.queue import DeliveryQueue
from tifo.delivery.sending.window import ReadWindow
from tifo.kernel.errors import Transient
from tifo.kernel.ids import DestinationId
from tifo.kernel.waiting import wait

COMMIT_EVERY_S = 0.2
IDLE_CURSOR_S = 5.0
"""The time between two commits of a cursor that only passed other sources' events: nothing is sent twice by that."""

_log = structlog.get_logger("tifo.delivery")


class CheckpointWriter:
    """Commits one checkpoint after the other. `commit` stores one, and says whether it was (see
    `DeliveryState.settle`). `on_commit` is called after each, as there is room in the window again.
    """

    def __init__(
        self,
        destination_id: DestinationId,
        status: ConnectionStatus,
        commit: Callable[[Checkpoint], Awaitable[bool]],
        *,
        queue: DeliveryQueue,
        window: ReadWindow,
        backlog: RetryBacklog,
        health: DestinationHealth,
        soon: asyncio.Event,
        monotonic: Callable[[], float],
        on_commit: Callable[[], None],
    ) -> None:
        self._destination_id = destination_id
        self._commit = commit
        self._queue = queue
        self._window = window
        self._backlog = backlog
        self._health = health
        self._soon = soon
        """Set by whoever needs a checkpoint before its time."""
        self._monotonic = monotonic
        self._on_commit = on_commit
        self._cursor = status.position
        self._dead_since: datetime | None = status.dead_since
        self._committed_at_s = 0.0
        self.failure: BaseException | None = None
        """Set once another process has moved the cursor: what is not committed is read again from there."""

    async def run(self, stop: asyncio.Event) -> None:
        """Commits until `stop`, and once more after it."""
        while not stop.is_set():
            await wait(self._soon, COMMIT_EVERY_S)
            self._soon.clear()
            await self.commit_once()
        # The requests in flight ended after `stop`: their outcomes are in this one.
        await self.commit_once()

    async def commit_once(self) -> None:
        """Commits what was done since the last checkpoint, where it is worth it."""
        now_s = self._monotonic()
        if not self._is_due(now_s):
            return
        # Before the first await: outcomes that come during the commit belong to the next checkpoint.
        progress = self._window.take()
        checkpoint = progress.stats.as_checkpoint(
            self._destination_id,
            position=progress.position,
            previous=self._cursor,
            received=progress.received,
            dead_since=self._health.dead_since,
            dead_reason=self._health.dead_reason,
        )
        await self._commit_surely(checkpoint)
        # Only after the commit: until then the state shows these events as due, and their bytes are in memory.
        self._window.committed(progress)
        self._backlog.committed(progress.stats.keys())
        self._cursor, self._dead_since, self._committed_at_s = progress.position, checkpoint.dead_since, now_s
        if self._queue.ordered and progress.stats.settled:
            self._backlog.look_at_s = now_s  # the users' next events are due now
        self._on_commit()

    def _is_due(self, now_s: float) -> bool:
        moved = self._window.cursor != self._cursor and now_s - self._committed_at_s >= IDLE_CURSOR_S
        changed = not self._window.stats.is_empty or self._window.received > 0
        return changed or moved or self._health.dead_since != self._dead_since

    async def _commit_surely(self, checkpoint: Checkpoint) -> None:
        """Repeats a commit until it is answered: its outcomes are stored nowhere else. Meanwhile the window fills up,
        and no more is read.
        """
        while True:
            try:
                is_stored = await self._commit(checkpoint)
            except Transient as error:
                _log.warning("delivery.not_kept", destination_id=self._destination_id, error=error.message)
                await asyncio.sleep(error.retry_after_s)
            else:
                break
        if not is_stored:
            self.failure = Transient("The cursor was moved meanwhile: what is not settled is read again.")
