"""Sends every connected application's facts to its endpoint."""

import asyncio
import random
import time
from collections.abc import Callable, Collection

import aiohttp
import structlog

from tifo.kernel.clock import Clock, system_clock
from tifo.kernel.errors import Transient
from tifo.kernel.ids import ClientId
from tifo.kernel.waiting import wait
from tifo.leases.share import LOOK_EVERY_S, WorkShare
from tifo.source.application_relay import HOLD_AFTER, ApplicationRelay, RelayTools, Sleep
from tifo.source.batches import TIMEOUT_S, Limits
from tifo.source.metrics import RelayMetrics
from tifo.source.ports import FactFeed
from tifo.source.progress import RelayStatus
from tifo.source.tasks import finish
from tifo.workspace.model import Catalog

POLL_S = 0.05
REST_S = 60.0
"""Time for which a relay whose own api is away leaves the applications to others."""
_GRACE_S = 5.0

_log = structlog.get_logger(__name__)


class Relay:
    """Posts each application's facts to `{endpoint}/v1/batch` in order, with its write key.

    At least once, under the fact's id as `messageId`: an endpoint that drops duplicates has each exactly once. Relays
    over one store share the applications by `share`; each application's facts are sent by one of them at a time. One
    that cannot reach its own endpoint leaves them to the others for a while.

    An endpoint that refuses `hold_after` facts in a row is held like one that refuses the write key: it is tried again
    and again, and no more facts are dead-lettered.

    `session` goes to `own_endpoint`, which connections without an endpoint of their own use. `outside` goes to the
    endpoints that connections name, so it is a guarded session; where it is not given, it is `session`.
    """

    def __init__(
        self,
        feed: FactFeed,
        catalog: Catalog,
        session: aiohttp.ClientSession,
        own_endpoint: str,
        share: WorkShare,
        *,
        outside: aiohttp.ClientSession | None = None,
        limits: Limits | None = None,
        timeout_s: float = TIMEOUT_S,
        poll_s: float = POLL_S,
        grace_s: float = _GRACE_S,
        clock: Clock = system_clock,
        chance: Callable[[], float] = random.random,
        sleep: Sleep = asyncio.sleep,
        hold_after: int = HOLD_AFTER,
        metrics: RelayMetrics | None = None,
    ) -> None:
        self._feed = feed
        self._catalog = catalog
        self._share = share
        self._poll_s = poll_s
        self._grace_s = grace_s
        self._tools = RelayTools(
            feed=feed,
            session=session,
            outside=outside or session,
            own_endpoint=own_endpoint,
            share=share,
            limits=limits or Limits(),
            timeout_s=timeout_s,
            clock=clock,
            chance=chance,
            sleep=sleep,
            hold_after=hold_after,
            metrics=metrics or RelayMetrics(),
        )
        self._relays: dict[ClientId, ApplicationRelay] = {}
        self._rests_until = self._ask_at = float("-inf")
        self._draining: dict[ClientId, asyncio.Task[None]] = {}

    def status(self) -> list[RelayStatus]:
        """Returns a status for each application that was connected since the start."""
        return [relay.status for relay in self._relays.values()]

    async def run(self, stop: asyncio.Event) -> None:
        """Runs until `stop` is set, then finishes the batches in flight, and gives the applications back.

        A batch that takes longer than `grace_s` is cut off, and sent again at the next start.
        """
        try:
            while not stop.is_set():
                await self._look()
                await wait(stop, self._poll_s)
        finally:
            await self._finish()

    async def _look(self) -> None:
        try:
            waiting = await asyncio.to_thread(self._feed.waiting)
            connections = await asyncio.to_thread(self._catalog.connections)  # read anew: people connect while it runs
            connected = {connection.client_id: connection for connection in connections}
            await self._share.look(await self._shared(connected), self._draining)
        except Transient as error:
            _log.warning("relay_store_out_of_reach", error=str(error))
            return
        mine = {client_id for client_id in connected if self._share.lease(client_id)}
        for client_id in mine:
            connection = connected[client_id]
            if client_id in self._relays:
                self._relays[client_id].connect(connection)
            else:
                self._relays[client_id] = ApplicationRelay(connection, self._tools)
        for client_id in self._relays.keys() - mine:
            self._relays[client_id].stop()  # its object stays, with its counts, for when it is connected again
        for client_id in waiting & mine:
            self._start(client_id)

    async def _shared(self, connected: Collection[ClientId]) -> Collection[ClientId]:
        """Returns the applications that this relay wants its share of: none while only the others' apis answer."""
        now = time.monotonic()
        if self._ask_at <= now < self._rests_until:
            # All may have come to rest together, as when the state was away: then somebody must go on.
            self._ask_at = now + LOOK_EVERY_S
            self._rests_until = self._rests_until if await self._share.has_others() else now
        if not self._share.is_alone and any(relay.is_cut_off for relay in self._relays.values()):
            _log.warning("relay_hands_over", reason="The api of this node does not answer.", for_s=REST_S)
            self._rests_until, self._ask_at = now + REST_S, now + LOOK_EVERY_S
        return () if now < self._rests_until else connected

    def _start(self, client_id: ClientId) -> None:
        if client_id in self._draining:
            return
        # A task for each application, so that one's dead endpoint never delays another's facts.
        task = asyncio.create_task(self._relays[client_id].drain(), name=f"relay {client_id}")
        self._draining[client_id] = task
        task.add_done_callback(lambda _: self._draining.pop(client_id))

    async def _finish(self) -> None:
        for relay in self._relays.values():
            relay.stop()
        await finish(self._draining.values(), self._grace_s)
        await self._share.close()
