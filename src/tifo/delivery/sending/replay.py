"""Sends events of the log to a destination again, because somebody asked for it.

They wait like events whose attempt failed, under the replay's own id: so the destination's pace, circuit and retries
hold, earlier deliveries stay counted, and the cursor does not move.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from functools import partial
from typing import NamedTuple

from tifo.delivery.ports import DeliveryState, ReplaySelection, Undelivered
from tifo.delivery.sending.backlog import unattempted
from tifo.delivery.sending.filters import DestinationFilter, LoggedEvent
from tifo.delivery.sending.reading import DecodedBlock, decoded
from tifo.destinations.ports import Event, Outcome
from tifo.eventlog.ports import EventLog
from tifo.kernel.clock import Clock, system_clock
from tifo.kernel.ids import DestinationId, Position, SourceId

MAX_WAITING = 5_000
"""The most events of one replay that wait at once: live events go on beside them."""
AT_ONCE = 500
_READ = 5_000
_POLL_S = 0.2


class Replayed(NamedTuple):
    queued: int
    filtered: int
    """Selected, and not meant for the destination: its filters and the event's `integrations` hold for replays too."""


class ReplayProgress(NamedTuple):
    """Says how far a replay has come."""

    passed: int
    """Events of the source that were looked at, of all that it will look at."""
    total: int
    queued: int
    waiting: int


class _ProgressOf(NamedTuple):
    """Counts how many events a replay has looked at up to a position, and how many there are."""

    passed: Callable[[Position], int]
    total: int


class LogReplay:
    """Runs one replay. `rate` is events a second. `name` identifies it: begun anew under the same name, it queues no
    event that still waits.
    """

    def __init__(
        self,
        log: EventLog,
        state: DeliveryState,
        name: str,
        *,
        rate: float | None = None,
        on_progress: Callable[[ReplayProgress], None] = lambda _: None,
        clock: Clock = system_clock,
        monotonic: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._log = log
        self._state = state
        self._name = name
        self._rate = rate
        self._on_progress = on_progress
        self._clock = clock
        self._monotonic = monotonic
        self._sleep = sleep
        self._queued = 0

    def run(
        self,
        destination_id: DestinationId,
        source_id: SourceId,
        event_filter: DestinationFilter,
        selection: ReplaySelection,
    ) -> Replayed:
        """Queues the selected events in the log's order, and returns when the last one waits. Events beyond the
        destination's cursor are left to its own delivery.

        Blocks while more than `MAX_WAITING` wait: indefinitely, where nobody delivers. Events that are queued stay so,
        whatever ends this.
        """
        filtered = 0
        batch: list[Event] = []
        began_at_s = self._monotonic()
        end = self._state.status(destination_id).position
        counted = partial(self._log.behind, self._log.start(), source_id)
        progress = _ProgressOf(lambda position: counted(through=position), counted(through=end))
        # At most one second's worth at a time: a larger batch would break the rate at its start.
        at_once = AT_ONCE if self._rate is None else max(1, min(AT_ONCE, int(self._rate)))
        for event, outcome in _selected(self._log, source_id, event_filter, selection, end):
            if outcome is not None:
                filtered += 1
                continue
            batch.append(event)
            if len(batch) >= at_once:
                self._queue(destination_id, batch, progress, began_at_s)
                batch = []
        self._queue(destination_id, batch, progress, began_at_s)
        return Replayed(self._queued, filtered)

    def _queue(
        self, destination_id: DestinationId, batch: Sequence[Event], progress: "_ProgressOf", began_at_s: float
    ) -> None:
        if not batch:
            return
        passed = progress.passed(batch[-1].position)
        while (waiting := self._state.queued(destination_id, self._name)) + len(batch) > MAX_WAITING:
            self._on_progress(ReplayProgress(passed, progress.total, self._queued, waiting))
            self._sleep(_POLL_S)
        now = self._clock()
        self._queued += self._state.queue(destination_id, [self._waiting(event, now) for event in batch])
        self._on_progress(ReplayProgress(passed, progress.total, self._queued, waiting + len(batch)))
        if self._rate is not None:
            self._sleep(max(0.0, self._queued / self._rate - (self._monotonic() - began_at_s)))

    def _waiting(self, event: Event, now: datetime) -> Undelivered:
        return unattempted(event, now, code="REPLAY", detail="Somebody asked for it.", replay=self._name)


def _selected(
    log: EventLog, source_id: SourceId, event_filter: DestinationFilter, selection: ReplaySelection, end: Position
) -> Iterator[tuple[Event, Outcome | None]]:
    for block in _blocks(log, source_id, selection, end):
        for position, line, message in zip(block.positions, block.lines, block.messages, strict=True):
            # A line that is no message became a dead letter when the cursor passed it: there is nothing to send.
            if message is None or position > end:
                continue
            event, outcome = event_filter(LoggedEvent(position, block.received_at, message, line))
            if selection.matches(event):
                yield event, outcome


def _blocks(log: EventLog, source_id: SourceId, selection: ReplaySelection, end: Position) -> Iterator[DecodedBlock]:
    """Yields the blocks that may hold selected events; the others are not decoded."""
    after = log.start()
    while after < end:
        blocks = log.read(after, max_events=_READ, source_id=source_id)
        for block in blocks:
            # Blocks stand in the order of their receipt.
            if selection.until is not None and block.received_at >= selection.until:
                return
            if block.before < end and (selection.since is None or block.received_at >= selection.since):
                yield decoded(block)
        if not blocks:
            return
        after = blocks[-1].last
