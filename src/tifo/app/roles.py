"""What `tifo up` runs: the api answers, the relay sends facts, the loader fills the warehouse. Each also runs alone."""

import asyncio
import contextlib
import signal
import sys
import threading
from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta

import structlog
import uvloop

from tifo.api.tracking import TrackingApi
from tifo.api.webhooks import ROOT as WEBHOOKS
from tifo.api.webhooks import Intakes, WebhookApi
from tifo.app import compose
from tifo.app.metrics import metrics_page
from tifo.app.settings import Settings
from tifo.app.web import dispatch, serve, stop_on_signals, when_parent_ends
from tifo.delivery.actions import SegmentActions, read_through
from tifo.delivery.fleet import Fleet
from tifo.delivery.loader import Loader
from tifo.delivery.retention import loaded_through
from tifo.eventlog.ports import Append, Appended, EventLog
from tifo.kernel.batching import GroupCommit
from tifo.kernel.clock import Clock, system_clock
from tifo.kernel.errors import Transient
from tifo.kernel.ids import Position, SourceId, uuid7
from tifo.livelike.app import livelike_app
from tifo.livelike.quick import Quick
from tifo.source.endpoint import open_session
from tifo.source.inbox import Arrived
from tifo.source.intake import WebhookIntake
from tifo.source.relay import Relay
from tifo.source.sender import Sender
from tifo.store.answers import KEPT, forget_answers
from tifo.store.catalog import WriteKeys
from tifo.store.database import Database
from tifo.store.engine import SqlEngine
from tifo.store.queries import SqlQueries
from tifo.store.sqlite_log import SqliteEventLog
from tifo.warehouses.ports import Warehouse
from tifo.workspace.model import Source
from tifo.workspace.warehouses import BUILT_IN, ConnectedWarehouse

Role = Callable[[asyncio.Event], Awaitable[None]]
"""Runs until the event is set, then finishes what it was handed."""

_log = structlog.get_logger("tifo")
_TRIM_EVERY_S = 60.0
_SWITCH_S = 0.0005
"""How long the event loop may keep a commit's thread from its turn: Python's own 5 ms are as long as a commit."""
_FORGET_EVERY_S, _BETWEEN_STEPS_S = 60.0, 0.1
_BATCH_EVENTS, _WAITING_EVENTS = 10_000, 100_000
"""Of the event log: at most so many events in one commit, and so many waiting for theirs."""
_BATCH_WEBHOOKS, _WAITING_WEBHOOKS = 500, 10_000
"""Of LiveLike's webhooks, likewise."""


def run(role: str, settings: Settings, *, supervised: bool) -> int:
    """Until SIGTERM, Ctrl-C, or (supervised) until the supervisor is gone."""
    return RUN[role](settings, supervised)


def _run_relay(settings: Settings, supervised: bool) -> int:
    return _run_async(_relay(settings), supervised)


def _run_api(settings: Settings, supervised: bool) -> int:
    return _run_async(_api(settings), supervised)


def _run_async(role: Role, supervised: bool) -> int:
    async def main() -> None:
        stop = asyncio.Event()
        stop_on_signals(stop)
        if supervised:
            loop = asyncio.get_running_loop()
            when_parent_ends(sys.stdin.fileno(), lambda: loop.call_soon_threadsafe(stop.set))
        await role(stop)

    uvloop.run(main())
    return 0


def _api(settings: Settings) -> Role:
    async def api(stop: asyncio.Event) -> None:
        sys.setswitchinterval(_SWITCH_S)
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
        tracking = TrackingApi(appends, write_keys.source_of, system_clock, uuid7)
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
        arrivals = GroupCommit[Arrived, bool](
            inbox.add, max_batch=_BATCH_WEBHOOKS, max_waiting=_WAITING_WEBHOOKS, name="webhooks"
        )
        webhooks = WebhookApi(arrivals, Intakes(inbox, compose.catalog_of(database)), system_clock)
        app = dispatch({"/v1/": tracking, WEBHOOKS: webhooks, "/metrics": metrics_page()}, Quick(livelike))
        jobs = [
            asyncio.create_task(job) for job in (_keep_log_short(settings, log, database), keep_answers_few(database))
        ]
        await serve(app, host=settings.host, port=settings.port, stop=stop)
        for job in jobs:
            job.cancel()
        await arrivals.close()
        await engine.close()
        await appends.close()
        log.close()
        database.dispose()

    return api


async def _keep_log_short(settings: Settings, log: SqliteEventLog, database: Database) -> None:
    """Forget what is loaded, looked at for actions, and older than the retention.

    Reads beside the writer, in a thread.
    """
    warehouse, catalog = compose.open_warehouse(settings), compose.catalog_of(database)
    actions = compose.actions_of(database)
    warehouses = compose.warehouses_of(database)

    def trim() -> int:
        sources = catalog.sources()
        with contextlib.closing(compose.open_log_reader(settings)) as reader:
            built_in = loaded_through(reader, warehouse.positions(), sources)
            others = [_loaded_through(reader, connected, sources) for connected in warehouses.connected()]
            kept = min(built_in, read_through(reader, actions))
        now = system_clock()
        before = now - timedelta(days=settings.log_retention_days)
        freed = log.trim(before=before, keep_after=min([kept, *others]))
        waits = timedelta(days=max(settings.log_waits_days, settings.log_retention_days))
        return freed + log.trim(before=now - waits, keep_after=kept)

    while True:
        await asyncio.sleep(_TRIM_EVERY_S)
        try:
            freed = await asyncio.to_thread(trim)
        except Transient as error:  # a load is under way, or the disk refuses: the next round tries again
            _log.info("log not trimmed this time", reason=error.message)
        else:
            if freed:
                _log.info("log trimmed", freed_bytes=freed)


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


def _relay(settings: Settings) -> Role:
    async def relay(stop: asyncio.Event) -> None:
        database = compose.open_state(settings)
        feed, catalog = compose.facts_of(database), compose.catalog_of(database)
        async with open_session() as session, compose.outside_session(settings) as outside:
            own = compose.own_address(settings)
            relaying = Relay(feed, catalog, session, own, outside=outside)
            intake = WebhookIntake(compose.inbox_of(database), catalog, session, own, outside=outside)
            sender = Sender(compose.outbox_of(database), outside)
            log, engine = compose.open_log_reader(settings), SqlEngine(database, system_clock, uuid7)
            actions = SegmentActions(log, engine, compose.actions_of(database))
            await asyncio.gather(relaying.run(stop), intake.run(stop), sender.run(stop), actions.run(stop))
            await engine.close()
            log.close()
        database.dispose()

    return relay


def _run_loader(settings: Settings, supervised: bool) -> int:
    stop = threading.Event()
    for signal_number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(signal_number, lambda *_: stop.set())
    if supervised:
        when_parent_ends(sys.stdin.fileno(), stop.set)
    database = compose.open_state(settings)
    connected = compose.warehouses_of(database).connected

    def wanted() -> list[str]:
        return [BUILT_IN, *(warehouse.name for warehouse in connected())]

    Fleet(wanted, lambda name: _loader(settings, database, name)).run(stop)
    return 0


def _loader(settings: Settings, database: Database, name: str) -> Loader:
    warehouses = compose.warehouses_of(database)
    warehouse: Warehouse = compose.open_warehouse(settings)
    takes: Callable[[SourceId], bool] = lambda _: True  # noqa: E731 (the built-in one takes all)
    if name != BUILT_IN:
        connected = next(each for each in warehouses.connected() if each.name == name)
        warehouse, takes = compose.open_connected(connected), connected.takes
    return Loader(
        compose.open_log_reader(settings),
        warehouse,
        compose.catalog_of(database).sources,
        name=name,
        takes=takes,
        on_syncs=warehouses.record,
        flush_s=settings.flush_s,
        flush_events=settings.flush_events,
        max_tables=settings.max_event_tables,
    )


RUN: dict[str, Callable[[Settings, bool], int]] = {"relay": _run_relay, "api": _run_api, "loader": _run_loader}
"""By name, in the order of stopping: the relay needs the api, and the loader carries what both have accepted."""
