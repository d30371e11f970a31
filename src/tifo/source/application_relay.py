"""One application's facts on their way to its endpoint, in order."""

import asyncio
import random
import traceback
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from typing import Any

import aiohttp
import structlog

from tifo.kernel.clock import Clock, system_clock
from tifo.kernel.errors import Transient
from tifo.kernel.ids import ClientId
from tifo.source.answers import BACKOFF, Answer, Decision, Hold, Retry, Sent, Split, decide
from tifo.source.batches import EncodedFact, Limits, cut, encode, envelope
from tifo.source.endpoint import TIMEOUT_S, post_batch
from tifo.source.metrics import RelayMetrics
from tifo.source.ports import FactFeed, Trouble
from tifo.workspace.model import Connection

Sleep = Callable[[float], Awaitable[None]]

HOLD_AFTER = 100
"""Facts that an endpoint may refuse in a row; then it is the endpoint that is wrong, and nothing more is set aside."""
_ERROR_LENGTH = 2_048
"""Of an error that is noted for people, in characters."""

_log = structlog.get_logger(__name__)


class RelayState(StrEnum):
    IDLE = "idle"
    SENDING = "sending"
    RETRYING = "retrying"
    HELD = "held"
    """The endpoint refuses the write key, the address, or all that it is sent: someone has to act. It is tried again
    all the same."""


@dataclass(frozen=True)
class RelayStatus:
    """Counts are since the relay started; what stands aside in all is the feed's to tell."""

    client_id: ClientId
    state: RelayState = RelayState.IDLE
    attempts: int = 0
    """Attempts of the batch in hand that failed."""
    last_error: str | None = None
    """Of the batch in hand; None once it is through."""
    sent: int = 0
    set_aside: int = 0


@dataclass(frozen=True, kw_only=True)
class RelayTools:
    """What the lines of a relay share."""

    feed: FactFeed
    session: aiohttp.ClientSession
    """For Tifo's own endpoint, which is exempt from egress guards."""
    outside: aiohttp.ClientSession
    """For endpoints that someone configured."""
    own_endpoint: str
    limits: Limits = field(default_factory=Limits)
    timeout_s: float = TIMEOUT_S
    clock: Clock = system_clock
    chance: Callable[[], float] = random.random
    sleep: Sleep = asyncio.sleep
    hold_after: int = HOLD_AFTER
    metrics: RelayMetrics = field(default_factory=RelayMetrics)


class ApplicationRelay:
    """Sends from the front of the line until it is empty, then rests until the next `drain`.

    Nothing is lost by a crash at any point: a fact leaves the line only after its batch was answered. At most
    `limits.batch_events` facts are in memory.
    """

    def __init__(self, connection: Connection, tools: RelayTools) -> None:
        self.status = RelayStatus(connection.client_id)
        self._connection = connection
        self._tools = tools
        self._stopping = False
        self._woken = asyncio.Event()
        self._log = _log.bind(client_id=connection.client_id)
        self._recalled = False
        self._refused_in_a_row = 0
        """Facts set aside since one was accepted, or since the connection changed."""
        self._troubled_since: datetime | None = None
        """Set where the feed holds a trouble of this line's that has not ended."""

    def connect(self, connection: Connection) -> None:
        """From the next attempt on; a changed connection is tried at once, however long the pause was to last."""
        self._stopping = False
        if connection != self._connection:
            self._connection = connection
            self._refused_in_a_row = 0
            self._woken.set()

    def stop(self) -> None:
        """End `drain` after the attempt under way."""
        self._stopping = True
        self._woken.set()

    async def drain(self) -> None:
        """Returns when the line is empty, or after `stop`.

        Never raises: what goes wrong with one application is shown and tried again, and touches no other.
        """
        failures = 0
        while not self._stopping:
            try:
                await self._drain()
            except _Stopped:
                return
            except Exception as error:  # noqa: BLE001 (of whatever kind: it must not reach the other applications)
                failures += 1
                await self._pause_after(error, failures)
            else:
                return

    async def _drain(self) -> None:
        feed, limits = self._tools.feed, self._tools.limits
        await self._recall()
        while facts := await asyncio.to_thread(feed.pending, self.status.client_id, limits.batch_events):
            for batch in cut(map(encode, facts), limits):
                await self._deliver(batch)
        if self._troubled_since is not None:
            await asyncio.to_thread(feed.note, self.status.client_id, None)
            self._troubled_since = None
        self._show(state=RelayState.IDLE, last_error=None)

    async def _recall(self) -> None:
        """Go on where an earlier relay was: a restart neither sets more aside nor makes a trouble look young."""
        if self._recalled:
            return
        report = await asyncio.to_thread(self._tools.feed.report, self.status.client_id)
        self._refused_in_a_row = report.refused_in_a_row
        self._troubled_since = report.trouble.since if report.trouble else None
        self._recalled = True

    async def _deliver(self, batch: Sequence[EncodedFact]) -> None:
        """All of the batch leaves the line, in order: sent, or set aside where it was refused alone."""
        parts = [batch]
        while parts:
            part = parts.pop()
            refusal = await self._send(part)
            if refusal is None:
                await self._advance(part)
            elif len(part) == 1:
                await self._set_aside(part[0], refusal)
            else:
                half = len(part) // 2
                parts += [part[half:], part[:half]]

    async def _send(self, batch: Sequence[EncodedFact]) -> Answer | None:
        """Tries until the endpoint takes the batch (None), or refuses it for good. Raises `_Stopped` between tries."""
        if (size := len(batch[0].body)) > self._tools.limits.event_bytes:
            return Answer(0, f"Not sent: it has {size:,} bytes, an event may have {self._tools.limits.event_bytes:,}.")
        attempt = 0
        while not self._stopping:
            attempt += 1
            answer = await self._post(batch)
            decision = decide(
                answer,
                attempt=attempt,
                chance=self._tools.chance(),
                refuses_all=len(batch) == 1 and self._refused_in_a_row >= self._tools.hold_after,
            )
            self._count(decision)
            if isinstance(decision, Sent | Split):
                self._come_through()
                return None if isinstance(decision, Sent) else answer
            await self._show_failure(decision, attempt, answer)
            await self._pause(decision.after_s)
        raise _Stopped

    async def _post(self, batch: Sequence[EncodedFact]) -> Answer:
        tools, connection = self._tools, self._connection
        own = connection.endpoint is None
        return await post_batch(
            tools.session if own else tools.outside,
            connection.endpoint or tools.own_endpoint,
            connection.write_key,
            envelope(batch, connection.write_key, tools.clock()),
            timeout_s=tools.timeout_s,
            clock=tools.clock,
        )

    async def _advance(self, batch: Sequence[EncodedFact]) -> None:
        client_id, at = self.status.client_id, self._tools.clock()
        await asyncio.to_thread(self._tools.feed.advance, client_id, [message.fact_id for message in batch], at)
        self._refused_in_a_row, self._troubled_since = 0, None
        self._tools.metrics.sent.labels(client_id).inc(len(batch))
        self._show(sent=self.status.sent + len(batch))

    async def _set_aside(self, message: EncodedFact, refusal: Answer) -> None:
        feed, client_id = self._tools.feed, self.status.client_id
        at = self._tools.clock()
        await asyncio.to_thread(feed.set_aside, client_id, message.fact_id, refusal.status, refusal.text, at)
        self._refused_in_a_row += refusal.status != 0
        self._troubled_since = None
        self._tools.metrics.set_aside.labels(client_id).inc()
        self._show(set_aside=self.status.set_aside + 1)
        self._log.error("relay_set_aside", fact_id=message.fact_id, answer=str(refusal))

    def _count(self, decision: Decision) -> None:
        self._tools.metrics.attempts.labels(self.status.client_id, type(decision).__name__.lower()).inc()

    def _come_through(self) -> None:
        if self.status.last_error is not None:
            self._log.info("relay_recovered", attempts=self.status.attempts)
        self._show(state=RelayState.SENDING, attempts=0, last_error=None)

    async def _show_failure(self, decision: Retry | Hold, attempt: int, answer: Answer) -> None:
        held = isinstance(decision, Hold)
        self._show(state=RelayState.HELD if held else RelayState.RETRYING, attempts=attempt, last_error=str(answer))
        log = self._log.error if held else self._log.warning
        log(
            "relay_held" if held else "relay_retries",
            attempt=attempt,
            after_s=round(decision.after_s, 3),
            answer=str(answer),
        )
        await self._note()

    async def _note(self) -> None:
        """Keep the trouble where people can see it. A store that cannot takes nothing away: the line goes on trying."""
        status, now = self.status, self._tools.clock()
        since = self._troubled_since or now
        held, error = status.state is RelayState.HELD, (status.last_error or "")[:_ERROR_LENGTH]
        trouble = Trouble(held, since, now, status.attempts, error)
        try:
            await asyncio.to_thread(self._tools.feed.note, status.client_id, trouble)
        except Exception as failure:  # noqa: BLE001 (of whatever kind: the trouble at hand is the one to deal with)
            self._log.warning("relay_trouble_not_noted", error=f"{type(failure).__name__}: {failure}")
        else:
            self._troubled_since = since

    def _show(self, **changes: Any) -> None:
        self.status = replace(self.status, **changes)
        self._tools.metrics.held.labels(self.status.client_id).set(self.status.state is RelayState.HELD)

    async def _pause_after(self, error: Exception, failures: int) -> None:
        passing = isinstance(error, Transient)
        self._show(
            state=RelayState.RETRYING if passing else RelayState.HELD,
            attempts=failures,
            last_error=f"{type(error).__name__}: {error}",
        )
        # As text: a renderer of tracebacks that shows local variables would show the write key.
        self._log.error("relay_failed", failures=failures, traceback="".join(traceback.format_exception(error)))
        await self._note()
        await self._pause(BACKOFF.pause_s(failures, self._tools.chance()))

    async def _pause(self, seconds: float) -> None:
        """Ends early when the line is stopped or its connection changes."""
        pauses = [asyncio.ensure_future(self._tools.sleep(seconds)), asyncio.ensure_future(self._woken.wait())]
        try:
            await asyncio.wait(pauses, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for pause in pauses:
                pause.cancel()
        self._woken.clear()


class _Stopped(Exception):
    pass
