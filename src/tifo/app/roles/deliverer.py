"""The role that delivers events to destinations."""

import asyncio
from datetime import timedelta
from functools import partial

import structlog

from tifo.app import compose
from tifo.app.compose import OpenedBackend
from tifo.app.roles.held import delivering_alone, released
from tifo.app.roles.holding import holder_of
from tifo.app.roles.looping import Role, run_on_loop
from tifo.app.roles.presence import Presence, present
from tifo.app.settings import Settings
from tifo.delivery.logs import LogNotice
from tifo.delivery.ports import Checkpoint
from tifo.delivery.sending.connection import DestinationConnection, Terms
from tifo.delivery.sending.deliverer import Deliverer, OpenDestination
from tifo.delivery.sending.reading import SharedReader
from tifo.destinations.catalog import kind_of
from tifo.eventlog.ports import EventLog
from tifo.kernel.batching import GroupCommit
from tifo.kernel.clock import system_clock
from tifo.kernel.errors import Transient
from tifo.leases.ports import Leases
from tifo.leases.share import WorkShare
from tifo.operations.alert_watch import AlertWatch
from tifo.operations.destinations import configured_of, filter_of
from tifo.store.delivery.deliveries import SqlDeliveryState
from tifo.workspace.destinations import ConnectedDestination

DEAD_LETTER_RETENTION = timedelta(days=30)
_EXPIRE_EVERY_S = 60.0
_EXPIRE_AT_ONCE = 1_000
_CHANGES = 1_000

_log = structlog.get_logger("tifo.delivery")


def run(settings: Settings, supervised: bool) -> int:
    return run_on_loop(_deliverer(settings), supervised)


def _deliverer(settings: Settings) -> Role:
    async def deliverer(stop: asyncio.Event) -> None:
        with present(settings.data, "deliverer") as presence:
            if await released(settings, stop):
                await _deliver(settings, stop, presence)

    return deliverer


async def _deliver(settings: Settings, stop: asyncio.Event, presence: Presence) -> None:
    with (
        delivering_alone(settings),
        compose.opened_by_role(settings) as backend,
        backend.read_log() as log,
        holder_of(settings, "deliverer") as holder,
    ):
        state = backend.deliveries
        reader = SharedReader(log)
        commits = GroupCommit[Checkpoint, bool](
            state.settle, max_batch=_CHANGES, max_waiting=_CHANGES, name="deliveries"
        )
        async with compose.outside_session(settings) as session:
            tools = compose.tools_of(settings, session)

            async def open_one(connected: ConnectedDestination) -> OpenDestination:
                kind = kind_of(connected.kind)
                configured = configured_of(connected)
                return OpenDestination(await kind.open(configured, tools), filter_of(connected))

            def connect(terms: Terms, opened: OpenDestination) -> DestinationConnection:
                return DestinationConnection(
                    terms,
                    opened.destination,
                    opened.event_filter,
                    reader=reader,
                    state=state,
                    commit=commits.submit,
                    on_notice=partial(_notify, backend, log),
                )

            alerts, upkeep = (WorkShare(backend.leases, group, holder) for group in ("alerts", "upkeep"))
            watch = AlertWatch(backend, compose.notifier_of(settings, session), alerts)
            expiring = _expire(state, backend.leases, upkeep)
            jobs = [asyncio.create_task(job) for job in (expiring, watch.run(settings.alert_look_s))]
            presence.up()
            await Deliverer(backend.destinations.all, open_one, connect, reader).run(stop)
            for job in jobs:
                job.cancel()
            await asyncio.gather(*jobs, return_exceptions=True)
        await commits.close()


def _notify(backend: OpenedBackend, log: EventLog, text: str) -> None:
    backend.logs.notify(LogNotice(log.shard, backend.clock(), text))


def _expire_once(state: SqlDeliveryState, leases: Leases, upkeep: WorkShare) -> None:
    with upkeep.turn("deliveries") as is_ours:
        if not is_ours:
            return
        # A limited number at a time, so that other writers get their turn in between.
        while state.expire_dead_letters(system_clock() - DEAD_LETTER_RETENTION, limit=_EXPIRE_AT_ONCE):
            pass
        state.expire_numbers(system_clock())
        leases.forget()


async def _expire(state: SqlDeliveryState, leases: Leases, upkeep: WorkShare) -> None:
    """Deletes dead letters, numbers and leases that are past their retention, until it is cancelled."""
    while True:
        await asyncio.sleep(_EXPIRE_EVERY_S)
        try:
            await asyncio.to_thread(_expire_once, state, leases, upkeep)
        except Transient as error:
            _log.info("deliveries not expired this time", reason=error.message)
