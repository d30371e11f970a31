"""Runs each source's intake: stored webhooks become track events, sent with the source's write key."""

import asyncio
import random
import traceback
from collections.abc import Callable
from datetime import datetime, timedelta

import aiohttp
import structlog

from tifo.kernel.clock import Clock, system_clock
from tifo.kernel.errors import Transient
from tifo.kernel.ids import SourceId
from tifo.kernel.waiting import wait
from tifo.leases.ports import Lease, LeaseLost
from tifo.leases.share import WorkShare
from tifo.source.answers import BACKOFF
from tifo.source.webhooks.inbox import Intake, WebhookInbox
from tifo.source.webhooks.lookup import LiveLikeApi
from tifo.source.webhooks.source_intake import IntakeTools, SourceIntake
from tifo.workspace.model import Catalog, Source

# LiveLike documents neither how often nor how long it sends a webhook again.
REMEMBERED = timedelta(days=30)
"""Time for which the ids of sent webhooks are stored: a copy that comes later counts as a new webhook."""

_POLL_S = 0.1
_FORGET_EVERY_S = 3600.0
_AT_ONCE = 200

_log = structlog.get_logger(__name__)


class WebhookIntake:
    """Sends at least once, under the webhook's id as `messageId`: the event log drops a message that comes twice.

    Intakes over one store share the sources by `share`.
    `session` goes to Tifo's own api, `outside` to LiveLike's.
    """

    def __init__(
        self,
        inbox: WebhookInbox,
        catalog: Catalog,
        session: aiohttp.ClientSession,
        own_endpoint: str,
        share: WorkShare,
        *,
        outside: aiohttp.ClientSession,
        clock: Clock = system_clock,
        chance: Callable[[], float] = random.random,
        poll_s: float = _POLL_S,
        api_of: Callable[[aiohttp.ClientSession, str, str], LiveLikeApi] = LiveLikeApi,
    ) -> None:
        self._inbox = inbox
        self._catalog = catalog
        self._share = share
        self._outside = outside
        self._clock = clock
        self._chance = chance
        self._poll_s = poll_s
        self._api_of = api_of
        self._tools = IntakeTools(
            inbox=inbox, session=session, own_endpoint=own_endpoint, share=share, clock=clock, chance=chance
        )
        self._apis: dict[SourceId, tuple[Intake, LiveLikeApi]] = {}
        self._draining: dict[SourceId, asyncio.Task[None]] = {}
        self._forget_at = float("-inf")

    async def run(self, stop: asyncio.Event) -> None:
        """Runs until `stop` is set. Work that is cut off then is done again at the next start."""
        try:
            while not stop.is_set():
                await self._look()
                await wait(stop, self._poll_s)
        finally:
            for task in self._draining.values():
                task.cancel()
            await asyncio.gather(*self._draining.values(), return_exceptions=True)
            await self._share.close()

    async def _look(self) -> None:
        try:
            intakes = await asyncio.to_thread(self._inbox.intakes)
            sources = await asyncio.to_thread(self._catalog.sources) if intakes else []
            enabled = {source.id: source for source in sources if source.enabled}
            known = {intake.source_id: intake for intake in intakes if intake.source_id in enabled}
            await self._share.look(known, self._draining)
            await self._forget()
        except Transient as error:
            _log.warning("webhooks_store_out_of_reach", error=str(error))
            return
        for source_id in known.keys() - self._draining.keys():
            lease = self._share.lease(source_id)
            if lease is not None:
                self._start(known[source_id], enabled[source_id], lease)

    def _start(self, intake: Intake, source: Source, lease: Lease) -> None:
        # A task for each source, so that one source's dead API never delays another's events.
        task = asyncio.create_task(self._drain(intake, source, lease), name=f"webhooks of {source.slug}")
        self._draining[source.id] = task
        task.add_done_callback(lambda _: self._draining.pop(source.id))

    async def _drain(self, intake: Intake, source: Source, lease: Lease) -> None:
        """Never raises: what goes wrong with one source touches no other, and is tried again at the next look."""
        working = SourceIntake(source, self._api(intake), self._tools, lease)
        try:
            while due := await asyncio.to_thread(self._inbox.due, source.id, self._clock(), _AT_ONCE):
                await working.handle(due)
        except LeaseLost:
            self._share.lost(lease)
        except Transient as error:
            _log.warning("webhooks_put_off", source=source.slug, error=str(error))
        except Exception as error:  # noqa: BLE001 (of whatever kind: it must not end the others)
            _log.error("webhooks_failed", source=source.slug, traceback="".join(traceback.format_exception(error)))
            # Ours is at fault, so it fails again at once: a pause as after six failures, up to 6 s, spares log and
            # store.
            await asyncio.sleep(BACKOFF.pause_s(6, self._chance()))

    def _api(self, intake: Intake) -> LiveLikeApi | None:
        """Returns the same API, with its cache and its pause, as long as the source's settings do not change."""
        if intake.api is None or intake.token is None:
            return None
        known = self._apis.get(intake.source_id)
        if known is None or known[0] != intake:
            known = self._apis[intake.source_id] = (intake, self._api_of(self._outside, intake.api, intake.token))
        return known[1]

    async def _forget(self) -> None:
        now = self._clock()
        if now.timestamp() >= self._forget_at:
            self._forget_at = now.timestamp() + _FORGET_EVERY_S
            await asyncio.to_thread(self._forget_in_turn, now - REMEMBERED)

    def _forget_in_turn(self, before: datetime) -> None:
        with self._share.turn("forget") as is_ours:
            if is_ours:
                self._inbox.forget(before)
