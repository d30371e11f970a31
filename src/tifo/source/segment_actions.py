"""Tracked events that are actions: the event log is read by a cursor, and what a trigger asks for is invoked.

At least once, with the message id as the action's code: a message that is read again, sent again or replayed finds
its code used, and so is an action once. An action acts on what was received after it was made.

No circle: an event that Tifo made itself triggers nothing, whatever source it comes by (the relay's events, and those
of LiveLike's webhooks that an application of this Tifo sent). Events of LiveLike's own webhooks do trigger.
"""

import asyncio
import random
import time
import traceback
from collections import Counter as Tally
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple, Protocol

import msgspec
import structlog
from prometheus_client import Counter, Gauge

from tifo.engagement.commands import CreateProfile, InvokeAction
from tifo.engagement.model import InvokedAction, RewardAction, SegmentTrigger
from tifo.engagement.ports import Engine
from tifo.engagement.triggers import matches
from tifo.eventlog.ports import Block, EventLog
from tifo.kernel.backoff import Backoff
from tifo.kernel.clock import Clock, system_clock
from tifo.kernel.errors import Conflict, NotFound, Rejected, Transient
from tifo.kernel.ids import ClientId, Position, ProgramId
from tifo.kernel.waiting import wait

NO_USER_ID, UNKNOWN_USER, MADE_BY_TIFO, UNUSABLE_ID = "no_user_id", "unknown_user", "made_by_tifo", "unusable_id"

_READ_EVENTS = 2_000
_AT_ONCE = 1_000
"""Commands that wait for the engine together: they share commits, and leave its queue room for others."""
_POLL_S = 0.1
_STORE_EVERY_S = 5.0
"""So often the cursor is stored though nothing was done: what stands before it may be forgotten."""
_BACKOFF = Backoff(base_s=0.2, cap_s=10.0)

_invoked = Counter("tifo_actions_invoked", "Messages that were an action, by outcome", ["outcome"])
_LAG_EVENTS = Gauge("tifo_actions_lag_events", "Events not looked at yet", multiprocess_mode="livemostrecent")
_LAG_SECONDS = Gauge(
    "tifo_actions_lag_seconds",
    "How long the oldest event that is not looked at yet has been in the log; 0 where none waits",
    multiprocess_mode="livemostrecent",
)
_log = structlog.get_logger("tifo.actions")


class Triggered(NamedTuple):
    """An action of an application, with what triggers it."""

    client_id: ClientId
    program_id: ProgramId
    action: RewardAction
    trigger: SegmentTrigger


class View(NamedTuple):
    triggered: Sequence[Triggered]
    applications: Collection[str]
    """The ids of all of this Tifo's."""


class Skipped(NamedTuple):
    """Messages that fitted a trigger and were no action all the same, for one reason."""

    client_id: ClientId
    reward_action_key: str
    reason: str
    total: int
    message_id: str
    """The newest one."""
    detail: str


class SkippedAt(NamedTuple):
    skipped: Skipped
    at: datetime
    """When the newest one was skipped."""


class ActionsState(Protocol):
    """Methods block; all raise `Transient` where the store is out of reach."""

    def view(self) -> View: ...

    def position(self) -> Position:
        """0 before the first `advance`."""

    def advance(self, through: Position, skipped: Sequence[Skipped]) -> None:
        """The position and the counts in one transaction."""

    def skipped(self, client_id: ClientId) -> Sequence[SkippedAt]:
        """The application's counts of skipped messages, by action and reason."""


class _Message(msgspec.Struct, rename="camel"):
    type: Any
    message_id: Any
    event: Any = None
    user_id: Any = None
    properties: msgspec.Raw = msgspec.Raw(b"{}")
    context: msgspec.Raw = msgspec.Raw(b"{}")


class _Hit(NamedTuple):
    triggered: Triggered
    message_id: str
    user_id: str
    reason: str | None = None
    """Why it is no action, where that is known already."""
    detail: str = ""

    def skipped(self, reason: str, detail: str) -> "_Hit":
        return self._replace(reason=reason, detail=detail)


class SegmentActions:
    """One consumer of one log. Two over the same state do no harm but do the work twice."""

    def __init__(
        self,
        log: EventLog,
        engine: Engine,
        state: ActionsState,
        *,
        clock: Clock = system_clock,
        monotonic: Callable[[], float] = time.monotonic,
        chance: Callable[[], float] = random.random,
        poll_s: float = _POLL_S,
    ) -> None:
        self._log = log
        self._engine = engine
        self._state = state
        self._clock = clock
        self._monotonic = monotonic
        self._chance = chance
        self._poll_s = poll_s
        self._position: Position | None = None
        self._stored_at = float("-inf")

    async def run(self, stop: asyncio.Event) -> None:
        """Until `stop`, after the batch in hand."""
        failures = 0
        while not stop.is_set():
            try:
                pause_s = 0.0 if await self.step() else self._poll_s
                failures = 0
            except Exception as error:  # noqa: BLE001 (of whatever kind: the same events are tried again)
                failures += 1
                pause_s = _BACKOFF.pause_s(failures, self._chance())
                told = error.message if isinstance(error, Transient) else "".join(traceback.format_exception(error))
                _log.warning("actions_failed", failures=failures, pause_s=pause_s, error=told)
            if pause_s:
                await wait(stop, pause_s)

    async def step(self) -> int:
        """Look at the next events, invoke what they trigger. Returns how many were looked at."""
        if self._position is None:
            self._position = await asyncio.to_thread(self._state.position)
        blocks = await asyncio.to_thread(self._log.read, self._position, max_events=_READ_EVENTS)
        await self._measure(blocks)
        if not blocks:
            return 0
        view = await asyncio.to_thread(self._state.view)
        hits = [hit for block in blocks for hit in _hits(block, view)]
        skipped: list[_Hit] = []
        for start in range(0, len(hits), _AT_ONCE):
            skipped += await self._invoke(hits[start : start + _AT_ONCE])
        through = Position(blocks[-1].first + blocks[-1].size - 1)
        if view.triggered and (hits or self._monotonic() - self._stored_at >= _STORE_EVERY_S):
            await asyncio.to_thread(self._state.advance, through, _counted(skipped))
            self._stored_at = self._monotonic()
        self._position = through
        return sum(block.size for block in blocks)

    async def _measure(self, blocks: Sequence[Block]) -> None:
        end = await asyncio.to_thread(self._log.end)
        _LAG_EVENTS.set(max(0, end - (self._position or 0)))
        oldest = blocks[0].received_at if blocks else None
        _LAG_SECONDS.set(0.0 if oldest is None else max(0.0, (self._clock() - oldest).total_seconds()))

    async def _invoke(self, hits: Sequence[_Hit]) -> list[_Hit]:
        """Those that were no action, with the reason. A fan's are invoked in order, as long as the engine answers."""
        skipped = [hit for hit in hits if hit.reason is not None]
        tried = await self._handle([hit for hit in hits if hit.reason is None])
        unknown = [hit for hit in tried if hit.reason == UNKNOWN_USER]
        skipped += [hit for hit in tried if hit.reason not in {None, UNKNOWN_USER}]
        skipped += [hit for hit in unknown if not hit.triggered.trigger.create_profiles]
        to_make = [hit for hit in unknown if hit.triggered.trigger.create_profiles]
        await self._create(to_make)
        again = await self._handle([hit._replace(reason=None) for hit in to_make])
        skipped += [hit for hit in again if hit.reason is not None]
        _invoked.labels("skipped").inc(len(skipped))
        _invoked.labels("invoked").inc(len(hits) - len(skipped))
        return skipped

    async def _handle(self, hits: Sequence[_Hit]) -> list[_Hit]:
        commands = [
            InvokeAction(
                client_id=hit.triggered.client_id,
                program_id=hit.triggered.program_id,
                reward_action_key=hit.triggered.action.key,
                custom_profile_id=hit.user_id,
                code=hit.message_id,
            )
            for hit in hits
        ]
        answers = await asyncio.gather(*map(self._engine.handle, commands), return_exceptions=True)
        return [_judged(hit, answer) for hit, answer in zip(hits, answers, strict=True)]

    async def _create(self, hits: Sequence[_Hit]) -> None:
        wanted = dict.fromkeys((hit.triggered.client_id, hit.user_id) for hit in hits)
        commands = [CreateProfile(client_id=c, custom_id=user_id, existing_is_fine=True) for c, user_id in wanted]
        answers = await asyncio.gather(*map(self._engine.handle, commands), return_exceptions=True)
        for answer in answers:
            # What cannot be a profile's id is unknown afterwards too, and counted so.
            if isinstance(answer, BaseException) and not isinstance(answer, Rejected):
                raise answer


def _judged(hit: _Hit, answer: InvokedAction | BaseException) -> _Hit:
    if isinstance(answer, Conflict) and answer.code == "code_already_used":
        return hit
    if isinstance(answer, NotFound) and answer.field == "custom_profile_id":
        return hit.skipped(UNKNOWN_USER, answer.message)
    if isinstance(answer, Rejected):
        return hit.skipped(answer.code, answer.message)
    if isinstance(answer, BaseException):
        raise answer
    return hit


def _hits(block: Block, view: View) -> Iterator[_Hit]:
    by_event = _by_event(view, block)
    if not by_event:
        return
    for body in block.bodies.split(b"\n")[:-1]:
        message = msgspec.json.decode(body, type=_Message)
        found = by_event.get(message.event, ()) if isinstance(message.event, str) and message.type == "track" else ()
        if not found:
            continue
        properties = msgspec.json.decode(message.properties, type=dict[str, Any] | None) or {}
        for triggered in found:
            if matches(triggered.trigger, properties):
                yield _hit(triggered, message, view)


def _by_event(view: View, block: Block) -> Mapping[str, Sequence[Triggered]]:
    found: dict[str, list[Triggered]] = {}
    for triggered in view.triggered:
        if triggered.trigger.source_id == block.source_id and triggered.action.created_at <= block.received_at:
            found.setdefault(triggered.trigger.event, []).append(triggered)
    return found


def _hit(triggered: Triggered, message: _Message, view: View) -> _Hit:
    hit = _Hit(triggered, str(message.message_id), str(message.user_id or ""))
    if _is_of_tifo(message, view):
        return hit.skipped(
            MADE_BY_TIFO, "Tifo made this event itself: it triggers nothing, so that there is no circle."
        )
    if not hit.user_id:
        return hit.skipped(NO_USER_ID, "The event has no userId, so it is nobody's action.")
    if "\0" in hit.user_id + hit.message_id:
        return hit.skipped(UNUSABLE_ID, "userId or messageId holds a NUL character, which no profile's id can.")
    return hit


def _is_of_tifo(message: _Message, view: View) -> bool:
    context = msgspec.json.decode(message.context)
    library, livelike = _object(_object(context).get("library")), _object(_object(context).get("livelike"))
    if library.get("name") != "tifo":
        return False
    sender = livelike.get("client_id")
    return not isinstance(sender, str) or sender in view.applications


def _object(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _counted(skipped: Sequence[_Hit]) -> list[Skipped]:
    newest = {(hit.triggered.client_id, hit.triggered.action.key, hit.reason or ""): hit for hit in skipped}
    totals = Tally((hit.triggered.client_id, hit.triggered.action.key, hit.reason or "") for hit in skipped)
    return [Skipped(*key, totals[key], hit.message_id, hit.detail) for key, hit in newest.items()]


def read_through(log: EventLog, state: ActionsState) -> Position:
    """The position up to which no action needs the log any more."""
    end = log.end()
    return state.position() if state.view().triggered else end
