"""Replay: events of the log are sent to a destination again, because somebody asked for it.

They wait in line like events whose attempt failed, under the replay's own id: so the destination's pace, circuit and
retries hold, what was delivered before stays counted, and the log's own cursor does not move. Only so many wait at
once, that live events go on meanwhile.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from tifo.delivery.ports import DeliveryState, ReplaySelection, Undelivered, UndeliveredState
from tifo.delivery.sending.filters import DestinationFilter, LoggedEvent
from tifo.delivery.sending.reading import DecodedBlock, decoded
from tifo.destinations.ports import Event, Outcome
from tifo.eventlog.ports import EventLog
from tifo.kernel.clock import Clock, system_clock
from tifo.kernel.ids import DestinationId, Position, SourceId

MOST_WAITING = 5_000
"""Of one replay."""
AT_ONCE = 500
_READ = 5_000
_POLL_S = 0.2


class Replayed(NamedTuple):
    queued: int
    filtered: int
    """Chosen, and not meant for the destination: its filters and the event's `integrations` hold for replays too."""


class Looked(NamedTuple):
    """How far a replay has come."""

    position: Position
    end: Position
    queued: int
    waiting: int


class LogReplay:
    """One replay. `rate` is events a second; `name` tells it from others: begun anew under the same one, no event is
    queued a second time that is still in line.
    """

    def __init__(
        self,
        log: EventLog,
        state: DeliveryState,
        name: str,
        *,
        rate: float | None = None,
        on_look: Callable[[Looked], None] = lambda _: None,
        clock: Clock = system_clock,
        monotonic: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._log = log
        self._state = state
        self._name = name
        self._rate = rate
        self._on_look = on_look
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
        """Queue what was chosen, in the log's order; returns when the last of it waits in line. What the destination
        has not come to yet is left to its own delivery.

        Blocks as long as more than `MOST_WAITING` wait: for ever, where nobody delivers. What is queued stays so,
        whatever ends this.
        """
        filtered = 0
        batch: list[Event] = []
        began = self._monotonic()
        end = self._state.standing(destination_id).position
        at_once = AT_ONCE if self._rate is None else max(1, min(AT_ONCE, int(self._rate)))
        for event, outcome in _chosen(self._log, source_id, event_filter, selection, end):
            if outcome is not None:
                filtered += 1
                continue
            batch.append(event)
            if len(batch) >= at_once:
                self._put(destination_id, batch, end, began)
                batch = []
        self._put(destination_id, batch, end, began)
        return Replayed(self._queued, filtered)

    def _put(self, destination_id: DestinationId, batch: Sequence[Event], end: Position, began: float) -> None:
        if not batch:
            return
        position = batch[-1].position
        while (waiting := self._state.queued(destination_id, self._name)) + len(batch) > MOST_WAITING:
            self._on_look(Looked(position, end, self._queued, waiting))
            self._sleep(_POLL_S)
        now = self._clock().timestamp()
        self._queued += self._state.queue(destination_id, [_waiting(event, self._name, now) for event in batch])
        self._on_look(Looked(position, end, self._queued, waiting + len(batch)))
        if self._rate is not None:
            self._sleep(max(0.0, self._queued / self._rate - (self._monotonic() - began)))


def _chosen(
    log: EventLog, source_id: SourceId, event_filter: DestinationFilter, selection: ReplaySelection, end: Position
) -> Iterator[tuple[Event, Outcome | None]]:
    for block in _blocks(log, source_id, selection, end):
        for number, (line, message) in enumerate(zip(block.lines, block.messages, strict=True)):
            if message is None or block.first + number > end:
                continue
            event, outcome = event_filter(LoggedEvent(Position(block.first + number), block.received_at, message, line))
            if selection.takes(event):
                yield event, outcome


def _blocks(log: EventLog, source_id: SourceId, selection: ReplaySelection, end: Position) -> Iterator[DecodedBlock]:
    """Those that may hold what was chosen; the others are not taken apart."""
    after = log.start()
    while after < end:
        found = log.read(after, max_events=min(_READ, end - after), source_id=source_id)
        for block in found:
            if block.received_at.timestamp() >= selection.until:
                return
            if block.first <= end and block.received_at.timestamp() >= selection.since:
                yield decoded(block)
        if not found:
            return
        after = Position(found[-1].first + found[-1].size - 1)


def _waiting(event: Event, name: str, now: float) -> Undelivered:
    return Undelivered(event, UndeliveredState.WAITING, now, now, 0, (), "REPLAY", "Somebody asked for it.", None, name)
