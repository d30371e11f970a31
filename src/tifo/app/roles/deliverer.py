"""The role that delivers events to destinations."""

import asyncio
import contextlib
import fcntl
from collections.abc import Iterator
from datetime import timedelta

import structlog

from tifo.app import compose
from tifo.app.roles.looping import Role, run_on_loop
from tifo.app.roles.presence import present
from tifo.app.settings import Settings
from tifo.delivery.ports import Checkpoint
from tifo.delivery.sending.connection import DestinationConnection, Terms
from tifo.delivery.sending.deliverer import Deliverer, OpenDestination
from tifo.delivery.sending.reading import SharedReader
from tifo.destinations.catalog import kind_of
from tifo.kernel.batching import GroupCommit
from tifo.kernel.clock import system_clock
from tifo.kernel.errors import Transient
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
        with (
            present(settings.data, "deliverer") as presence,
            compose.opened_by_role(settings) as backend,
            backend.read_log() as log,
            _alone(settings),
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
                    )

                watch = AlertWatch(backend, compose.notifier_of(settings, session))
                jobs = [asyncio.create_task(job) for job in (_expire(state), watch.run(settings.alert_look_s))]
                presence.up()
                await Deliverer(backend.destinations.all, open_one, connect, reader).run(stop)
                for job in jobs:
                    job.cancel()
            await commits.close()

    return deliverer


@contextlib.contextmanager
def _alone(settings: Settings) -> Iterator[None]:
    """Keeps a second deliverer out: two of them would attempt the same event. Raises `Transient` where there is one."""
    settings.data.mkdir(parents=True, exist_ok=True, mode=0o700)
    with (settings.data / "deliverer.lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise Transient(f"Another process delivers from {settings.data}: stop it first.") from error
        yield


def _expire_dead_letters(state: SqlDeliveryState) -> None:
    """Deletes a limited number at a time, so that other writers get their turn in between."""
    while state.expire_dead_letters(system_clock() - DEAD_LETTER_RETENTION, limit=_EXPIRE_AT_ONCE):
        pass


async def _expire(state: SqlDeliveryState) -> None:
    """Deletes dead letters and numbers that are past their retention, until it is cancelled."""
    while True:
        await asyncio.sleep(_EXPIRE_EVERY_S)
        try:
            await asyncio.to_thread(_expire_dead_letters, state)
            await asyncio.to_thread(state.expire_numbers, system_clock())
        except Transient as error:
            _log.info("deliveries not expired this time", reason=error.message)
