"""The role that answers: Tracking API, LiveLike's resources, incoming webhooks."""

import asyncio
import contextlib
import gc
from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta

import structlog

from tifo.api.browser import ROOT as BROWSER
from tifo.api.browser import BrowserSettings
from tifo.api.management.app import ROOT as MANAGEMENT
from tifo.api.management.app import ManagementApi
from tifo.api.management.request import Desk
from tifo.api.plans import PlanBook
from tifo.api.tracking import TrackingApi
from tifo.api.webhooks import ROOT as WEBHOOKS
from tifo.api.webhooks import Intakes, WebhookApi
from tifo.app import compose
from tifo.app.roles.looping import Role, run_on_loop
from tifo.app.roles.metrics import metrics_page
from tifo.app.settings import Settings
from tifo.delivery.retention import delivered_through, expire, expire_loads, loaded_through
from tifo.eventlog.ports import Append, Appended, EventLog
from tifo.eventlog.sqlite import SqliteEventLog
from tifo.kernel.batching import GroupCommit
from tifo.kernel.clock import Clock, system_clock
from tifo.kernel.errors import Transient
from tifo.kernel.ids import Position, SourceId, uuid7
from tifo.kernel.memory import collect_seldom
from tifo.livelike.app import livelike_app
from tifo.livelike.quick import Quick
from tifo.source.segment_actions.consumer import read_through
from tifo.source.webhooks.inbox import ReceivedWebhook
from tifo.store.engagement.answers import KEPT, forget_answers
from tifo.store.engagement.engine import SqlEngine
from tifo.store.engagement.queries import SqlQueries
from tifo.store.sql.database import Database
from tifo.store.workspace.catalog import WriteKeys
from tifo.tracking.rates import SourceRateLimit
from tifo.web.asgi import AsgiApp
from tifo.web.server import dispatch, serve
from tifo.workspace.model import Source
from tifo.workspace.warehouses import ConnectedWarehouse

_log = structlog.get_logger("tifo")
_NOTE_EVERY_S = 5.0
_TRIM_EVERY_S = 60.0
_FORGET_EVERY_S, _BETWEEN_STEPS_S = 60.0, 0.1
_BATCH_EVENTS, _WAITING_EVENTS = 10_000, 100_000
"""Of the event log: at most so many events in one commit, and so many waiting for theirs."""
_BATCH_WEBHOOKS, _WAITING_WEBHOOKS = 500, 10_000
"""Of LiveLike's webhooks, likewise."""


def run(settings: Settings, supervised: bool) -> int:
    return run_on_loop(_api(settings), supervised)


def _api(settings: Settings) -> Role:
    async def api(stop: asyncio.Event) -> None:
        collect_seldom()
        gc.freeze()  # what is loaded by now stays, and is not looked at again
        database = compose.open_state(settings)
        log = compose.open_log(settings)
        appends = GroupCommit[Append, Appended](
            log.append,
            max_batch=_BATCH_EVENTS,
            max_waiting=_WAITING_EVENTS,
            weigh=lambda append: len(append.accepted) + len(append.refused),
            name="event-log",
        )
        engine = SqlEngine(database, system_clock, uuid7)
        write_keys = WriteKeys(compose.catalog_of(database))
        limit = SourceRateLimit(settings.rate_limit)
        plans = compose.plans_of(database)
        book = PlanBook(plans, compose.catalog_of(database).sources, system_clock)
        await asyncio.to_thread(book.refresh)
        await asyncio.to_thread(_note_once, settings, database)
        tracking = TrackingApi(appends, write_keys.source_of, system_clock, uuid7, rate_limit=limit, plans=book)
        browser = BrowserSettings(write_keys.source_of, settings.public_url or None)
        livelike = livelike_app(
            engine,
            SqlQueries(database),
            access=compose.access_of(database),
            images=compose.images_of(database),
            public_url=settings.public_url or None,
            outbox=compose.outbox_of(database),
            catalog=compose.catalog_of(database),
        )
        inbox = compose.inbox_of(database)
        arrivals = GroupCommit[ReceivedWebhook, bool](
            inbox.add, max_batch=_BATCH_WEBHOOKS, max_waiting=_WAITING_WEBHOOKS, name="webhooks"
        )
        webhooks = WebhookApi(arrivals, Intakes(inbox, compose.catalog_of(database)), system_clock)
        desk = Desk(
            compose.catalog_of(database),
            compose.warehouses_of(database),
            plans,
            compose.destinations_of(database, settings),
            compose.deliveries_of(database),
            compose.ingest_of(database),
            lambda: compose.log_end(settings),
            compose.check_connected,
        )
        management = ManagementApi(desk, compose.workspace_tokens_of(database))
        quick: dict[str, AsgiApp] = {BROWSER: browser, "/v1/": tracking, WEBHOOKS: webhooks, MANAGEMENT: management}
        quick["/metrics"] = metrics_page()
        app = dispatch(quick, Quick(livelike))
        jobs = [
            asyncio.create_task(job)
            for job in (
                _keep_log_short(settings, log, database),
                _note_ingest(settings, database),
                keep_answers_few(database),
                book.run(),
            )
        ]
        await serve(app, host=settings.host, port=settings.port, stop=stop)
        for job in jobs:
            job.cancel()
        await arrivals.close()
        await engine.close()
        await appends.close()
        with contextlib.suppress(Transient):  # counts of the last half second; the events themselves are safe
            await book.write()
        log.close()
        database.dispose()

    return api


async def _keep_log_short(settings: Settings, log: SqliteEventLog, database: Database) -> None:
    """Forget what is loaded, delivered, looked at for actions, and older than the retention.

    Reads beside the writer, in a thread.
    """
    warehouse, catalog = compose.open_warehouse(settings), compose.catalog_of(database)
    actions = compose.actions_of(database)
    warehouses, deliveries = compose.warehouses_of(database), compose.deliveries_of(database)

    def trim() -> int:
        sources = [*catalog.sources(), *catalog.deleted_sources()]
        with contextlib.closing(compose.open_log_reader(settings)) as reader:
            built_in = loaded_through(reader, warehouse.positions(), sources)
            connected = warehouses.connected()
            others = [_loaded_through(reader, each, sources) for each in connected]
            others.append(delivered_through(reader, deliveries.cursors()))
            kept = min(built_in, read_through(reader, actions))
            now = system_clock()
            before = now - timedelta(days=settings.log_retention_days)
            freed = log.trim(before=before, keep_after=min([kept, *others]))
            too_old = now - timedelta(days=max(settings.log_waits_days, settings.log_retention_days))
            given_up = expire(reader, deliveries, deliveries.cursors(), min(kept, reader.older(too_old)))
            for each in connected:
                expire_loads(reader, warehouses, each, sources, given_up)
        return freed + log.trim(before=too_old, keep_after=given_up)

    while True:
        await asyncio.sleep(_TRIM_EVERY_S)
        try:
            freed = await asyncio.to_thread(trim)
        except Transient as error:  # a load is under way, or the disk refuses: the next round tries again
            _log.info("log not trimmed this time", reason=error.message)
        else:
            if freed:
                _log.info("log trimmed", freed_bytes=freed)


def _note_once(settings: Settings, database: Database) -> None:
    with contextlib.closing(compose.open_log_reader(settings)) as reader:
        compose.ingest_of(database).note(reader.ingest_counts(), system_clock())


async def _note_ingest(settings: Settings, database: Database) -> None:
    """What sources sent, spread over time; for ever. What is not noted now is noted the next time."""
    while True:
        await asyncio.sleep(_NOTE_EVERY_S)
        try:
            await asyncio.to_thread(_note_once, settings, database)
        except Transient as error:
            _log.info("ingest not noted this time", reason=error.message)


def _loaded_through(log: EventLog, connected: ConnectedWarehouse, sources: Sequence[Source]) -> Position:
    """Of a warehouse that cannot be asked now, nothing is known to be loaded."""
    try:
        positions = compose.open_connected(connected).positions()
    except Transient as error:
        _log.info("log kept for a warehouse that is away", warehouse=connected.name, reason=error.message)
        return Position(0)
    cursors = {name: cursor for name, cursor in positions.items() if connected.takes(SourceId(name))}
    return loaded_through(log, cursors, [source for source in sources if connected.takes(source.id)])


async def keep_answers_few(
    database: Database, *, clock: Clock = system_clock, sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
) -> None:
    """Forget answers that no client asks for again; for ever, in steps that let commands in between."""
    while True:
        await sleep(_FORGET_EVERY_S)
        try:
            while await asyncio.to_thread(forget_answers, database, clock() - KEPT):
                await sleep(_BETWEEN_STEPS_S)
        except Transient as error:
            _log.info("answers not forgotten this time", reason=error.message)
