"""One destination's deliveries: from the log, through its filters, in requests as many at once as it bears.

What is read goes into line in chunks; once every event of the chunks up to a place has its outcome, the cursor moves
there, in one commit with the counts and with the events that were not taken. So after any crash an event is delivered,
filtered, among those that wait or failed, or still behind the cursor (and then it is sent again, under its message id).
"""

import asyncio
import random
import time
import traceback
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

import structlog
from prometheus_client import Counter

from tifo.delivery.ports import (
    KEPT_ATTEMPTS,
    Attempt,
    Checkpoint,
    DeliveryState,
    Result,
    Undelivered,
    UndeliveredState,
)
from tifo.delivery.sending.filters import DestinationFilter, LoggedEvent, event_of
from tifo.delivery.sending.pace import BACKOFF, CLOSED, Circuit, ConcurrencyLimit
from tifo.delivery.sending.queue import Chunk, DeliveryQueue, Job
from tifo.delivery.sending.reading import DecodedBlock, LoggedMessage, SharedReader
from tifo.delivery.sending.stats import DeliveryStats, Names, Place
from tifo.destinations.ports import Destination, Event, Fate, Outcome
from tifo.kernel.backoff import RETRY_AFTER_CAP_S
from tifo.kernel.clock import Clock, system_clock
from tifo.kernel.errors import Transient
from tifo.kernel.ids import DestinationId, Position, SourceId
from tifo.kernel.waiting import wait

WINDOW_EVENTS, WINDOW_BYTES = 10_000, 16 << 20
"""Of events that are read and not yet settled: the log keeps what comes after."""
MAX_WAITING = 50_000
"""Events that wait for another attempt; more are left in the log."""
SEND_WITHIN_S = 120.0
"""Beyond the destination's own timeout; then the request counts as hung."""

_KEEP_EVERY_S = 0.2
_IDLE_CURSOR_S = 5.0
_DUE_EVERY_S = 0.5
_GRACE_S = 5.0
_READ = 2_000
_DUE_AT_ONCE = 1_000
"""Events that waited: they come with payloads of up to 32 KiB."""
_CHUNK_LEAST, _CHUNK_MOST = 10, 500
"""Events that the cursor moves over together: about as many as a request holds."""
_PUSHED_BACK = frozenset(("408", "429", "503", "504", "ETIMEDOUT"))
_FOR_ONE = frozenset(("400", "413", "422"))
"""Refusals of a whole request that may be about one of its events: it is halved."""
_DETAIL = 500
_UNREADABLE = Outcome(Fate.FAILED, "bad_request", "The log holds something here that is no message.")

_outcomes = Counter("tifo_deliveries", "Outcomes of attempts to deliver", ["destination_id", "fate"])
_log = structlog.get_logger("tifo.delivery")


@dataclass(frozen=True)
class Terms:
    """What a connection is told about itself."""

    destination_id: DestinationId
    source_id: SourceId
    retry_for_s: float


class DestinationConnection:
    """`run` in an event loop. `keep` commits a change, or tells that it cannot be (see `DeliveryState.settle`)."""

    def __init__(
        self,
        terms: Terms,
        destination: Destination,
        event_filter: DestinationFilter,
        *,
        reader: SharedReader,
        state: DeliveryState,
        keep: Callable[[Checkpoint], Awaitable[bool]],
        clock: Clock = system_clock,
        monotonic: Callable[[], float] = time.monotonic,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self._terms = terms
        self._destination = destination
        self._event_filter = event_filter
        self._reader = reader
        self._state = state
        self._keep = keep
        self._clock = clock
        self._monotonic = monotonic
        self._chance = chance
        self._wake = asyncio.Event()
        self._may_have_more = True
        """Whether the log may hold something that was not read."""
        self._names = Names()
        self._chunks: deque[Chunk] = deque()
        self._read_to = Position(0)
        self._cursor = Position(0)
        self._held_events = 0
        self._held_bytes = 0
        self._found = DeliveryStats()
        self._received = 0
        self._received_bytes = 0
        self._keep_soon = asyncio.Event()
        self._broken: BaseException | None = None
        self._width = ConcurrencyLimit()
        self._circuit = CLOSED
        self._dead_reason = ""
        self._paused_until = 0.0
        self._under_way: set[asyncio.Task[None]] = set()
        self._retrying: set[Place] = set()
        self._waiting = 0
        """About so many wait outside the line: as the state said last, and what became of some since."""
        self._due_at = 0.0
        self._kept_cursor = Position(0)
        self._kept_at = 0.0
        self._kept_dead_since: float | None = None
        self._line = DeliveryQueue(destination.batching, ordered=destination.ordered, held_up={})
        self._chunk_events = min(max(_CHUNK_LEAST, destination.batching.max_events), _CHUNK_MOST)

    async def run(self, stop: asyncio.Event) -> None:
        """Until `stop`, which is this connection's own; then what is under way gets a few seconds. What is cut off is
        sent again by the next one.
        """
        await self._restore()
        keeping = asyncio.create_task(self._keep_found(stop))
        stopping = asyncio.create_task(stop.wait())
        stopping.add_done_callback(lambda _: self._wake.set())
        try:
            while not stop.is_set():
                self._wake.clear()
                if self._broken is not None:
                    raise self._broken
                await self._look()
                self._launch()
                # until something is to be done: the log has grown, an answer came, or a time has come
                await wait(self._wake, self._next_in_s())
        finally:
            stopping.cancel()
            await self._finish()
            stop.set()
            self._keep_soon.set()
            await asyncio.wait([keeping], timeout=_GRACE_S)
            keeping.cancel()

    def log_grew(self) -> None:
        self._may_have_more = True
        self._wake.set()

    async def _restore(self) -> None:
        standing = await asyncio.to_thread(self._state.standing, self._terms.destination_id)
        self._cursor = self._read_to = self._kept_cursor = standing.position
        self._waiting = standing.waiting
        if self._destination.ordered:
            held_up = await asyncio.to_thread(self._state.held_up, self._terms.destination_id)
            self._line = DeliveryQueue(self._destination.batching, ordered=True, held_up=held_up)
        if standing.dead_since is not None:  # a restart does not make a dead destination look alive
            self._circuit = Circuit(opened_at=standing.dead_since, probes=1)
            self._dead_reason = standing.dead_reason
            self._kept_dead_since = standing.dead_since

    # What comes into line

    async def _look(self) -> None:
        """A log or state that is out of reach for a moment holds up what is new; what is under way goes on."""
        try:
            await self._take_up_due()
            await self._read()
        except Transient as error:
            _log.warning("delivery.cannot_look", destination_id=self._terms.destination_id, error=error.message)
            self._may_have_more = True
            await asyncio.sleep(_DUE_EVERY_S)

    async def _take_up_due(self) -> None:
        now = self._monotonic()
        if now < self._due_at or self._line.waiting_again:
            return
        self._due_at = now + _DUE_EVERY_S
        before = set(self._retrying)  # what was kept while we looked may be seen as it was before
        found = await asyncio.to_thread(
            self._state.due,
            self._terms.destination_id,
            self._clock().timestamp(),
            limit=_DUE_AT_ONCE,
            in_order=self._destination.ordered,
        )
        busy = before | self._retrying
        self._waiting = found.waiting
        fresh = [late for late in found.late if (late.event.position, late.replay) not in busy]
        self._retrying.update((late.event.position, late.replay) for late in fresh)
        self._line.add(Job(late.event, now, None, late) for late in fresh)

    async def _read(self) -> None:
        """As much as there is room for. A dead destination, or one of which too much waits, is not read for."""
        room = WINDOW_EVENTS - self._held_events
        if room <= 0 or self._held_bytes >= WINDOW_BYTES or self._waiting >= MAX_WAITING:
            return
        if self._circuit.is_open and len(self._line):
            return
        if not self._may_have_more:
            return
        self._may_have_more = False
        end = await asyncio.to_thread(self._reader.end)
        if end <= self._read_to:
            return
        blocks = await asyncio.to_thread(
            self._reader.read, self._read_to, self._terms.source_id, limit=min(room, _READ)
        )
        if not blocks:
            self._read_to = end
            self._advance()
        for block in blocks:
            for at in range(0, len(block.lines), self._chunk_events):
                self._line.add(self._chunk(block, at))
            self._read_to = block.last
        self._advance()
        if blocks:
            self.log_grew()  # or there is more of it

    def _chunk(self, block: DecodedBlock, at: int) -> list[Job]:
        lines = block.lines[at : at + self._chunk_events]
        messages = block.messages[at : at + self._chunk_events]
        first = block.first + at
        chunk = Chunk(Position(first + len(lines) - 1), len(lines), sum(map(len, lines)), len(lines))
        self._chunks.append(chunk)
        self._held_events += chunk.events
        self._held_bytes += chunk.bytes
        since = self._monotonic()
        jobs: list[Job] = []
        for number, (line, message) in enumerate(zip(lines, messages, strict=True)):
            position = Position(first + number)
            event, outcome = self._sift(position, block.received_at, message, line)
            job = Job(event, since, chunk)
            if outcome is None:
                jobs.append(job)
            else:
                self._settle(job, outcome, 0.0)
        return jobs

    def _sift(
        self, position: Position, received_at: float, message: LoggedMessage | None, line: bytes
    ) -> tuple[Event, Outcome | None]:
        """A filter that breaks at an event is a fault of Tifo's own: the event fails, and is not sent unfiltered."""
        if message is None:
            return Event(position, "", "", "", "", received_at, line), _UNREADABLE
        arrived = LoggedEvent(position, received_at, message, line)
        try:
            return self._event_filter(arrived)
        except Exception as error:  # noqa: BLE001 (whatever it is, the other events go on)
            _log.error("delivery.filter_broke", destination_id=self._terms.destination_id, error=repr(error))
            return event_of(arrived), Outcome(Fate.FAILED, "INTERNAL", f"A filter broke at this event: {error!r}")

    # What is sent

    def _launch(self) -> None:
        now = self._monotonic()
        if now < self._paused_until:
            return
        while len(self._under_way) < self._at_once() and self._is_ready(now):
            batch = self._batch()
            if not batch:
                continue
            task = asyncio.create_task(self._attempt(batch))
            self._under_way.add(task)
            task.add_done_callback(self._attempted)

    def _at_once(self) -> int:
        if self._circuit.is_open:
            return 1 if self._circuit.may_probe(self._clock().timestamp()) else 0
        return int(self._width)

    def _is_ready(self, now: float) -> bool:
        ready_in_s = self._line.ready_in_s(now)
        return ready_in_s is not None and ready_in_s <= 0

    def _batch(self) -> list[Job]:
        """What may be sent now, and no event behind another of a user who is held up."""
        taken = self._line.probe() if self._circuit.is_open else self._line.take()
        batch: list[Job] = []
        held: list[Job] = []
        for job in taken:
            (held if self._line.is_held_up(job) else batch).append(job)
        for job in held:
            self._wait_behind(job)
        self._line.done(held)
        if held:
            self._advance()  # perhaps nothing else is under way that would
        return batch

    def _attempted(self, task: asyncio.Task[None]) -> None:
        self._under_way.discard(task)
        self._wake.set()
        if not task.cancelled():
            self._broken = self._broken or task.exception()

    async def _attempt(self, batch: Sequence[Job]) -> None:
        await self._try(batch)
        self._line.done(batch)

    async def _try(self, batch: Sequence[Job]) -> None:
        began = self._monotonic()
        outcomes = await self._send(batch)
        if len(batch) > 1 and not self._destination.batching.apart and _is_for_one(outcomes):
            middle = len(batch) // 2
            await self._try(batch[:middle])
            await self._try(batch[middle:])
            return
        took_s = self._monotonic() - began
        self._learn(outcomes, began, took_s, is_new=any(job.late is None for job in batch))
        for job, outcome in zip(batch, outcomes, strict=True):
            self._settle(job, outcome, took_s)
        self._advance()

    async def _send(self, batch: Sequence[Job]) -> Sequence[Outcome]:
        events = [job.event for job in batch]
        try:
            async with asyncio.timeout(SEND_WITHIN_S):
                outcomes = await self._destination.send(events)
            if len(outcomes) == len(events):
                return outcomes
            problem = f"The destination told {len(outcomes)} outcomes of {len(events)} events."
        except TimeoutError:
            problem = f"The destination did not come back within {SEND_WITHIN_S:g} s."
        except Exception as error:  # noqa: BLE001 (whatever it is, no event is lost by it)
            lines = "".join(traceback.format_exception_only(error)).strip()
            problem = f"Tifo's own fault: {lines}"
        _log.error("delivery.send_broke", destination_id=self._terms.destination_id, problem=problem)
        return [Outcome(Fate.RETRY, "INTERNAL", problem)] * len(events)

    def _learn(self, outcomes: Sequence[Outcome], began: float, took_s: float, *, is_new: bool) -> None:
        """What the answers tell of the destination, rather than of their events: that the same event fails again and
        again tells nothing of it.
        """
        now, wall = self._monotonic(), self._clock().timestamp()
        fates = {outcome.fate for outcome in outcomes}
        was_open = self._circuit.is_open
        if fates & {Fate.DELIVERED, Fate.FILTERED}:
            self._circuit = self._circuit.taken()
        elif fates == {Fate.FAILED}:
            self._circuit = self._circuit.refused(len(outcomes), wall, self._chance())
        elif fates == {Fate.RETRY} and (is_new or was_open):
            self._circuit = self._circuit.failed(wall, self._chance())
        if any(outcome.fate is Fate.RETRY and outcome.code in _PUSHED_BACK for outcome in outcomes):
            self._width = self._width.pushed_back(began, now)
        else:
            self._width = self._width.well(len(self._under_way) - 1, took_s)
        asked = [outcome.retry_after_s for outcome in outcomes if outcome.retry_after_s]
        if asked and Fate.DELIVERED not in fates:
            self._paused_until = max(self._paused_until, now + min(max(asked), RETRY_AFTER_CAP_S))
        if self._circuit.is_open != was_open:
            self._tell_circuit(outcomes[0])

    def _tell_circuit(self, outcome: Outcome) -> None:
        self._dead_reason = f"{outcome.code} {outcome.detail[:_DETAIL]}".strip() if self._circuit.is_open else ""
        tell = _log.warning if self._circuit.is_open else _log.info
        tell(
            "delivery.destination_dead" if self._circuit.is_open else "delivery.destination_alive",
            destination_id=self._terms.destination_id,
            reason=self._dead_reason,
        )

    # What becomes of it

    def _settle(self, job: Job, outcome: Outcome, took_s: float) -> None:
        now = self._clock().timestamp()
        found = self._found if job.chunk is None else job.chunk.found
        name = self._names.of(job.event.name, int(now // 60))
        _outcomes.labels(self._terms.destination_id, outcome.fate.value).inc()
        replay = "" if job.late is None else job.late.replay
        if outcome.fate in {Fate.DELIVERED, Fate.FILTERED}:
            delivered = Result.REPLAYED if replay else Result.DELIVERED
            result = delivered if outcome.fate is Fate.DELIVERED else Result.FILTERED
            found.count(job.event, name, result, outcome, now)
            self._leave(job, found)
        else:
            late = self._late(job, outcome, took_s, now)
            result = Result.FAILED if late.state is UndeliveredState.FAILED else Result.RETRIED
            found.count(job.event, name, result, outcome, now)
            self._hold_back(job, late, found)
        if job.chunk is not None:
            job.chunk.open -= 1

    def _leave(self, job: Job, found: DeliveryStats) -> None:
        if job.late is not None:
            found.settled.append(job.place)
            self._line.release(job.event.user)
            self._waiting = max(0, self._waiting - 1)
            if self._destination.ordered:
                self._keep_soon.set()  # the user's next one waits for it

    def _hold_back(self, job: Job, late: Undelivered, found: DeliveryStats) -> None:
        found.undelivered[job.place] = late
        was, waits = job.late is not None, late.state is UndeliveredState.WAITING
        if waits and not was:
            self._line.hold(job.event.user)
        if was and not waits:
            self._line.release(job.event.user)
        self._waiting = max(0, self._waiting + waits - was)

    def _wait_behind(self, job: Job) -> None:
        """It was not tried: its time comes when what stands before it is settled."""
        now = self._clock().timestamp()
        late = Undelivered(
            job.event, UndeliveredState.WAITING, now, now, 0, (), "BEHIND", "An earlier event of the user waits."
        )
        assert job.chunk is not None  # noqa: S101 (what waited outside the line is never held up)
        self._hold_back(job, late, job.chunk.found)
        job.chunk.open -= 1

    def _late(self, job: Job, outcome: Outcome, took_s: float, now: float) -> Undelivered:
        """Given up is what was tried for its whole time, while the destination takes others: a dead one stops the
        clock, so that an outage of any length loses nothing.
        """
        before = job.late
        attempts = (before.attempts if before else 0) + 1
        first_at = before.first_at if before and before.attempts else now
        attempt = Attempt(now, outcome.code, outcome.detail[:_DETAIL], round(took_s, 3))
        history = (*(before.history if before else ()), attempt)
        if len(history) > KEPT_ATTEMPTS:
            history = (history[0], *history[-KEPT_ATTEMPTS + 1 :])
        is_over = now - first_at >= self._terms.retry_for_s and not self._circuit.is_open
        state = UndeliveredState.FAILED if outcome.fate is Fate.FAILED or is_over else UndeliveredState.WAITING
        after_s = BACKOFF.pause_s(attempts, self._chance(), outcome.retry_after_s)
        event = job.event if outcome.left is None else _with_left(job.event, outcome.left)
        return Undelivered(
            event,
            state,
            first_at,
            now + after_s if state is UndeliveredState.WAITING else None,
            attempts,
            history,
            outcome.code,
            outcome.detail[:_DETAIL],
            outcome.exchange,
            before.replay if before else "",
        )

    # What is kept

    def _advance(self) -> None:
        """The cursor moves over the chunks that are done."""
        while self._chunks and not self._chunks[0].open:
            chunk = self._chunks.popleft()
            self._found.add(chunk.found)
            self._received += chunk.events
            self._received_bytes += chunk.bytes
            self._cursor = chunk.last
        if not self._chunks:
            self._cursor = max(self._cursor, self._read_to)
        if self._received >= WINDOW_EVENTS // 4:
            self._keep_soon.set()

    async def _keep_found(self, stop: asyncio.Event) -> None:
        while not stop.is_set():
            await wait(self._keep_soon, _KEEP_EVERY_S)
            self._keep_soon.clear()
            await self._keep_once()
        await self._keep_once()

    async def _keep_once(self) -> None:
        now = self._monotonic()
        dead_since = self._circuit.opened_at
        moved = self._cursor > self._kept_cursor and now - self._kept_at >= _IDLE_CURSOR_S
        if self._found.is_empty and not self._received and not moved and dead_since == self._kept_dead_since:
            return
        found, self._found = self._found, DeliveryStats()
        change = found.as_change(
            self._terms.destination_id,
            position=self._cursor,
            received=self._received,
            dead_since=dead_since,
            dead_reason=self._dead_reason,
            since=self._kept_cursor,
        )
        held_bytes, self._received, self._received_bytes = self._received_bytes, 0, 0
        await self._keep_surely(change)
        self._held_events -= change.received
        self._held_bytes -= held_bytes
        self._kept_cursor, self._kept_at, self._kept_dead_since = change.position or self._kept_cursor, now, dead_since
        self._retrying.difference_update(found.places())
        if self._destination.ordered and found.settled:
            self._due_at = now
        self._wake.set()

    async def _keep_surely(self, change: Checkpoint) -> None:
        """For ever: what it holds is known nowhere else. Nothing more is read meanwhile than there is room for."""
        while True:
            try:
                is_kept = await self._keep(change)
            except Transient as error:
                _log.warning("delivery.not_kept", destination_id=change.destination_id, error=error.message)
                await asyncio.sleep(error.retry_after_s)
            else:
                break
        if not is_kept:
            self._broken = Transient("The cursor was moved meanwhile: what is not settled is read again.")

    def _next_in_s(self) -> float:
        now = self._monotonic()
        times = [_DUE_EVERY_S]
        if self._paused_until > now:
            times.append(self._paused_until - now)
        elif self._circuit.is_open:
            times.append(max(0.02, self._circuit.probe_at - self._clock().timestamp()))
        elif len(self._under_way) < int(self._width):
            ready_in_s = self._line.ready_in_s(now)
            if ready_in_s is not None:
                times.append(max(0.001, ready_in_s))
        return min(times)

    async def _finish(self) -> None:
        if self._under_way:
            _, late = await asyncio.wait(self._under_way, timeout=_GRACE_S)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)


def _is_for_one(outcomes: Sequence[Outcome]) -> bool:
    """Whether the whole request was refused in a way that one of its events may be the cause of."""
    codes = {outcome.code if outcome.fate is Fate.FAILED else "" for outcome in outcomes}
    return len(codes) == 1 and codes <= _FOR_ONE


def _with_left(event: Event, left: bytes) -> Event:
    return Event(
        event.position, event.message_id, event.type, event.name, event.user, event.received_at, event.body, left
    )
