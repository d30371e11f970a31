"""What stands in line for one destination: in which order events are sent, and whose wait for whose.

Of an ordered destination, no two requests at once hold events of one user, and a user of whom something waits for its
next attempt is held up: what comes of her later waits behind it.
"""

from collections import Counter, deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from tifo.delivery.ports import Undelivered
from tifo.delivery.sending.stats import DeliveryStats, Place
from tifo.destinations.ports import Batching, Event
from tifo.kernel.ids import Position


@dataclass(eq=False)
class Chunk:
    """Neighbouring events of the log. Once each has an outcome, the cursor may move over them."""

    last: Position
    events: int
    bytes: int
    open: int
    """Events without an outcome yet."""
    found: DeliveryStats = field(default_factory=DeliveryStats)


@dataclass(frozen=True, eq=False, slots=True)
class Job:
    event: Event
    since: float
    """When it came into line, by the monotonic clock."""
    chunk: Chunk | None
    """None for one that waited outside the line."""
    late: Undelivered | None = None

    @property
    def place(self) -> Place:
        return self.event.position, "" if self.late is None else self.late.replay


class DeliveryQueue:
    def __init__(self, batching: Batching, *, ordered: bool, held_up: Mapping[str, int]) -> None:
        self._batching = batching
        self._ordered = ordered
        self._jobs: deque[Job] = deque()
        self._again: deque[Job] = deque()
        self._busy: set[str] = set()
        self._parked: dict[str, deque[Job]] = {}
        self._held: Counter[str] = Counter(held_up)
        self._parked_jobs = 0

    def __len__(self) -> int:
        return len(self._jobs) + len(self._again) + self._parked_jobs

    @property
    def waiting_again(self) -> int:
        return len(self._again)

    def add(self, jobs: Iterable[Job]) -> None:
        for job in jobs:
            (self._jobs if job.late is None else self._again).append(job)

    def ready_in_s(self, now: float) -> float | None:
        """How long to wait before the next batch is worth sending; None where there is nothing to send."""
        if self._again:
            return 0.0
        if not self._jobs:
            return None
        if len(self._jobs) >= self._batching.max_events:
            return 0.0
        return max(0.0, self._jobs[0].since + self._batching.linger_s - now)

    def take(self, limit: int | None = None) -> list[Job]:
        """The next batch: what waited first. Of an ordered destination its users are busy until `done`."""
        batch: list[Job] = []
        room_bytes = self._batching.max_bytes
        while len(batch) < min(limit or self._batching.max_events, self._batching.max_events):
            line = self._again or self._jobs
            if not line or (batch and len(line[0].event.body) > room_bytes):
                break
            job = line.popleft()
            if self._is_busy(job):
                self._park(job)
                continue
            room_bytes -= len(job.event.body)
            batch.append(job)
        if self._ordered:
            self._busy.update(job.event.user for job in batch)
        return batch

    def probe(self) -> list[Job]:
        """One event, such as tells whether the destination is alive: a new one, where there is any."""
        if not self._jobs:
            return self.take(1)
        again, self._again = self._again, deque()
        taken = self.take(1)
        self._again = again
        return taken

    def done(self, batch: Iterable[Job]) -> None:
        """The users' next events may be sent."""
        if not self._ordered:
            return
        for user in {job.event.user for job in batch}:
            self._busy.discard(user)
            parked = self._parked.pop(user, None)
            if parked:
                self._parked_jobs -= len(parked)
                self._jobs.extendleft(reversed(parked))

    def is_held_up(self, job: Job) -> bool:
        return self._ordered and job.late is None and bool(job.event.user) and self._held[job.event.user] > 0

    def hold(self, user: str) -> None:
        if self._ordered and user:
            self._held[user] += 1

    def release(self, user: str) -> None:
        if self._ordered and user:
            self._held[user] -= 1
            if self._held[user] <= 0:
                del self._held[user]

    def _is_busy(self, job: Job) -> bool:
        return self._ordered and bool(job.event.user) and job.event.user in self._busy

    def _park(self, job: Job) -> None:
        self._parked.setdefault(job.event.user, deque()).append(job)
        self._parked_jobs += 1
