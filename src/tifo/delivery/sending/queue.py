"""Queues the events for one destination: decides in which order they are sent, and which wait for others.

An ordered destination gets no two requests at once that hold events of one user. A user of whom an event waits for its
next attempt is blocked: her later events wait behind it.
"""

from collections import Counter, deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from tifo.delivery.ports import Undelivered, UndeliveredKey
from tifo.delivery.sending.window import Chunk
from tifo.destinations.ports import Batching, Event


@dataclass(frozen=True, eq=False, slots=True)
class Job:
    event: Event
    queued_at_s: float
    """Seconds on the monotonic clock."""
    chunk: Chunk | None
    """None for a retry: the cursor has passed it."""
    undelivered: Undelivered | None = None
    """The event's earlier attempts; None for one that was just read from the log."""

    @property
    def is_retry(self) -> bool:
        return self.undelivered is not None

    @property
    def replay(self) -> str:
        return "" if self.undelivered is None else self.undelivered.replay

    @property
    def key(self) -> UndeliveredKey:
        return self.event.position, self.replay


class DeliveryQueue:
    """Retries go before new events. `waiting_by_user` are the events that wait outside the queue at the start."""

    def __init__(self, batching: Batching, *, ordered: bool, waiting_by_user: Mapping[str, int]) -> None:
        self.ordered = ordered
        self._batching = batching
        self._new: deque[Job] = deque()
        self._retries: deque[Job] = deque()
        self._in_flight: set[str] = set()
        """Users of whom a request holds events now; only of an ordered destination."""
        self._parked: dict[str, deque[Job]] = {}
        """Events of users in flight, by user."""
        self._parked_jobs = 0
        self._waiting: Counter[str] = Counter(waiting_by_user)

    def __len__(self) -> int:
        return len(self._new) + len(self._retries) + self._parked_jobs

    @property
    def has_retries(self) -> bool:
        return bool(self._retries)

    def add_new(self, jobs: Iterable[Job]) -> None:
        self._new.extend(jobs)

    def add_retries(self, jobs: Iterable[Job]) -> None:
        self._retries.extend(jobs)

    def ready_in_s(self, now_s: float) -> float | None:
        """Returns how long to wait before the next batch is worth sending; None where there is nothing to send."""
        if self._retries:
            return 0.0
        if not self._new:
            return None
        if len(self._new) >= self._batching.max_events:
            return 0.0
        return max(0.0, self._new[0].queued_at_s + self._batching.linger_s - now_s)

    def take(self, limit: int | None = None) -> list[Job]:
        """Returns the next batch, the longest queued first. The users of an ordered destination are in flight until
        `done`.
        """
        batch: list[Job] = []
        room_bytes = self._batching.max_bytes
        while len(batch) < min(limit or self._batching.max_events, self._batching.max_events):
            source = self._retries or self._new
            # The first event is sent however large it is: no batch has more room for it.
            if not source or (batch and len(source[0].event.body) > room_bytes):
                break
            job = source.popleft()
            if self._is_in_flight(job):
                self._park(job)
                continue
            room_bytes -= len(job.event.body)
            batch.append(job)
        # An unordered destination has no users in flight: looking each event up would cost time for nothing.
        if self.ordered:
            self._in_flight.update(job.event.user for job in batch)
        return batch

    def take_probe(self) -> list[Job]:
        """Returns one event that shows whether the destination is alive: a new one, where there is any."""
        # A retry may fail by its own fault, and would keep a destination dead that is alive.
        if not self._new:
            return self.take(1)
        retries, self._retries = self._retries, deque()
        probe = self.take(1)
        self._retries = retries
        return probe

    def done(self, batch: Iterable[Job]) -> None:
        """Lets the next events of the batch's users be sent."""
        if not self.ordered:
            return
        for user in {job.event.user for job in batch}:
            self._in_flight.discard(user)
            parked = self._parked.pop(user, None)
            if parked:
                self._parked_jobs -= len(parked)
                # Parked events came before everything that is still in the queue, and keep their order.
                self._new.extendleft(reversed(parked))

    def is_blocked(self, job: Job) -> bool:
        """Says whether an earlier event of the user waits. A retry is never blocked: the state returns the earliest."""
        return self.ordered and not job.is_retry and bool(job.event.user) and self._waiting[job.event.user] > 0

    def block(self, user: str) -> None:
        """Counts one more event of the user that waits for its next attempt."""
        if self.ordered and user:
            self._waiting[user] += 1

    def unblock(self, user: str) -> None:
        """Counts one less."""
        if self.ordered and user:
            self._waiting[user] -= 1
            if self._waiting[user] <= 0:
                del self._waiting[user]

    def _is_in_flight(self, job: Job) -> bool:
        return self.ordered and bool(job.event.user) and job.event.user in self._in_flight

    def _park(self, job: Job) -> None:
        self._parked.setdefault(job.event.user, deque()).append(job)
        self._parked_jobs += 1
