"""The parts of a connection, wired by hand: time and chance stand still until a test moves them."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from tifo.delivery.memory import MemoryDeliveryState
from tifo.delivery.ports import Checkpoint, ConnectionStatus, Undelivered, UndeliveredState
from tifo.delivery.sending.attempts import BatchSender
from tifo.delivery.sending.backlog import RetryBacklog
from tifo.delivery.sending.checkpoint import CheckpointWriter
from tifo.delivery.sending.filters import ConfiguredFilter, DestinationFilter
from tifo.delivery.sending.health import DestinationHealth
from tifo.delivery.sending.intake import QueueIntake
from tifo.delivery.sending.queue import DeliveryQueue, Job
from tifo.delivery.sending.reading import SharedReader
from tifo.delivery.sending.settling import OutcomeSettler
from tifo.delivery.sending.window import Chunk, ReadWindow
from tifo.destinations.ports import Batching, Event, Fate, Outcome
from tifo.eventlog.memory import MemoryEventLog
from tifo.eventlog.ports import Append
from tifo.kernel.ids import DestinationId, MessageId, Position, SourceId
from tifo.tracking.envelope import Message

ID, SOURCE = DestinationId("hook"), SourceId("club")
NOW = datetime(2026, 11, 25, 10, tzinfo=UTC)
ALIVE = ConnectionStatus(
    start=Position(0),
    position=Position(0),
    received=0,
    waiting=0,
    failed=0,
    expired=0,
    dead_since=None,
    dead_reason="",
)


def event(position: int, user: str = "fan", **more: Any) -> Event:
    body = f'{{"messageId":"m{position}"}}'.encode()
    return Event(Position(position), f"m{position}", "track", "Vote", user, NOW.timestamp(), body, **more)


def waiting(position: int, user: str = "fan", **changes: Any) -> Undelivered:
    fields: dict[str, Any] = {
        "event": event(position, user),
        "state": UndeliveredState.WAITING,
        "first_at": NOW,
        "next_at": NOW,
        "attempts": 1,
        "history": (),
        "code": "500",
        "detail": "as told",
    }
    return Undelivered(**{**fields, **changes})


def chunk_of(*positions: int) -> Chunk:
    return Chunk(last=Position(positions[-1]), events=len(positions), bytes=10, unsettled=len(positions))


def refusal(code: str, **more: Any) -> Outcome:
    return Outcome(Fate.FAILED if code.startswith("4") and code != "429" else Fate.RETRY, code, "as told", **more)


class Destination:
    """Answers a request as `answer` says, once it is `open`."""

    def __init__(self, answer: Callable[[Sequence[Event]], Sequence[Outcome]], batching: Batching) -> None:
        self.answer = answer
        self.batching = batching
        self.ordered = False
        self.open = asyncio.Event()
        self.open.set()
        self.sent: list[list[int]] = []

    async def send(self, events: Sequence[Event]) -> Sequence[Outcome]:
        self.sent.append([int(event.position) for event in events])
        await self.open.wait()
        return self.answer(events)

    async def close(self) -> None:
        """Nothing is held."""


class Rig:
    def __init__(
        self,
        *,
        ordered: bool = False,
        batching: Batching = Batching(),  # noqa: B008 (a frozen value)
        status: ConnectionStatus = ALIVE,
        waiting_by_user: Mapping[str, int] | None = None,
    ) -> None:
        self.now_s = 1_000.0
        self.calls: list[str] = []
        self.log = MemoryEventLog()
        self.state = MemoryDeliveryState()
        self.state.add(ID, Position(0))
        self.checkpoints: list[Checkpoint] = []
        self.commit_answers: list[bool | Exception] = []
        self.soon = asyncio.Event()
        self.queue = DeliveryQueue(batching, ordered=ordered, waiting_by_user=waiting_by_user or {})
        self.window = ReadWindow(status.position, lambda: self.calls.append("much done"))
        self.backlog = RetryBacklog(status.waiting)
        self.health = DestinationHealth(ID, status, clock=self.clock, monotonic=self.monotonic, chance=lambda: 1.0)
        self.settler = OutcomeSettler(
            ID,
            retry_for_s=3_600.0,
            queue=self.queue,
            window=self.window,
            backlog=self.backlog,
            health=self.health,
            clock=self.clock,
            chance=lambda: 1.0,
            on_user_free=lambda: self.calls.append("user free"),
        )
        self.writer = CheckpointWriter(
            ID,
            status,
            self.commit,
            queue=self.queue,
            window=self.window,
            backlog=self.backlog,
            health=self.health,
            soon=self.soon,
            monotonic=self.monotonic,
            on_commit=lambda: self.calls.append("committed"),
        )

    def clock(self) -> datetime:
        return NOW + timedelta(seconds=self.now_s - 1_000.0)

    def monotonic(self) -> float:
        return self.now_s

    async def commit(self, checkpoint: Checkpoint) -> bool:
        answer = self.commit_answers.pop(0) if self.commit_answers else True
        if isinstance(answer, Exception):
            raise answer
        self.checkpoints.append(checkpoint)
        return answer

    def intake(self, event_filter: DestinationFilter | None = None, *, chunk_events: int = 10) -> QueueIntake:
        return QueueIntake(
            ID,
            SOURCE,
            event_filter or ConfiguredFilter(["track"], ["hook"]),
            chunk_events=chunk_events,
            reader=SharedReader(self.log),
            state=self.state,
            queue=self.queue,
            window=self.window,
            backlog=self.backlog,
            health=self.health,
            settler=self.settler,
            clock=self.clock,
            monotonic=self.monotonic,
        )

    def sender(self, destination: Destination) -> BatchSender:
        return BatchSender(
            ID,
            destination,
            queue=self.queue,
            window=self.window,
            health=self.health,
            settler=self.settler,
            monotonic=self.monotonic,
            on_answer=lambda: self.calls.append("answer"),
        )

    def receive(self, count: int, *, kind: str = "track", users: int = 3, source: SourceId = SOURCE) -> None:
        first = self.log.end()
        bodies = [
            {"type": kind, "messageId": f"m{first + n}", "event": "Vote", "userId": f"u{n % users}"}
            for n in range(1, count + 1)
        ]
        messages = [Message(MessageId(str(body["messageId"])), msgspec.json.encode(body)) for body in bodies]
        self.log.append([Append(source, NOW, messages)])

    def add_new(self, *positions: int, user: str = "fan") -> list[Job]:
        """Queues neighbouring events as one chunk."""
        chunk = chunk_of(*positions)
        self.window.add(chunk)
        jobs = [Job(event(position, user), self.now_s, chunk) for position in positions]
        self.queue.add_new(jobs)
        return jobs

    def retry(self, position: int, user: str = "fan", **changes: Any) -> Job:
        before = waiting(position, user, **changes)
        return Job(before.event, self.now_s, None, before)
