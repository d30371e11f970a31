"""Delivers to one destination: from the log, through its filter, in as many requests at once as it can bear.

Events are read into the queue in chunks. Once every event of the chunks up to a place has its outcome, the cursor moves
there, in one commit with the counts and with the events that were not accepted. So after any crash an event is
delivered, filtered, among the undelivered, or still beyond the cursor (then it is sent again, under its message id).
"""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime

import structlog

from tifo.delivery.ports import Checkpoint, ConnectionStatus, DeliveryState
from tifo.delivery.sending import intake
from tifo.delivery.sending.attempts import GRACE_S, BatchSender
from tifo.delivery.sending.backlog import RetryBacklog
from tifo.delivery.sending.checkpoint import CheckpointWriter
from tifo.delivery.sending.filters import DestinationFilter
from tifo.delivery.sending.health import DestinationHealth
from tifo.delivery.sending.intake import QueueIntake
from tifo.delivery.sending.queue import DeliveryQueue
from tifo.delivery.sending.reading import SharedReader
from tifo.delivery.sending.settling import OutcomeSettler
from tifo.delivery.sending.window import ReadWindow
from tifo.destinations.ports import Destination
from tifo.eventlog.ports import Lineage
from tifo.kernel.clock import Clock, system_clock
from tifo.kernel.ids import DestinationId, SourceId
from tifo.kernel.waiting import wait

_RESTORED = (
    "The event log is not the one that the cursor of destination {destination} was taken from: the data folder was"
    " restored from a backup. Events that were delivered after the backup are in no log."
)
_OTHER_LOG = {
    Lineage.FORKED: f"{_RESTORED} What came since is delivered once; what waited at the time of the backup may arrive"
    " twice, under its messageId.",
    Lineage.AHEAD: f"{_RESTORED} The whole log is delivered, so its older events may arrive twice, under their"
    " messageId.",
}

_log = structlog.get_logger("tifo.delivery")


@dataclass(frozen=True)
class Terms:
    """Names what a connection connects, and how long it retries an event while the destination accepts others."""

    destination_id: DestinationId
    source_id: SourceId
    retry_for_s: float
    created_at: datetime
    """A log that the destination has no cursor in yet is delivered from this time on."""


@dataclass(frozen=True, kw_only=True)
class _Shared:
    """Holds what intake, sending and checkpoints work on together."""

    queue: DeliveryQueue
    window: ReadWindow
    backlog: RetryBacklog
    health: DestinationHealth


@dataclass(frozen=True, kw_only=True)
class _Parts:
    intake: QueueIntake
    sender: BatchSender
    checkpoints: CheckpointWriter
    health: DestinationHealth


class DestinationConnection:
    """Wires intake, sending, settling and checkpoints, and runs them in an event loop.

    `commit` stores a checkpoint, or says that it cannot be stored (see `DeliveryState.settle`). `on_notice` gets a
    sentence for people where the cursor is of another log's history.
    """

    def __init__(
        self,
        terms: Terms,
        destination: Destination,
        event_filter: DestinationFilter,
        *,
        reader: SharedReader,
        state: DeliveryState,
        commit: Callable[[Checkpoint], Awaitable[bool]],
        on_notice: Callable[[str], None] = lambda _: None,
        clock: Clock = system_clock,
        monotonic: Callable[[], float] = time.monotonic,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self._terms = terms
        self._destination = destination
        self._filter = event_filter
        self._reader = reader
        self._state = state
        self._commit = commit
        self._on_notice = on_notice
        self._clock = clock
        self._monotonic = monotonic
        self._chance = chance
        self._wake = asyncio.Event()
        self._commit_soon = asyncio.Event()
        self._parts: _Parts | None = None
        """None until `run` has read the connection's status."""

    async def run(self, stop: asyncio.Event) -> None:
        """Delivers until `stop`, which is this connection's own; then requests in flight get a few seconds. Events of
        requests that are cut off are sent again by the next connection.
        """
        parts = self._parts = await self._restored()
        committing = asyncio.create_task(parts.checkpoints.run(stop))
        stopping = asyncio.create_task(stop.wait())
        # A connection that waits for work would else see `stop` only when its wait is over.
        stopping.add_done_callback(lambda _: self._wake.set())
        try:
            while not stop.is_set():
                await self._step(parts)
        finally:
            stopping.cancel()
            # Requests end before the last checkpoint, so that it holds their outcomes.
            await parts.sender.finish()
            stop.set()
            self._commit_soon.set()
            # The state may be out of reach. What is not committed then is sent again, under its message id.
            await asyncio.wait([committing], timeout=GRACE_S)
            committing.cancel()

    def log_grew(self) -> None:
        if self._parts is not None:
            self._parts.intake.log_grew()
        self._wake.set()

    async def _step(self, parts: _Parts) -> None:
        # Before the step: what happens during it sets `_wake` again, and the next step comes at once.
        self._wake.clear()
        failure = parts.sender.failure or parts.checkpoints.failure
        if failure is not None:
            raise failure
        if await parts.intake.fill():
            self._wake.set()
        parts.sender.launch()
        # Waits until there is something to do: the log has grown, an answer came, room was made, or a time has come
        next_in_s = parts.sender.next_in_s()
        await wait(self._wake, intake.DUE_EVERY_S if next_in_s is None else min(intake.DUE_EVERY_S, next_in_s))

    async def _restored(self) -> _Parts:
        destination_id = self._terms.destination_id
        status = await asyncio.to_thread(self._status)
        waiting_by_user: Mapping[str, int] = {}
        if self._destination.ordered:
            # An earlier process has left these events: later ones of their users must wait behind them.
            waiting_by_user = await asyncio.to_thread(self._state.waiting_by_user, destination_id)
        return self._wired(status, waiting_by_user)

    def _status(self) -> ConnectionStatus:
        terms = self._terms
        # Only once in a log: to find the time's place may read much of it.
        if all(cursor.destination_id != terms.destination_id for cursor in self._state.cursors()):
            self._state.begin(terms.destination_id, self._reader.before(terms.created_at))
        status = self._state.status(terms.destination_id)
        lineage = self._reader.lineage(status.position)
        if lineage is not Lineage.OWN:
            notice = _OTHER_LOG[lineage]
            _log.warning(
                "delivery.other_log", destination_id=terms.destination_id, position=status.position, notice=notice
            )
            self._on_notice(notice.format(destination=terms.destination_id))
        return status

    def _wired(self, status: ConnectionStatus, waiting_by_user: Mapping[str, int]) -> _Parts:
        terms, destination = self._terms, self._destination
        shared = _Shared(
            queue=DeliveryQueue(destination.batching, ordered=destination.ordered, waiting_by_user=waiting_by_user),
            window=ReadWindow(self._reader.read_on(status.position), self._commit_soon.set),
            backlog=RetryBacklog(status.waiting),
            health=DestinationHealth(
                terms.destination_id, status, clock=self._clock, monotonic=self._monotonic, chance=self._chance
            ),
        )
        settler = OutcomeSettler(
            terms.destination_id,
            retry_for_s=terms.retry_for_s,
            queue=shared.queue,
            window=shared.window,
            backlog=shared.backlog,
            health=shared.health,
            clock=self._clock,
            chance=self._chance,
            on_user_free=self._commit_soon.set,
        )
        return _Parts(
            intake=self._intake(shared, settler),
            sender=self._sender(shared, settler),
            checkpoints=self._checkpoints(shared, status),
            health=shared.health,
        )

    def _intake(self, shared: _Shared, settler: OutcomeSettler) -> QueueIntake:
        return QueueIntake(
            self._terms.destination_id,
            self._terms.source_id,
            self._filter,
            chunk_events=self._destination.batching.max_events,
            reader=self._reader,
            state=self._state,
            queue=shared.queue,
            window=shared.window,
            backlog=shared.backlog,
            health=shared.health,
            settler=settler,
            clock=self._clock,
            monotonic=self._monotonic,
        )

    def _sender(self, shared: _Shared, settler: OutcomeSettler) -> BatchSender:
        return BatchSender(
            self._terms.destination_id,
            self._destination,
            queue=shared.queue,
            window=shared.window,
            health=shared.health,
            settler=settler,
            monotonic=self._monotonic,
            on_answer=self._wake.set,
        )

    def _checkpoints(self, shared: _Shared, status: ConnectionStatus) -> CheckpointWriter:
        return CheckpointWriter(
            self._terms.destination_id,
            status,
            self._commit,
            queue=shared.queue,
            window=shared.window,
            backlog=shared.backlog,
            health=shared.health,
            soon=self._commit_soon,
            monotonic=self._monotonic,
            on_commit=self._wake.set,
        )
