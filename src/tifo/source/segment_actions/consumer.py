"""Reads the event log by a cursor, and invokes the reward actions that its messages trigger.

Reads at least once; each message is an action once.
"""

import asyncio
import random
import time
import traceback
from collections.abc import Callable, Sequence

import structlog
from prometheus_client import Counter, Gauge

from tifo.engagement.commands import CreateProfile, InvokeAction
from tifo.engagement.model import InvokedAction
from tifo.engagement.ports import Engine
from tifo.eventlog.ports import Block, EventLog, read_on
from tifo.kernel.backoff import Backoff
from tifo.kernel.clock import Clock, system_clock
from tifo.kernel.errors import Conflict, NotFound, Rejected, Transient
from tifo.kernel.ids import START, Position
from tifo.kernel.waiting import wait
from tifo.source.segment_actions.matching import UNKNOWN_USER, TriggerHit, counted, hits_in
from tifo.source.segment_actions.ports import ActionsState

_READ_EVENTS = 2_000
_AT_ONCE = 1_000
"""Commands that wait for the engine together. They share its commits, and leave its queue room for other callers."""
_POLL_S = 0.1
_STORE_EVERY_S = 5.0
"""Time after which the cursor is stored though nothing was invoked: retention deletes only events behind it."""
_BACKOFF = Backoff(base_s=0.2, cap_s=10.0)

_invoked = Counter("tifo_actions_invoked", "Messages that matched a trigger, by outcome", ["outcome"])
_LAG_EVENTS = Gauge("tifo_actions_lag_events", "Events not read for actions yet", multiprocess_mode="livemostrecent")
_LAG_SECONDS = Gauge(
    "tifo_actions_lag_seconds",
    "Age of the oldest event that is not read for actions yet; 0 where none waits",
    multiprocess_mode="livemostrecent",
)
_log = structlog.get_logger("tifo.actions")


class SegmentActions:
    """Consumes one log. Two consumers over the same state do no harm, but do the work twice."""

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
        """Runs until `stop` is set, and finishes the batch in hand."""
        failures = 0
        while not stop.is_set():
            try:
                pause_s = 0.0 if await self.step() else self._poll_s
                failures = 0
            except Exception as error:  # noqa: BLE001 (of whatever kind: the same events are tried again)
                failures += 1
                pause_s = _BACKOFF.pause_s(failures, self._chance())
                reason = error.message if isinstance(error, Transient) else "".join(traceback.format_exception(error))
                _log.warning("actions_failed", failures=failures, pause_s=pause_s, error=reason)
            if pause_s:
                await wait(stop, pause_s)

    async def step(self) -> int:
        """Reads the next events and invokes the actions that they trigger. Returns the number of events read."""
        if self._position is None:
            self._position = await asyncio.to_thread(lambda: read_on(self._log, self._state.position()))
        blocks = await asyncio.to_thread(self._log.read, self._position, max_events=_READ_EVENTS)
        await self._measure(blocks)
        if not blocks:
            return 0
        await self._act_on(blocks)
        return sum(block.size for block in blocks)

    async def _act_on(self, blocks: Sequence[Block]) -> None:
        # Read for each batch: an action that was made just now must see these events.
        view = await asyncio.to_thread(self._state.view)
        hits = [hit for block in blocks for hit in hits_in(block, view)]
        skipped: list[TriggerHit] = []
        for start in range(0, len(hits), _AT_ONCE):
            skipped += await self._invoke(hits[start : start + _AT_ONCE])
        through = blocks[-1].last
        # Without a trigger no position is stored: `read_through` then lets retention delete up to the log's end.
        if view.triggered and (hits or self._monotonic() - self._stored_at >= _STORE_EVERY_S):
            await asyncio.to_thread(self._state.advance, through, counted(skipped))
            self._stored_at = self._monotonic()
        # Last: after an error the same events are read again.
        self._position = through

    async def _measure(self, blocks: Sequence[Block]) -> None:
        _LAG_EVENTS.set(await asyncio.to_thread(self._log.behind, self._position or START) if blocks else 0)
        oldest = blocks[0].received_at if blocks else None
        _LAG_SECONDS.set(0.0 if oldest is None else max(0.0, (self._clock() - oldest).total_seconds()))

    async def _invoke(self, hits: Sequence[TriggerHit]) -> list[TriggerHit]:
        """Returns the hits that invoked nothing. A fan's are invoked in order, as long as the engine answers."""
        skipped = [hit for hit in hits if hit.reason is not None]
        tried = await self._handle([hit for hit in hits if hit.reason is None])
        unknown = [hit for hit in tried if hit.reason == UNKNOWN_USER]
        skipped += [hit for hit in tried if hit.reason not in {None, UNKNOWN_USER}]
        skipped += [hit for hit in unknown if not hit.triggered.trigger.create_profiles]
        # Only after the engine said that the profile is unknown: most fans are known, and cost no look-up.
        skipped += await self._create_and_retry([hit for hit in unknown if hit.triggered.trigger.create_profiles])
        _invoked.labels("skipped").inc(len(skipped))
        _invoked.labels("invoked").inc(len(hits) - len(skipped))
        return skipped

    async def _create_and_retry(self, unknown: Sequence[TriggerHit]) -> list[TriggerHit]:
        await self._create_profiles(unknown)
        tried = await self._handle([hit._replace(reason=None) for hit in unknown])
        return [hit for hit in tried if hit.reason is not None]

    async def _handle(self, hits: Sequence[TriggerHit]) -> list[TriggerHit]:
        commands = [
            InvokeAction(
                client_id=hit.triggered.client_id,
                program_id=hit.triggered.program_id,
                reward_action_key=hit.triggered.action.key,
                custom_profile_id=hit.user_id,
                # A message that is read again, sent again or replayed finds its code used, so it is an action once.
                code=hit.message_id,
            )
            for hit in hits
        ]
        # All at once: they share the engine's commits. Exceptions as values, so that one refusal does not hide the
        # others.
        answers = await asyncio.gather(*map(self._engine.handle, commands), return_exceptions=True)
        return [_judged(hit, answer) for hit, answer in zip(hits, answers, strict=True)]

    async def _create_profiles(self, hits: Sequence[TriggerHit]) -> None:
        # A new fan's events often come together: one profile is enough.
        wanted = dict.fromkeys((hit.triggered.client_id, hit.user_id) for hit in hits)
        commands = [CreateProfile(client_id=c, custom_id=user_id, existing_is_fine=True) for c, user_id in wanted]
        answers = await asyncio.gather(*map(self._engine.handle, commands), return_exceptions=True)
        for answer in answers:
            # A userId that no profile can have is refused here and unknown at the next try, which counts it.
            if isinstance(answer, BaseException) and not isinstance(answer, Rejected):
                raise answer


def read_through(log: EventLog, state: ActionsState) -> Position:
    """Returns the position up to which no action needs the log any more."""
    return read_on(log, state.position()) if state.view().triggered else log.end()


def _judged(hit: TriggerHit, answer: InvokedAction | BaseException) -> TriggerHit:
    """Raises what is no refusal: then none of the batch is counted, and all of it is tried again."""
    if isinstance(answer, Conflict) and answer.code == "code_already_used":
        return hit  # invoked by an earlier read of the same message
    if isinstance(answer, NotFound) and answer.field == "custom_profile_id":
        return hit.skipped(UNKNOWN_USER, answer.message)
    if isinstance(answer, Rejected):
        return hit.skipped(answer.code, answer.message)
    if isinstance(answer, BaseException):
        raise answer
    return hit
