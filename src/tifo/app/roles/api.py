"""The role that answers: Tracking API, LiveLike's resources, management API, incoming webhooks."""

import asyncio
import contextlib
import gc
from collections.abc import Coroutine

from tifo.api.browser import ROOT as BROWSER
from tifo.api.browser import BrowserSettings
from tifo.api.management.app import ROOT as MANAGEMENT
from tifo.api.management.app import ManagementApi
from tifo.api.plans import PlanBook
from tifo.api.ready import ROOT as READY
from tifo.api.ready import ReadyApi
from tifo.api.rudder import ROOT as RUDDER
from tifo.api.rudder import RudderSettings
from tifo.api.tracking import BEACON, TrackingApi
from tifo.api.webhooks import ROOT as WEBHOOKS
from tifo.api.webhooks import Intakes, WebhookApi
from tifo.app import compose
from tifo.app.compose import OpenedBackend
from tifo.app.roles.document import api_document
from tifo.app.roles.holding import holder_of
from tifo.app.roles.looping import Role, run_on_loop
from tifo.app.roles.metrics import metrics_page
from tifo.app.roles.presence import present
from tifo.app.roles.readiness import readiness_of
from tifo.app.roles.upkeep import LogRetention, forget_old_answers, note_log, note_log_once
from tifo.app.settings import Settings
from tifo.eventlog.ports import Append, Appended
from tifo.eventlog.sqlite import SqliteEventLog
from tifo.kernel.batching import GroupCommit
from tifo.kernel.errors import Transient
from tifo.kernel.memory import collect_seldom
from tifo.leases.share import Holder, WorkShare
from tifo.livelike.app import livelike_app
from tifo.livelike.fast_path import FastPath
from tifo.source.webhooks.inbox import ReceivedWebhook
from tifo.store.engagement.engine import SqlEngine
from tifo.tracking.rates import SourceRateLimit
from tifo.web.asgi import AsgiApp
from tifo.web.openapi.pages import ROOT as DOCS
from tifo.web.openapi.pages import DocsPages
from tifo.web.server import dispatch, serve
from tifo.workspace.write_keys import WriteKeys

_BATCH_EVENTS, _WAITING_EVENTS = 10_000, 100_000
"""Limits of the event log: events in one commit, and events that wait for theirs."""
_BATCH_WEBHOOKS, _WAITING_WEBHOOKS = 500, 10_000
"""Limits of LiveLike's webhooks, likewise."""


def run(settings: Settings, supervised: bool) -> int:
    return run_on_loop(_api(settings), supervised)


def _api(settings: Settings) -> Role:
    async def api(stop: asyncio.Event) -> None:
        collect_seldom()
        gc.freeze()  # modules loaded by now stay: no collection needs to look at them again
        with (
            present(settings.data, "api") as presence,
            compose.opened_by_role(settings) as backend,
            contextlib.closing(compose.open_log(settings)) as log,
            holder_of(settings, "api") as holder,
        ):
            compose.note_address(settings)  # the log is ours by now: no other api runs on this folder
            parts = _Parts(settings, backend, log, holder)
            await asyncio.to_thread(parts.plans.refresh)
            await asyncio.to_thread(_introduce, backend, log)
            jobs = [asyncio.create_task(job) for job in parts.jobs()]
            presence.up()
            await serve(parts.app(), host=settings.host, port=settings.port, stop=stop)
            for job in jobs:
                job.cancel()
            await parts.close()

    return api


def _introduce(backend: OpenedBackend, log: SqliteEventLog) -> None:
    """Makes the log known to the state, before it gets its first event."""
    if log.names_old_positions:
        backend.logs.claim(log.shard)
    note_log_once(backend)


class _Parts:
    """Wires the applications that share one event loop, and the queues whose requests share commits."""

    def __init__(self, settings: Settings, backend: OpenedBackend, log: SqliteEventLog, holder: Holder) -> None:
        self._settings = settings
        self._backend = backend
        self._log = log
        self._upkeep = WorkShare(backend.leases, "upkeep", holder)
        self._appends = GroupCommit[Append, Appended](
            log.append,
            max_batch=_BATCH_EVENTS,
            max_waiting=_WAITING_EVENTS,
            weigh=lambda append: len(append.accepted) + len(append.refused),
            name="event-log",
        )
        self._engine = SqlEngine(backend.database, backend.clock, backend.new_id)
        self._arrivals = GroupCommit[ReceivedWebhook, bool](
            backend.inbox.add, max_batch=_BATCH_WEBHOOKS, max_waiting=_WAITING_WEBHOOKS, name="webhooks"
        )
        self.plans = PlanBook(backend.plans, backend.catalog.sources, backend.clock)

    def app(self) -> AsgiApp:
        backend, public_url = self._backend, self._settings.public_url or None
        write_keys = WriteKeys(backend.catalog)
        limit = SourceRateLimit(self._settings.rate_limit)
        tracking = TrackingApi(
            self._appends, write_keys.source_of, backend.clock, backend.new_id, rate_limit=limit, plans=self.plans
        )
        livelike = livelike_app(
            self._engine,
            backend.queries,
            access=backend.access,
            images=backend.images,
            public_url=public_url,
            outbox=backend.outbox,
            catalog=backend.catalog,
        )
        quick: dict[str, AsgiApp] = {
            BROWSER: BrowserSettings(write_keys.source_of, public_url),
            "/v1/": tracking,
            BEACON: tracking,
            RUDDER: RudderSettings(write_keys.source_of),
            WEBHOOKS: WebhookApi(self._arrivals, Intakes(backend.inbox, backend.catalog), backend.clock),
            MANAGEMENT: ManagementApi(backend),
            "/metrics": metrics_page(),
            READY: ReadyApi(readiness_of(self._settings, backend, self._log)),
        }
        own = {*quick, *(route.path for route in livelike.routes)}
        quick[DOCS] = DocsPages(api_document(own.__contains__), public_url)
        return dispatch(quick, FastPath(livelike))

    def jobs(self) -> tuple[Coroutine[None, None, None], ...]:
        return (
            LogRetention(self._settings, self._backend, self._log).run(),
            note_log(self._backend),
            forget_old_answers(self._backend.database, self._upkeep),
            self.plans.run(),
        )

    async def close(self) -> None:
        """Waits for what was accepted: webhooks and commands first, as both may still append."""
        await self._arrivals.close()
        await self._engine.close()
        await self._appends.close()
        with contextlib.suppress(Transient):  # counts of the last half second; the events themselves are safe
            await self.plans.write()
