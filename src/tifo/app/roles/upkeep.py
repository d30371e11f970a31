"""Jobs that the api repeats beside its answers: log retention, ingest counts over time, forgotten answers."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta

import structlog

from tifo.app.compose import OpenedBackend
from tifo.app.settings import Settings
from tifo.delivery.cursors import loaded_cursors
from tifo.delivery.retention import begin_cursors, delivered_through, expire, expire_loads, loaded_through
from tifo.eventlog.ports import EventLog
from tifo.kernel.clock import Clock, system_clock
from tifo.kernel.errors import Transient
from tifo.kernel.ids import START, Position, SourceId
from tifo.leases.share import WorkShare
from tifo.operations import logs
from tifo.source.segment_actions.consumer import read_through
from tifo.store.engagement.answers import KEPT, forget_answers
from tifo.store.sql.database import Database
from tifo.workspace.model import Source
from tifo.workspace.warehouses import BUILT_IN, ConnectedWarehouse

_log = structlog.get_logger("tifo")
_NOTE_EVERY_S = 5.0
_TRIM_EVERY_S = 60.0
_FORGET_EVERY_S, _BETWEEN_STEPS_S = 60.0, 0.1


class LogRetention:
    """Trims what every warehouse, destination and trigger has handled and what is older than the retention.

    What is older than `log_waits_days` goes even where somebody still waits for it; the loss is counted as expired.
    """

    def __init__(self, settings: Settings, backend: OpenedBackend, log: EventLog) -> None:
        self._settings = settings
        self._backend = backend
        self._log = log
        self._warehouse = backend.open_warehouse(BUILT_IN)

    def trim(self) -> int:
        """Returns the number of bytes freed. Blocks; reads the log beside the process that appends to it."""
        backend, settings = self._backend, self._settings
        sources = [*backend.catalog.sources(), *backend.catalog.deleted_sources()]
        with backend.read_log() as reader:
            connected = backend.warehouses.connected()
            handled = [
                loaded_through(reader, loaded_cursors(self._warehouse.positions, reader), sources),
                read_through(reader, backend.segment_actions),
            ]
            waited_for = [self._loaded_through(reader, each, sources) for each in connected]
            begin_cursors(reader, backend.deliveries, backend.destinations.all())
            waited_for.append(delivered_through(reader, backend.deliveries.cursors()))
            now = backend.clock()
            before = now - timedelta(days=settings.log_retention_days)
            freed = self._log.trim(before=before, keep_after=min([*handled, *waited_for]))
            too_old = now - timedelta(days=max(settings.log_waits_days, settings.log_retention_days))
            through = min(*handled, reader.older(too_old))
            # Counted before it is trimmed: a crash in between counts nothing twice, as cursors move with the count.
            expired = expire(reader, backend.deliveries, backend.deliveries.cursors(), through)
            for each in connected:
                expire_loads(reader, backend.warehouses, each, sources, expired)
        return freed + self._log.trim(before=too_old, keep_after=expired)

    def _loaded_through(self, log: EventLog, connected: ConnectedWarehouse, sources: Sequence[Source]) -> Position:
        """Takes a warehouse that cannot be asked now to have loaded nothing."""
        try:
            positions = loaded_cursors(self._backend.open_warehouse(connected.name).positions, log)
        except Transient as error:
            _log.info("log kept for a warehouse that is away", warehouse=connected.name, reason=error.message)
            return START
        cursors = {name: cursor for name, cursor in positions.items() if connected.takes(SourceId(name))}
        return loaded_through(log, cursors, [source for source in sources if connected.takes(source.id)])

    async def run(self) -> None:
        """Trims each minute, indefinitely."""
        while True:
            await asyncio.sleep(_TRIM_EVERY_S)
            try:
                freed = await asyncio.to_thread(self.trim)
            except Transient as error:  # a load is under way, or the disk refuses: the next round tries again
                _log.info("log not trimmed this time", reason=error.message)
            else:
                if freed:
                    _log.info("log trimmed", freed_bytes=freed)


def note_log_once(backend: OpenedBackend) -> None:
    with backend.read_log() as log:
        logs.note(backend, log, str(backend.settings.log.resolve()))


async def note_log(backend: OpenedBackend) -> None:
    """Notes what the log received and what waits in it, indefinitely, for the other nodes and as numbers over time. A
    round that fails is made up for by the next.
    """
    while True:
        await asyncio.sleep(_NOTE_EVERY_S)
        try:
            await asyncio.to_thread(note_log_once, backend)
        except Transient as error:
            _log.info("log not noted this time", reason=error.message)


async def forget_old_answers(
    database: Database,
    upkeep: WorkShare,
    *,
    clock: Clock = system_clock,
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
) -> None:
    """Forgets the answers of idempotency keys after a day, indefinitely, in steps that let commands in between."""

    def step() -> int:
        with upkeep.turn("answers") as is_ours:
            return forget_answers(database, clock() - KEPT) if is_ours else 0

    while True:
        await sleep(_FORGET_EVERY_S)
        try:
            while await asyncio.to_thread(step):
                await sleep(_BETWEEN_STEPS_S)
        except Transient as error:
            _log.info("answers not forgotten this time", reason=error.message)
