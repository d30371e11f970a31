"""What delivery keeps, in memory: the SQL state's twin, for tests."""

import threading
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime

from tifo.delivery.ports import (
    Checkpoint,
    ConnectionStatus,
    Counted,
    Due,
    LatencyBucket,
    ReplaySelection,
    Result,
    Sample,
    Undelivered,
    UndeliveredState,
)
from tifo.delivery.sending.stats import Place
from tifo.kernel.errors import NotFound
from tifo.kernel.ids import DestinationId, Position


class _Kept:
    def __init__(self, start: Position) -> None:
        self.start = self.position = start
        self.received = 0
        self.forgotten = 0
        self.undelivered: dict[Place, Undelivered] = {}
        self.counts: Counter[Counted] = Counter()
        self.latencies: Counter[LatencyBucket] = Counter()
        self.samples: dict[tuple[Result, str], Sample] = {}
        self.dead_since: float | None = None
        self.dead_reason = ""


class MemoryDeliveryState:
    """Implements `delivery.ports.DeliveryState`."""

    def __init__(self) -> None:
        self._kept: dict[DestinationId, _Kept] = {}
        self._lock = threading.Lock()

    def begin(self, destination_id: DestinationId, start: Position) -> None:
        self._kept[destination_id] = _Kept(start)

    def standing(self, destination_id: DestinationId) -> ConnectionStatus:
        with self._lock:
            kept = self._of(destination_id)
            states = Counter(late.state for (_, replay), late in kept.undelivered.items() if not replay)
            return ConnectionStatus(
                kept.start,
                kept.position,
                kept.received,
                states[UndeliveredState.WAITING],
                states[UndeliveredState.FAILED],
                kept.forgotten,
                kept.dead_since,
                kept.dead_reason,
            )

    def settle(self, changes: Sequence[Checkpoint]) -> Sequence[bool]:
        with self._lock:
            return [self._settle(change) for change in changes]

    def _settle(self, change: Checkpoint) -> bool:
        kept = self._kept.get(change.destination_id)
        if kept is None or change.since not in {None, kept.position}:
            return False
        _apply(kept, change)
        return True

    def due(self, destination_id: DestinationId, now: float, *, limit: int, in_order: bool) -> Due:
        with self._lock:
            waiting = [
                late for late in self._of(destination_id).undelivered.values() if late.state is UndeliveredState.WAITING
            ]
        total = len(waiting)
        if in_order:
            first: dict[str, Undelivered] = {}
            for late in sorted(waiting, key=lambda late: late.event.position):
                first.setdefault(late.event.user or str(late.event.position), late)
            waiting = list(first.values())
        due = [late for late in waiting if late.next_at is not None and late.next_at <= now]
        return Due(sorted(due, key=lambda late: (late.next_at or 0.0, late.event.position))[:limit], total)

    def held_up(self, destination_id: DestinationId) -> Mapping[str, int]:
        with self._lock:
            found = self._of(destination_id).undelivered.values()
            return Counter(late.event.user for late in found if late.state is UndeliveredState.WAITING)

    def forget(self, before: datetime, *, limit: int) -> int:
        gone = 0
        with self._lock:
            for kept in self._kept.values():
                old = [
                    place
                    for place, late in kept.undelivered.items()
                    if late.state is UndeliveredState.FAILED and late.history[-1].at < before.timestamp()
                ][: limit - gone]
                for place in old:
                    del kept.undelivered[place]
                    kept.forgotten += not place[1]
                gone += len(old)
        return gone

    def queue(self, destination_id: DestinationId, late: Sequence[Undelivered]) -> int:
        with self._lock:
            kept = self._of(destination_id)
            waiting = {
                position for (position, _), one in kept.undelivered.items() if one.state is UndeliveredState.WAITING
            }
            fresh = [each for each in late if each.event.position not in waiting]
            kept.undelivered.update({(each.event.position, each.replay): each for each in fresh})
            return len(fresh)

    def queued(self, destination_id: DestinationId, replay: str) -> int:
        with self._lock:
            found = self._of(destination_id).undelivered.values()
            return sum(late.replay == replay and late.state is UndeliveredState.WAITING for late in found)

    def of_message(self, message_id: str) -> list[tuple[DestinationId, Undelivered]]:
        with self._lock:
            found = [
                (destination_id, late)
                for destination_id, kept in self._kept.items()
                for late in kept.undelivered.values()
                if late.event.message_id == message_id
            ]
        return sorted(found, key=lambda each: (each[0], each[1].replay))

    def redrive(self, destination_id: DestinationId, selection: ReplaySelection, now: float) -> int:
        with self._lock:
            kept = self._of(destination_id)
            chosen = [
                (place, late)
                for place, late in kept.undelivered.items()
                if late.state is UndeliveredState.FAILED and selection.takes(late.event)
            ]
            for place, late in chosen:
                kept.undelivered[place] = waiting_again(late, now)
            return len(chosen)

    def counts(self, destination_id: DestinationId) -> Counter[Counted]:
        return self._of(destination_id).counts

    def undelivered(self, destination_id: DestinationId) -> list[Undelivered]:
        return list(self._of(destination_id).undelivered.values())

    def _of(self, destination_id: DestinationId) -> _Kept:
        if destination_id not in self._kept:
            raise NotFound(f"There is no destination {destination_id!r:.100}.", field="destination")
        return self._kept[destination_id]


def waiting_again(late: Undelivered, now: float) -> Undelivered:
    """The history stays; the time that it is tried for begins anew."""
    return Undelivered(
        late.event,
        UndeliveredState.WAITING,
        now,
        now,
        0,
        late.history,
        late.code,
        late.detail,
        late.exchange,
        late.replay,
    )


def _apply(kept: _Kept, change: Checkpoint) -> None:
    if change.position is not None:
        kept.position = change.position
    kept.received += change.received
    kept.forgotten += change.forgotten
    for place in change.settled:
        kept.undelivered.pop(place, None)
    for late in change.undelivered:
        kept.undelivered[late.event.position, late.replay] = late
    kept.counts.update(change.counts)
    kept.latencies.update(change.latencies)
    kept.samples.update({(sample.result, sample.code): sample for sample in change.samples})
    kept.dead_since, kept.dead_reason = change.dead_since, change.dead_reason
