"""Counts outcomes between two checkpoints of a connection."""

from collections import Counter
from datetime import datetime

from tifo.delivery.latency import bucket_of
from tifo.delivery.ports import (
    Checkpoint,
    Counted,
    LatencyBucket,
    Result,
    Sample,
    Undelivered,
    UndeliveredKey,
)
from tifo.destinations.ports import Event, Outcome
from tifo.kernel.ids import DestinationId, Position

MAX_NAMES = 300
"""The most event names that a connection counts one by one in an hour; further ones are counted together."""
OTHER = "(other)"


class CountedNames:
    """Bounds the number of event names that are counted, whatever a source sends."""

    def __init__(self, limit: int = MAX_NAMES) -> None:
        self._limit = limit
        self._hour = 0
        self._known: set[str] = set()

    def name_for(self, name: str, minute: int) -> str:
        """Returns the name to count an event under: its own, or `OTHER`."""
        if minute // 60 != self._hour:
            self._hour, self._known = minute // 60, set()
        if name in self._known:
            return name
        # Each name makes a row for every minute and hour, and a source decides how many names there are.
        if len(self._known) >= self._limit:
            return OTHER
        self._known.add(name)
        return name


class Moment:
    """Holds one moment in the three forms that counting needs, computed once for a whole batch."""

    __slots__ = ("at", "minute", "since_1970_s")

    def __init__(self, at: datetime) -> None:
        self.at = at
        self.since_1970_s = at.timestamp()
        self.minute = int(self.since_1970_s // 60)


class DeliveryStats:
    """Collects counts, latencies, samples and undelivered events for a `Checkpoint`."""

    def __init__(self) -> None:
        self.counts: Counter[Counted] = Counter()
        self.latencies: Counter[LatencyBucket] = Counter()
        self.samples: dict[tuple[Result, str], Sample] = {}
        self.undelivered: dict[UndeliveredKey, Undelivered] = {}
        self.settled: list[UndeliveredKey] = []

    def count(self, event: Event, name: str, result: Result, outcome: Outcome, now: Moment) -> None:
        self.counts[Counted(now.minute, event.type, name, result, outcome.code)] += 1
        if result is Result.DELIVERED:
            self.latencies[LatencyBucket(now.minute, bucket_of(now.since_1970_s - event.received_at))] += 1
        self.samples[result, outcome.code] = Sample(
            result=result,
            code=outcome.code,
            message_id=event.message_id,
            at=now.at,
            received=event.body,
            detail=outcome.detail,
            exchange=outcome.exchange,
        )

    def add(self, other: "DeliveryStats") -> None:
        self.counts += other.counts
        self.latencies += other.latencies
        self.samples |= other.samples
        self.undelivered |= other.undelivered
        self.settled += other.settled

    @property
    def is_empty(self) -> bool:
        return not (self.counts or self.undelivered or self.settled)

    def keys(self) -> list[UndeliveredKey]:
        return [*self.undelivered, *self.settled]

    def as_checkpoint(
        self,
        destination_id: DestinationId,
        *,
        position: Position,
        previous: Position,
        received: int,
        dead_since: datetime | None,
        dead_reason: str,
        expired: int = 0,
    ) -> Checkpoint:
        return Checkpoint(
            destination_id,
            position=position,
            received=received,
            undelivered=list(self.undelivered.values()),
            settled=self.settled,
            counts=self.counts,
            latencies=self.latencies,
            samples=list(self.samples.values()),
            dead_since=dead_since,
            dead_reason=dead_reason,
            previous=previous,
            expired=expired,
        )
