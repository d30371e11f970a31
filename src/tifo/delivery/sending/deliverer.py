"""Runs one connection for each destination, so that one that is dead or slow costs the others nothing."""

import asyncio
import contextlib
import random
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import NamedTuple

import structlog

from tifo.delivery.sending.connection import DestinationConnection, Terms
from tifo.delivery.sending.filters import DestinationFilter
from tifo.delivery.sending.reading import SharedReader
from tifo.destinations.ports import Destination
from tifo.kernel.backoff import Backoff
from tifo.kernel.errors import NotFound, Rejected, Transient
from tifo.kernel.ids import DestinationId
from tifo.kernel.waiting import wait
from tifo.workspace.destinations import ConnectedDestination

LOOK_S = 1.0
TAIL_S = 0.05
REOPENING = Backoff(base_s=1.0, cap_s=60.0)
"""The pause before a connection that ended is made anew."""
CLOSE_WITHIN_S = 3.0

_log = structlog.get_logger("tifo.delivery")


class OpenDestination(NamedTuple):
    """Holds a destination that is ready to send to, and the filter of its events."""

    destination: Destination
    event_filter: DestinationFilter


Open = Callable[[ConnectedDestination], Awaitable[OpenDestination]]
"""Opens a destination. Raises `Rejected` for settings that are unusable, `Transient` where what it needs is not there
now.
"""
Connect = Callable[[Terms, OpenDestination], DestinationConnection]


class _Running(NamedTuple):
    version: int
    stop: asyncio.Event
    task: asyncio.Task[None]


class Deliverer:
    """Keeps the connections of enabled destinations running, as the workspace has them now."""

    def __init__(
        self,
        connected: Callable[[], Sequence[ConnectedDestination]],
        open_one: Open,
        connect: Connect,
        reader: SharedReader,
        *,
        look_s: float = LOOK_S,
    ) -> None:
        self._connected = connected
        self._open = open_one
        self._connect = connect
        self._reader = reader
        self._look_s = look_s
        self._running: dict[DestinationId, _Running] = {}
        self._connections: dict[DestinationId, DestinationConnection] = {}

    async def run(self, stop: asyncio.Event) -> None:
        """Delivers until `stop`; then every connection finishes as its `run` says."""
        tail = asyncio.create_task(self._tail())
        try:
            while not stop.is_set():
                await self._follow()
                await wait(stop, self._look_s)
        finally:
            tail.cancel()
            for running in self._running.values():
                running.stop.set()
            await asyncio.gather(*(running.task for running in self._running.values()), return_exceptions=True)

    async def _tail(self) -> None:
        """Wakes the connections when the log has grown."""
        end = -1
        while True:
            with contextlib.suppress(Transient):  # the connections, which read it, say so
                # One look for all connections: each for itself would ask the log twenty times a second.
                now = await asyncio.to_thread(self._reader.end)
                if now != end:
                    end = now
                    for connection in self._connections.values():
                        connection.log_grew()
            await asyncio.sleep(TAIL_S)

    async def _follow(self) -> None:
        """Starts, restarts and stops connections, so that those run that are enabled, with their newest settings."""
        try:
            destinations = await asyncio.to_thread(self._connected)
        except Transient as error:
            _log.warning("delivery.destinations_unknown", error=error.message, hint="those that run go on")
            return
        wanted = {each.id: each for each in destinations if each.enabled}
        await self._stop_outdated(wanted)
        for each in wanted.values():
            if each.id not in self._running:
                stop = asyncio.Event()
                task = asyncio.create_task(self._supervise(each, stop), name=f"deliver to {each.id}")
                self._running[each.id] = _Running(each.version, stop, task)

    async def _stop_outdated(self, wanted: Mapping[DestinationId, ConnectedDestination]) -> None:
        outdated = [
            each
            for each, running in self._running.items()
            if each not in wanted or wanted[each].version != running.version
        ]
        stopped = [self._running.pop(each) for each in outdated]
        # All are stopped before the first is awaited, so that they finish side by side.
        for running in stopped:
            running.stop.set()
        # The old connection ends before a new one of the same destination begins: two at once would send events twice.
        await asyncio.gather(*(running.task for running in stopped), return_exceptions=True)

    async def _supervise(self, connected: ConnectedDestination, stop: asyncio.Event) -> None:
        """Makes a connection anew, whatever ends it: what it had not committed is read again."""
        failures = 0
        while not stop.is_set():
            try:
                await self._deliver(connected, stop)
            except NotFound:
                return  # it was removed
            except (Rejected, Transient) as error:
                _log.warning("delivery.not_open", destination=connected.name, error=error.message)
            except Exception:  # noqa: BLE001 (whatever it is, the other destinations go on)
                _log.exception("delivery.died", destination=connected.name)
            failures += 1
            await wait(stop, REOPENING.pause_s(failures, random.random()))  # noqa: S311 (no secret)

    async def _deliver(self, connected: ConnectedDestination, stop: asyncio.Event) -> None:
        opened = await self._open(connected)
        # A connection sets its stop when it fails. `stop` itself must stay unset, or the supervisor would make no
        # other.
        own_stop = asyncio.Event()
        forwarding = asyncio.create_task(_forward(stop, own_stop))
        try:
            terms = Terms(connected.id, connected.source_id, connected.retry_for_s, connected.created_at)
            connection = self._connections[connected.id] = self._connect(terms, opened)
            await connection.run(own_stop)
        finally:
            forwarding.cancel()
            self._connections.pop(connected.id, None)
            await _close(opened.destination, connected.name)


async def _close(destination: Destination, name: str) -> None:
    try:
        # A destination that does not close must hold up no other.
        async with asyncio.timeout(CLOSE_WITHIN_S):
            await destination.close()
    except TimeoutError:
        _log.error("delivery.not_closed", destination=name, after_s=CLOSE_WITHIN_S)


async def _forward(stop: asyncio.Event, own: asyncio.Event) -> None:
    await stop.wait()
    own.set()
