"""Applies each outcome to its event, the stats, the retries and the user's later events."""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

from prometheus_client import Counter

from tifo.delivery.ports import MAX_HISTORY, Attempt, Result, Undelivered, UndeliveredState
from tifo.delivery.sending.backlog import RetryBacklog, unattempted
from tifo.delivery.sending.health import DETAIL_CHARACTERS, DestinationHealth
from tifo.delivery.sending.pace import BACKOFF
from tifo.delivery.sending.queue import DeliveryQueue, Job
from tifo.delivery.sending.stats import CountedNames, DeliveryStats, Moment
from tifo.delivery.sending.window import ReadWindow
from tifo.destinations.ports import Event, Fate, Outcome
from tifo.kernel.clock import Clock
from tifo.kernel.ids import DestinationId

_outcomes = Counter("tifo_deliveries", "Outcomes of attempts to deliver", ["destination_id", "fate"])

_ACCEPTED = frozenset((Fate.DELIVERED, Fate.FILTERED))


class OutcomeSettler:
    """Turns outcomes into stats and undelivered events. Its caller moves the window's cursor afterwards.

    Events are retried for `retry_for_s`, from their first attempt on, while the destination accepts others.
    `on_user_free` is called when a retry of an ordered destination is settled: the user's next event waits until that
    is committed.
    """

    def __init__(
        self,
        destination_id: DestinationId,
        *,
        retry_for_s: float,
        queue: DeliveryQueue,
        window: ReadWindow,
        backlog: RetryBacklog,
        health: DestinationHealth,
        clock: Clock,
        chance: Callable[[], float],
        on_user_free: Callable[[], None],
    ) -> None:
        self._retry_for = timedelta(seconds=retry_for_s)
        self._queue = queue
        self._window = window
        self._backlog = backlog
        self._health = health
        self._clock = clock
        self._chance = chance
        self._on_user_free = on_user_free
        self._names = CountedNames()
        self._destination_id = destination_id
        self._metrics: dict[Fate, Counter] = {}

    def settle(self, jobs: Sequence[Job], outcomes: Sequence[Outcome], took_s: float) -> None:
        """Settles the n-th job by the n-th outcome."""
        now = Moment(self._clock())
        for job, outcome in zip(jobs, outcomes, strict=True):
            self._metric(outcome.fate).inc()
            self._settle(job, outcome, took_s, now)

    def put_behind(self, jobs: Sequence[Job]) -> None:
        """Stores new events that wait for an earlier one of their user. They were not attempted."""
        # Due at once: the state returns them only after the earlier one is settled.
        now = self._clock()
        for job in jobs:
            assert job.chunk is not None  # noqa: S101 (retries are never blocked)
            self._store(job, _behind(job.event, now), job.chunk.stats)
            job.chunk.unsettled -= 1

    def _metric(self, fate: Fate) -> Counter:
        # Looking a labelled counter up takes about as long as all else that is done for an event
        if fate not in self._metrics:
            self._metrics[fate] = _outcomes.labels(self._destination_id, fate.value)
        return self._metrics[fate]

    def _settle(self, job: Job, outcome: Outcome, took_s: float, now: Moment) -> None:
        # A new event's stats are committed with its chunk, when the cursor moves over it: a crash before that sends it
        # again and counts it once. The cursor has passed a retry, so its stats go with the next checkpoint.
        stats = self._window.stats if job.chunk is None else job.chunk.stats
        name = self._names.name_for(job.event.name, now.minute)
        if outcome.fate in _ACCEPTED:
            stats.count(job.event, name, _accepted_result(job, outcome), outcome, now)
            if job.is_retry:
                self._remove(job, stats)
        else:
            undelivered = self._after(job, outcome, took_s, now.at)
            result = Result.FAILED if undelivered.state is UndeliveredState.FAILED else Result.RETRIED
            stats.count(job.event, name, result, outcome, now)
            self._store(job, undelivered, stats)
        if job.chunk is not None:
            job.chunk.unsettled -= 1

    def _remove(self, job: Job, stats: DeliveryStats) -> None:
        stats.settled.append(job.key)
        self._queue.unblock(job.event.user)
        self._backlog.change(-1)
        if self._queue.ordered:
            self._on_user_free()

    def _store(self, job: Job, undelivered: Undelivered, stats: DeliveryStats) -> None:
        stats.undelivered[job.key] = undelivered
        waits = undelivered.state is UndeliveredState.WAITING
        if waits and not job.is_retry:
            self._queue.block(job.event.user)
        if job.is_retry and not waits:
            self._queue.unblock(job.event.user)
        # A new event that waits adds one; a retry that waits no more takes one off.
        self._backlog.change(waits - job.is_retry)

    def _after(self, job: Job, outcome: Outcome, took_s: float, now: datetime) -> Undelivered:
        """Returns the event after an attempt that did not deliver it: a dead letter once its time is over."""
        before = job.undelivered
        attempts = (before.attempts if before else 0) + 1
        # An event without attempts has only waited, behind another or for a replay: its time begins now.
        first_at = before.first_at if before and before.attempts else now
        attempt = Attempt(now, outcome.code, outcome.detail[:DETAIL_CHARACTERS], round(took_s, 3))
        # A dead destination stops the clock: no event becomes a dead letter by an outage, however long.
        is_expired = now - first_at >= self._retry_for and not self._health.is_dead
        is_dead_letter = outcome.fate is Fate.FAILED or is_expired
        pause = timedelta(seconds=BACKOFF.pause_s(attempts, self._chance(), outcome.retry_after_s))
        return Undelivered(
            event=job.event if outcome.left is None else _with_left(job.event, outcome.left),
            state=UndeliveredState.FAILED if is_dead_letter else UndeliveredState.WAITING,
            first_at=first_at,
            next_at=None if is_dead_letter else now + pause,
            attempts=attempts,
            history=_with_attempt(before.history if before else (), attempt),
            code=outcome.code,
            detail=outcome.detail[:DETAIL_CHARACTERS],
            exchange=outcome.exchange,
            replay=job.replay,
        )


def _accepted_result(job: Job, outcome: Outcome) -> Result:
    if outcome.fate is Fate.FILTERED:
        return Result.FILTERED
    return Result.REPLAYED if job.replay else Result.DELIVERED


def _with_attempt(history: Sequence[Attempt], attempt: Attempt) -> Sequence[Attempt]:
    """Keeps the first attempt and the newest ones."""
    longer = (*history, attempt)
    return longer if len(longer) <= MAX_HISTORY else (longer[0], *longer[-MAX_HISTORY + 1 :])


def _behind(event: Event, now: datetime) -> Undelivered:
    return unattempted(event, now, code="BEHIND", detail="An earlier event of the user waits.")


def _with_left(event: Event, left: bytes) -> Event:
    return Event(
        position=event.position,
        message_id=event.message_id,
        type=event.type,
        name=event.name,
        user=event.user,
        received_at=event.received_at,
        body=event.body,
        left=left,
    )
