"""Sends one application's facts to its endpoint, in order."""

import asyncio
import random
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field

import aiohttp

from tifo.egress.answers import HttpAnswer
from tifo.kernel.clock import Clock, system_clock
from tifo.leases.ports import Lease, LeaseLost
from tifo.leases.share import WorkShare
from tifo.source.answers import BACKOFF, Retry, Sent, Split, decide
from tifo.source.batches import TIMEOUT_S, EncodedFact, Limits, cut, encode, envelope, post_batch
from tifo.source.metrics import RelayMetrics
from tifo.source.ports import FactFeed
from tifo.source.progress import RelayProgress, RelayStatus
from tifo.workspace.model import Connection

Sleep = Callable[[float], Awaitable[None]]

CUT_OFF_AFTER = 6
"""Attempts that fail in a row, over some three seconds: an api that is started again answers before."""
HOLD_AFTER = 100
"""Facts that an endpoint may refuse in a row. Then the endpoint is at fault, and no more facts are dead-lettered."""


@dataclass(frozen=True, kw_only=True)
class RelayTools:
    """Holds the parts that all applications' relays share."""

    feed: FactFeed
    session: aiohttp.ClientSession
    """Reaches Tifo's own endpoint, which the egress guard does not judge."""
    outside: aiohttp.ClientSession
    """Reaches endpoints that someone configured."""
    own_endpoint: str
    share: WorkShare
    """Says which applications are this process's."""
    limits: Limits = field(default_factory=Limits)
    timeout_s: float = TIMEOUT_S
    clock: Clock = system_clock
    chance: Callable[[], float] = random.random
    sleep: Sleep = asyncio.sleep
    hold_after: int = HOLD_AFTER
    metrics: RelayMetrics = field(default_factory=RelayMetrics)


class ApplicationRelay:
    """Sends from the front of the application's queue until it is empty, then rests until the next `drain`.

    At most `limits.batch_events` facts are in memory.
    """

    def __init__(self, connection: Connection, tools: RelayTools) -> None:
        self._connection = connection
        self._tools = tools
        self._progress = RelayProgress(connection.client_id, tools.feed, tools.clock, tools.metrics)
        self._client_id = connection.client_id
        self._lease: Lease | None = None
        """The lease under which the queue was read last."""
        self._stopping = False
        self._woken = asyncio.Event()
        self._resumed = False
        self._retries = 0
        """Attempts in a row that failed for a reason which may pass."""
        self._refused_in_a_row = 0
        """Facts dead-lettered since one was accepted, or since the connection changed."""

    @property
    def status(self) -> RelayStatus:
        return self._progress.status

    @property
    def is_cut_off(self) -> bool:
        """Whether Tifo's own endpoint, as this process reaches it, has failed again and again."""
        return self._connection.endpoint is None and self._retries >= CUT_OFF_AFTER

    def connect(self, connection: Connection) -> None:
        """Applies from the next attempt on. A changed connection is tried at once, whatever the pause was to be."""
        self._stopping = False
        if connection != self._connection:
            self._connection = connection
            # Another write key or endpoint: the refusals of the former one say nothing about it.
            self._refused_in_a_row = 0
            self._woken.set()

    def stop(self) -> None:
        """Ends `drain` after the attempt under way."""
        self._stopping = True
        self._woken.set()

    async def drain(self) -> None:
        """Returns when the queue is empty, after `stop`, or when the application is another process's.

        Never raises.
        """
        lease = self._tools.share.lease(self._client_id)
        if lease is None:
            return
        if lease != self._lease:
            self._lease, self._resumed = lease, False  # another process may have stored more since
        try:
            await self._try_to_drain()
        except _Stopped:
            pass
        except LeaseLost:
            self._tools.share.lost(lease)
        if self._tools.share.lease(self._client_id) != lease:
            self._retries = 0
            self._progress.left()

    async def _try_to_drain(self) -> None:
        failures = 0
        while self._may_go_on():
            try:
                await self._drain()
            except (_Stopped, LeaseLost):
                raise
            except Exception as error:  # noqa: BLE001 (of whatever kind: it must not reach the other applications)
                failures += 1
                # Whatever went wrong with one application touches no other: its own relay shows it and tries again.
                await self._progress.broke_down(error, failures, self._lease)
                await self._pause(BACKOFF.pause_s(failures, self._tools.chance()))
            else:
                return

    async def _drain(self) -> None:
        feed, limits = self._tools.feed, self._tools.limits
        await self._resume()
        while facts := await asyncio.to_thread(feed.pending, self._client_id, limits.batch_events):
            for batch in cut(map(encode, facts), limits):
                await self._deliver(batch)
        await self._progress.end_trouble(self._lease)

    async def _resume(self) -> None:
        """Continues with the count of refusals and the trouble that an earlier relay stored."""
        # Else each restart would let a bad endpoint refuse, and so dead-letter, another hundred facts.
        if self._resumed:
            return
        report = await asyncio.to_thread(self._tools.feed.report, self._client_id)
        self._refused_in_a_row = report.refused_in_a_row
        self._progress.resume(report)
        self._resumed = True

    async def _deliver(self, batch: Sequence[EncodedFact]) -> None:
        """Sends the whole batch, in order. A refused batch is halved until the refused fact is alone."""
        parts = [batch]
        while parts:
            part = parts.pop()
            # A fact leaves the queue only after its batch was answered: a crash in between sends it again, and never
            # loses it.
            refusal = await self._send(part)
            if refusal is None:
                await self._advance(part)
            elif len(part) == 1:
                await self._dead_letter(part[0], refusal)
            else:
                half = len(part) // 2
                parts += [part[half:], part[:half]]  # the first half is popped first: order stays

    async def _send(self, batch: Sequence[EncodedFact]) -> HttpAnswer | None:
        """Tries until the endpoint accepts the batch (None), or refuses it for good. Raises `_Stopped` in between."""
        size, limit = len(batch[0].body), self._tools.limits.event_bytes
        if size > limit:
            # Only the first: `cut` gives a message that is too large a batch of its own.
            return HttpAnswer(0, f"Not sent: it has {size:,} bytes, an event may have {limit:,}.")
        attempt = 0
        while self._may_go_on():
            attempt += 1
            answer = await self._post(batch)
            decision = decide(
                answer,
                attempt=attempt,
                chance=self._tools.chance(),
                # One fact alone: a larger batch may hold the fact that is at fault.
                refuses_all=len(batch) == 1 and self._refused_in_a_row >= self._tools.hold_after,
            )
            self._progress.count(decision)
            self._retries = self._retries + 1 if isinstance(decision, Retry) else 0
            if isinstance(decision, Sent | Split):
                self._progress.answered()
                return None if isinstance(decision, Sent) else answer
            await self._progress.failed(decision, attempt, answer, self._lease)
            await self._pause(decision.after_s)
        raise _Stopped

    def _may_go_on(self) -> bool:
        return not self._stopping and self._tools.share.lease(self._client_id) == self._lease

    async def _post(self, batch: Sequence[EncodedFact]) -> HttpAnswer:
        tools, connection = self._tools, self._connection
        # Read at each attempt: a connection that was corrected meanwhile must be used at once.
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
        sent, at = [message.fact_id for message in batch], self._tools.clock()
        await asyncio.to_thread(self._tools.feed.advance, self._client_id, sent, at, under=self._lease)
        self._refused_in_a_row = 0
        self._progress.advanced(len(batch))

    async def _dead_letter(self, message: EncodedFact, refusal: HttpAnswer) -> None:
        feed, at = self._tools.feed, self._tools.clock()
        await asyncio.to_thread(
            feed.dead_letter,
            self._client_id,
            message.fact_id,
            refusal.status,
            refusal.text,
            at,
            under=self._lease,
        )
        self._refused_in_a_row += refusal.status != 0  # 0: refused by the relay itself, for its size
        self._progress.dead_lettered(message.fact_id, refusal)

    async def _pause(self, seconds: float) -> None:
        """Ends early when the relay is stopped or its connection changes."""
        pauses = [asyncio.ensure_future(self._tools.sleep(seconds)), asyncio.ensure_future(self._woken.wait())]
        try:
            await asyncio.wait(pauses, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for pause in pauses:
                pause.cancel()
        self._woken.clear()


class _Stopped(Exception):
    pass
