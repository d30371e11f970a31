"""Cuts the queue into batches and attempts them, as many at once as the destination can bear."""

import asyncio
import traceback
from collections.abc import Callable, Sequence

import structlog

from tifo.delivery.sending.health import DestinationHealth
from tifo.delivery.sending.queue import DeliveryQueue, Job
from tifo.delivery.sending.settling import OutcomeSettler
from tifo.delivery.sending.window import ReadWindow
from tifo.destinations.ports import Destination, Fate, Outcome
from tifo.kernel.ids import DestinationId

SEND_WITHIN_S = 120.0
"""The time after which a request counts as hung. The destinations' own timeouts are shorter."""
GRACE_S = 5.0
"""The time that requests in flight get at the end."""

_ABOUT_ONE_EVENT = frozenset(("400", "413", "422"))
"""Refusals of a whole request that one of its events may have caused: the batch is halved."""
_SHORTEST_WAIT_S = 0.001

_log = structlog.get_logger("tifo.delivery")


class BatchSender:
    """Keeps as many requests in flight as the destination's health allows. `on_answer` is called after each."""

    def __init__(
        self,
        destination_id: DestinationId,
        destination: Destination,
        *,
        queue: DeliveryQueue,
        window: ReadWindow,
        health: DestinationHealth,
        settler: OutcomeSettler,
        monotonic: Callable[[], float],
        on_answer: Callable[[], None],
    ) -> None:
        self._destination_id = destination_id
        self._destination = destination
        self._queue = queue
        self._window = window
        self._health = health
        self._settler = settler
        self._monotonic = monotonic
        self._on_answer = on_answer
        self._in_flight: set[asyncio.Task[None]] = set()
        self.failure: BaseException | None = None
        """A fault of Tifo's own that ended an attempt: its events have no outcome, so the connection must end."""

    def launch(self) -> None:
        """Starts requests until the limit is reached or nothing is ready."""
        now_s = self._monotonic()
        while len(self._in_flight) < self._health.at_once() and self._is_ready(now_s):
            batch = self._next_batch()
            # All of its events may have been blocked.
            if batch:
                task = asyncio.create_task(self._attempt(batch))
                # The event loop itself holds a task weakly: without this set it could be collected in the middle of its
                # request.
                self._in_flight.add(task)
                task.add_done_callback(self._attempted)

    def next_in_s(self) -> float | None:
        """Returns when `launch` may have something to do if no answer comes; None where only an answer helps."""
        waits_s = self._health.waits_s()
        if waits_s is not None:
            return waits_s
        if len(self._in_flight) >= self._health.at_once():
            return None
        ready_in_s = self._queue.ready_in_s(self._monotonic())
        return None if ready_in_s is None else max(_SHORTEST_WAIT_S, ready_in_s)

    async def finish(self) -> None:
        """Waits for requests in flight, then cancels them: their events have no outcome and are sent again."""
        if not self._in_flight:
            return
        _, hanging = await asyncio.wait(self._in_flight, timeout=GRACE_S)
        for task in hanging:
            task.cancel()
        # Awaited, so that no task outlives the destination, which is closed next.
        await asyncio.gather(*hanging, return_exceptions=True)

    def _is_ready(self, now_s: float) -> bool:
        ready_in_s = self._queue.ready_in_s(now_s)
        return ready_in_s is not None and ready_in_s <= 0

    def _next_batch(self) -> list[Job]:
        """Returns what may be sent now. Events of blocked users leave the queue and wait in the state."""
        jobs = self._queue.take_probe() if self._health.is_dead else self._queue.take()
        blocked = [job for job in jobs if self._queue.is_blocked(job)]
        if not blocked:
            return jobs
        batch = [job for job in jobs if not self._queue.is_blocked(job)]
        self._settler.put_behind(blocked)
        self._queue.done(blocked)
        self._window.advance()  # perhaps no request is in flight whose answer would do it
        return batch

    def _attempted(self, task: asyncio.Task[None]) -> None:
        self._in_flight.discard(task)
        self._on_answer()
        if not task.cancelled():
            self.failure = self.failure or task.exception()

    async def _attempt(self, batch: Sequence[Job]) -> None:
        # The users stay in flight until both halves of a halved batch are settled: their later events must not overtake
        # the second half.
        await self._send_and_settle(batch)
        self._queue.done(batch)

    async def _send_and_settle(self, batch: Sequence[Job]) -> None:
        began_at_s = self._monotonic()
        outcomes = await self._send(batch)
        if len(batch) > 1 and not self._destination.batching.apart and _is_about_one_event(outcomes):
            middle = len(batch) // 2
            # One after the other, as a user may have events in both.
            await self._send_and_settle(batch[:middle])
            await self._send_and_settle(batch[middle:])
            return
        took_s = self._monotonic() - began_at_s
        self._health.learn(
            outcomes,
            began_at_s=began_at_s,
            took_s=took_s,
            # This request is still among those in flight.
            others=len(self._in_flight) - 1,
            is_new=any(not job.is_retry for job in batch),
        )
        self._settler.settle(batch, outcomes, took_s)
        self._window.advance()

    async def _send(self, batch: Sequence[Job]) -> Sequence[Outcome]:
        """Sends one request. Whatever a destination does, each event gets an outcome, so that none is lost."""
        events = [job.event for job in batch]
        try:
            async with asyncio.timeout(SEND_WITHIN_S):
                outcomes = await self._destination.send(events)
            if len(outcomes) == len(events):
                return outcomes
            problem = f"The destination reported {len(outcomes)} outcomes of {len(events)} events."
        except TimeoutError:
            problem = f"The destination did not come back within {SEND_WITHIN_S:g} s."
        except Exception as error:  # noqa: BLE001 (whatever it is, no event is lost by it)
            lines = "".join(traceback.format_exception_only(error)).strip()
            problem = f"Tifo's own fault: {lines}"
        _log.error("delivery.send_broke", destination_id=self._destination_id, problem=problem)
        return [Outcome(Fate.RETRY, "INTERNAL", problem)] * len(events)


def _is_about_one_event(outcomes: Sequence[Outcome]) -> bool:
    """Says whether the whole request was refused in a way that one of its events may have caused."""
    codes = {outcome.code if outcome.fate is Fate.FAILED else "" for outcome in outcomes}
    return len(codes) == 1 and codes <= _ABOUT_ONE_EVENT
