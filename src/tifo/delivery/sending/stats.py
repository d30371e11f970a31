"""What a connection has found out, on its way into a `Checkpoint`."""

from collections import Counter
from collections.abc import Sequence

from tifo.delivery.latency import bucket_of
from tifo.delivery.ports import Checkpoint, Counted, LatencyBucket, Result, Sample, Undelivered
from tifo.destinations.ports import Event, Outcome
from tifo.kernel.ids import DestinationId, Position

MAX_NAMES = 300
"""Event names that a connection counts one by one in an hour; others are counted together."""
OTHER = "(other)"

Place = tuple[Position, str]
"""Position and replay: which `Undelivered` it is."""


class Names:
    """Keeps the number of counted event names within bounds, whatever a source sends."""

    def __init__(self, limit: int = MAX_NAMES) -> None:
        self._limit = limit
        self._hour = 0
        self._known: set[str] = set()

    def of(self, name: str, minute: int) -> str:
        if minute // 60 != self._hour:
            self._hour, self._known = minute // 60, set()
        if name in self._known:
            return name
        if len(self._known) >= self._limit:
            return OTHER
        self._known.add(name)
        return name


class DeliveryStats:
    def __init__(self) -> None:
        self.counts: Counter[Counted] = Counter()
        self.latencies: Counter[LatencyBucket] = Counter()
        self.samples: dict[tuple[Result, str], Sample] = {}
        self.undelivered: dict[Place, Undelivered] = {}
        self.settled: list[Place] = []

    def count(self, event: Event, name: str, result: Result, outcome: Outcome, now: float) -> None:
        minute = int(now // 60)
        self.counts[Counted(minute, event.type, name, result, outcome.code)] += 1
        if result is Result.DELIVERED:
            self.latencies[LatencyBucket(minute, bucket_of(now - event.received_at))] += 1
        self.samples[result, outcome.code] = Sample(
            result, outcome.code, event.message_id, now, event.body, outcome.detail, outcome.exchange
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

    def as_change(
        self,
        destination_id: DestinationId,
        *,
        position: Position | None,
        received: int,
        dead_since: float | None,
        dead_reason: str,
        since: Position,
    ) -> Checkpoint:
        return Checkpoint(
            destination_id,
            position,
            received,
            list(self.undelivered.values()),
            self.settled,
            self.counts,
            self.latencies,
            list(self.samples.values()),
            dead_since,
            dead_reason,
            since,
        )

    def places(self) -> Sequence[Place]:
        return [*self.undelivered, *self.settled]
