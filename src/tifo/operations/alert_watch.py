"""Watches alerts: reads the value that each looks at, decides whether it fires, and has people notified."""

import asyncio
import time
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta

import structlog
from msgspec.structs import replace

from tifo.delivery.cursors import loaded_cursors, source_position
from tifo.delivery.logs import destination_reader
from tifo.delivery.ports import Grain, Result, SeriesQuery
from tifo.eventlog.ports import RECEIVED
from tifo.kernel.errors import NotFound, Rejected, Transient
from tifo.kernel.ids import DestinationId, SourceId
from tifo.leases.ports import Lease, LeaseLost
from tifo.leases.share import LOOK_EVERY_S, WorkShare
from tifo.operations import logs
from tifo.operations.backend import Backend
from tifo.operations.notifying import Notifier, notice_of
from tifo.workspace.alert_rules import after_check, after_notification, change_percent, with_sample
from tifo.workspace.alerts import Alert, AlertKind, AlertState
from tifo.workspace.warehouses import every_warehouse, named_warehouse

_SMALL_WINDOW_S = 4 * 3600
"""A window up to here is counted by the minute, a longer one by the hour."""
_log = structlog.get_logger("tifo.alerts")

Reading = tuple[float | None, str]
"""The value that an alert looks at (None where there is none now), and in words what it is."""


_ALERTS = "alerts"
"""The piece of work that all alerts are: one process looks at them, as their notices are few."""


class AlertWatch:
    """Looks at every alert again and again. A notice that does not arrive is sent again at the next look.

    Watches over one store take turns by `share`: one of them looks as long as it lives.
    """

    def __init__(self, backend: Backend, notifier: Notifier, share: WorkShare) -> None:
        self._backend = backend
        self._notifier = notifier
        self._share = share
        self._readings: Mapping[AlertKind, Callable[[Alert, AlertState], Reading]] = {
            AlertKind.DELIVERY_RATE: self._delivery_rate,
            AlertKind.VOLUME: self._volume,
            AlertKind.WAREHOUSE: self._waiting_s,
        }

    async def run(self, every_s: float) -> None:
        """Looks every so many seconds until it is cancelled."""
        try:
            # Beside one another: a look may wait for a slow receiver, and the lease must not expire meanwhile.
            await asyncio.gather(self._hold(min(every_s, LOOK_EVERY_S)), self._watch(every_s))
        finally:
            await self._share.close()

    async def _hold(self, every_s: float) -> None:
        while True:
            try:
                await self.hold()
            except Transient as error:
                _log.warning("alerts.not_looked_at", error=error.message)
            await asyncio.sleep(every_s)

    async def _watch(self, every_s: float) -> None:
        looked_at = time.monotonic()
        while True:
            await asyncio.sleep(min(every_s, LOOK_EVERY_S))
            if time.monotonic() - looked_at >= every_s and await self.look():
                looked_at = time.monotonic()

    async def hold(self) -> None:
        """Takes part in the turns. Without alerts there is nothing to hold."""
        await self._share.look([_ALERTS] if await asyncio.to_thread(self._backend.alerts.all) else [])

    async def look(self) -> bool:
        """Looks at each alert once, if this process is the one that looks; returns whether it is."""
        lease = self._share.lease(_ALERTS)
        if lease is None:
            return False
        try:
            await self._look(lease)
        except LeaseLost:
            self._share.lost(lease)
        except Transient as error:
            _log.warning("alerts.not_looked_at", error=error.message)
        return True

    async def _look(self, lease: Lease) -> None:
        # The contracts block, so threads ask them.
        for alert, before in await asyncio.to_thread(self._backend.alerts.all):
            after = await asyncio.to_thread(self._checked, alert, before)
            if after.pending:
                self._share.check(_ALERTS, lease)
                after = await self._notify(alert, after)
            # Stored last: a crash before this notifies again, and loses no notice.
            if after != before:
                await asyncio.to_thread(self._backend.alerts.note, alert.id, after, under=lease)

    def _checked(self, alert: Alert, before: AlertState) -> AlertState:
        now = self._backend.clock().timestamp()
        if alert.kind is AlertKind.VOLUME:
            before = with_sample(alert, before, self._total(alert), now)
        try:
            value, reason = self._readings[alert.kind](alert, before)
        except (NotFound, Transient, Rejected) as error:  # a target that is gone or away neither fires nor resolves
            value, reason = None, error.message
        return after_check(alert, before, value, reason, now)

    def _delivery_rate(self, alert: Alert, _: AlertState) -> Reading:
        destination_id, now = DestinationId(alert.target), self._backend.clock()
        delivered, failed = (self._counted(alert, result, now) for result in (Result.DELIVERED, Result.FAILED))
        waiting = self._backend.delivery_numbers.numbers(destination_id).status.waiting + self._behind(destination_id)
        if not delivered + failed + waiting:
            return None, "no events"
        share = 100.0 * delivered / (delivered + failed + waiting)
        return share, f"{delivered:,} delivered, {failed:,} failed, {waiting:,} wait: {share:.1f} %"

    def _counted(self, alert: Alert, result: Result, now: datetime) -> int:
        asked = SeriesQuery(
            destination_id=DestinationId(alert.target),
            results=[result],
            since=now - timedelta(seconds=alert.window_s),
            until=now + timedelta(minutes=1),  # the minute that runs counts too
            grain=Grain.MINUTE if alert.window_s <= _SMALL_WINDOW_S else Grain.HOUR,
        )
        return sum(series.total for series in self._backend.delivery_numbers.series(asked))

    def _behind(self, destination_id: DestinationId) -> int:
        """Counts the events that a dead destination should have had by now. Those behind the cursor of one that is
        alive came in the last seconds, and are under way.
        """
        found = [each for each in self._backend.destinations.all() if each.id == destination_id]
        if not found:
            raise NotFound(f"The destination {destination_id} is gone.")
        if self._backend.delivery_numbers.numbers(destination_id).status.dead_since is None:
            return 0
        with self._backend.read_log() as log:
            position = logs.delivered_positions(self._backend).get(destination_id)
            own = logs.delivery_backlog(log, found[0], position)
            elsewhere = logs.others(self._backend, log.shard)
        return own + sum(each.backlog.get(destination_reader(destination_id), 0) for each in elsewhere)

    def _volume(self, alert: Alert, before: AlertState) -> Reading:
        change = change_percent(alert, before, self._total(alert), self._backend.clock().timestamp())
        return change, "not known yet" if change is None else f"{change:+.0f} % against the window before"

    def _total(self, alert: Alert) -> int:
        with self._backend.read_log() as log:
            counts = log.ingest_counts()
            own = log.shard
        # Another node may look next time: a sum of its own log alone would look like a leap.
        elsewhere = [totals for shard, totals in self._backend.ingest_numbers.totals().items() if shard != own]
        here = sum(each.total for each in counts if each.source_id == alert.target and each.code == RECEIVED)
        return here + sum(totals.get((SourceId(alert.target), RECEIVED), 0) for totals in elsewhere)

    def _waiting_s(self, alert: Alert, _: AlertState) -> Reading:
        oldest = self._oldest_not_loaded(alert.target)
        if oldest is None:
            return 0.0, "all is loaded"
        seconds = (self._backend.clock() - oldest).total_seconds()
        return seconds, f"the oldest event has waited for {seconds:,.0f} s"

    def _oldest_not_loaded(self, name: str) -> datetime | None:
        takes = named_warehouse(every_warehouse(self._backend.warehouses.connected()), name).takes
        warehouse = self._backend.open_warehouse(name)
        sources = [each.id for each in self._backend.catalog.sources() if takes(each.id)]
        with self._backend.read_log() as log:
            cursors = loaded_cursors(warehouse.positions, log)
            waiting = [
                block.received_at
                for source_id in sources
                for block in log.read(source_position(log, source_id, cursors), max_events=1, source_id=source_id)
            ]
        return min(waiting, default=None)

    async def _notify(self, alert: Alert, state: AlertState) -> AlertState:
        problem = await self._notifier.notify(alert, notice_of(alert, state, self._backend.clock()))
        if problem:
            _log.warning("alerts.not_told", alert=alert.name, problem=problem)
            return replace(state, problem=problem)
        _log.info("alerts.told", alert=alert.name, state=state.pending, reason=state.reason)
        return after_notification(state, self._backend.clock().timestamp())
