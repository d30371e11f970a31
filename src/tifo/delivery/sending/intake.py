"""Reads the log and the due retries into the queue, within bounds."""

import asyncio
from collections.abc import Callable

import structlog

from tifo.delivery.ports import DeliveryState
from tifo.delivery.sending.backlog import RetryBacklog
from tifo.delivery.sending.filters import DestinationFilter, LoggedEvent, event_of, unreadable_event
from tifo.delivery.sending.health import DestinationHealth
from tifo.delivery.sending.queue import DeliveryQueue, Job
from tifo.delivery.sending.reading import DecodedBlock, LoggedMessage, SharedReader
from tifo.delivery.sending.settling import OutcomeSettler
from tifo.delivery.sending.window import Chunk, ReadWindow
from tifo.destinations.ports import Event, Fate, Outcome
from tifo.kernel.clock import Clock
from tifo.kernel.errors import Transient
from tifo.kernel.ids import DestinationId, Position, SourceId

DUE_EVERY_S = 0.5
"""The time between two questions to the state for due retries."""
READ_EVENTS = 2_000
_DUE_LIMIT = 1_000
"""The most retries that are read at once: they come with payloads of up to 32 KiB."""
_CHUNK_LEAST, _CHUNK_MOST = 10, 500
"""Bounds of a chunk: about as many events as a request holds."""
_UNREADABLE = Outcome(Fate.FAILED, "bad_request", "The log holds something here that is no message.")

_log = structlog.get_logger("tifo.delivery")


class QueueIntake:
    """Fills the queue: due retries first, then new events of the connection's source, through its filter.

    New events are read only while the window has room, few enough events wait for another attempt, and the destination
    is alive (a dead one needs one event, for the next probe).
    """

    def __init__(
        self,
        destination_id: DestinationId,
        source_id: SourceId,
        event_filter: DestinationFilter,
        *,
        chunk_events: int,
        reader: SharedReader,
        state: DeliveryState,
        queue: DeliveryQueue,
        window: ReadWindow,
        backlog: RetryBacklog,
        health: DestinationHealth,
        settler: OutcomeSettler,
        clock: Clock,
        monotonic: Callable[[], float],
    ) -> None:
        self._destination_id = destination_id
        self._source_id = source_id
        self._filter = event_filter
        self._chunk_events = min(max(_CHUNK_LEAST, chunk_events), _CHUNK_MOST)
        self._reader = reader
        self._state = state
        self._queue = queue
        self._window = window
        self._backlog = backlog
        self._health = health
        self._settler = settler
        self._clock = clock
        self._monotonic = monotonic
        self._log_may_have_more = True

    def log_grew(self) -> None:
        self._log_may_have_more = True

    async def fill(self) -> bool:
        """Adds what is due and what is new. Returns whether anything was read: then there may be more.

        A log or state that is out of reach for a moment delays new events; requests in flight go on.
        """
        try:
            await self._take_up_due()
            return await self._read()
        except Transient as error:
            _log.warning("delivery.cannot_look", destination_id=self._destination_id, error=error.message)
            # The read that failed had reset it, and the log may not grow again.
            self._log_may_have_more = True
            # Without a pause, a state that is away would be asked without end.
            await asyncio.sleep(DUE_EVERY_S)
            return False

    async def _take_up_due(self) -> None:
        now_s = self._monotonic()
        if now_s < self._backlog.look_at_s or self._queue.has_retries:
            return
        self._backlog.look_at_s = now_s + DUE_EVERY_S
        before = self._backlog.in_progress()
        due = await asyncio.to_thread(
            self._state.due,
            self._destination_id,
            self._clock(),
            limit=_DUE_LIMIT,
            in_order=self._queue.ordered,
        )
        fresh = self._backlog.take_up(due, before)
        self._queue.add_retries(Job(each.event, now_s, None, each) for each in fresh)

    async def _read(self) -> bool:
        if not self._log_may_have_more or not self._may_read():
            return False
        # Before the log is asked: what it grows by meanwhile sets this again, and is not missed.
        self._log_may_have_more = False
        window = self._window
        # The end is asked for before the read: where no event of the source comes back, none lies up to there.
        end = await asyncio.to_thread(self._reader.end)
        if end <= window.read_to:
            return False
        limit = min(window.room, READ_EVENTS)
        blocks = await asyncio.to_thread(self._reader.read, window.read_to, self._source_id, limit=limit)
        for block in blocks:
            for start in range(0, len(block.lines), self._chunk_events):
                self._add_chunk(block, start)
            window.read_to = block.last
        if not blocks:
            window.read_to = end
        # All of these events may have been filtered: then no answer comes that would move the cursor.
        window.advance()
        if blocks:
            self._log_may_have_more = True
        return bool(blocks)

    def _may_read(self) -> bool:
        is_probing = self._health.is_dead and len(self._queue) > 0
        return self._window.room > 0 and not self._backlog.is_full and not is_probing

    def _add_chunk(self, block: DecodedBlock, start: int) -> None:
        """Filters the events of one chunk: those that pass are queued, the others are settled at once."""
        lines = block.lines[start : start + self._chunk_events]
        messages = block.messages[start : start + self._chunk_events]
        positions = block.positions[start : start + self._chunk_events]
        chunk = Chunk(last=positions[-1], events=len(lines), bytes=sum(map(len, lines)), unsettled=len(lines))
        self._window.add(chunk)
        now_s = self._monotonic()
        passed: list[Job] = []
        stopped: list[Job] = []
        outcomes: list[Outcome] = []
        for position, line, message in zip(positions, lines, messages, strict=True):
            event, outcome = self._filtered(position, block.received_at, message, line)
            job = Job(event, now_s, chunk)
            if outcome is None:
                passed.append(job)
            else:
                stopped.append(job)
                outcomes.append(outcome)
        # Filtered events are settled without a request; they go into the same chunk, as the cursor moves over both.
        if stopped:
            self._settler.settle(stopped, outcomes, 0.0)
        self._queue.add_new(passed)

    def _filtered(
        self, position: Position, received_at: float, message: LoggedMessage | None, line: bytes
    ) -> tuple[Event, Outcome | None]:
        """Applies the filter. Where it breaks (a fault of Tifo's own), the event fails: it is not sent unfiltered."""
        if message is None:
            return unreadable_event(position, received_at, line), _UNREADABLE
        logged = LoggedEvent(position, received_at, message, line)
        try:
            return self._filter(logged)
        except Exception as error:  # noqa: BLE001 (whatever it is, the other events go on)
            _log.error("delivery.filter_broke", destination_id=self._destination_id, error=repr(error))
            return event_of(logged), Outcome(Fate.FAILED, "INTERNAL", f"A filter broke at this event: {error!r}")
