"""The job that looks at alerts, and tells people: part of the role that delivers."""

import asyncio
import contextlib
import smtplib
import ssl
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from email.message import EmailMessage
from typing import Any
from urllib.parse import unquote, urlsplit

import aiohttp
import msgspec
import structlog
from msgspec.structs import replace

from tifo.app import compose
from tifo.app.settings import Settings
from tifo.delivery.ports import Grain, Result, SeriesQuery
from tifo.destinations.http import send
from tifo.destinations.ports import Fate
from tifo.kernel.clock import Clock, system_clock, to_iso
from tifo.kernel.errors import NotFound, Rejected, Transient
from tifo.kernel.ids import DestinationId, Position, SourceId
from tifo.store.sql.database import Database
from tifo.warehouses.ports import Warehouse
from tifo.workspace.alert_rules import change_percent, looked, sampled, told
from tifo.workspace.alerts import Alert, AlertKind, Alerts, AlertState
from tifo.workspace.warehouses import BUILT_IN

_TIMEOUT_S = 10.0
_log = structlog.get_logger("tifo.alerts")

Reading = tuple[float | None, str]
"""The value that an alert looks at, and in words what it is."""


class Watcher:
    """Looks at every alert each `look_s` seconds; what could not be told is told at the next look."""

    def __init__(
        self, settings: Settings, database: Database, session: aiohttp.ClientSession, clock: Clock = system_clock
    ) -> None:
        self._settings = settings
        self._database = database
        self._alerts: Alerts = compose.alerts_of(database)
        self._session = session
        self._clock = clock
        self._readings: Mapping[AlertKind, Callable[[Alert, AlertState], Reading]] = {
            AlertKind.DELIVERY_RATE: self._delivery_rate,
            AlertKind.VOLUME: self._volume,
            AlertKind.WAREHOUSE: self._waiting_s,
        }

    async def run(self) -> None:
        while True:
            await asyncio.sleep(self._settings.alert_look_s)
            try:
                await self.look()
            except Transient as error:
                _log.warning("alerts.not_looked_at", error=error.message)

    async def look(self) -> None:
        for alert, before in await asyncio.to_thread(self._alerts.all):
            after = await asyncio.to_thread(self._looked, alert, before)
            if after.pending:
                after = await self._tell(alert, after)
            if after != before:
                await asyncio.to_thread(self._alerts.note, alert.id, after)

    def _looked(self, alert: Alert, before: AlertState) -> AlertState:
        now = self._clock().timestamp()
        if alert.kind is AlertKind.VOLUME:
            before = sampled(alert, before, self._total(alert), now)
        try:
            value, reason = self._readings[alert.kind](alert, before)
        except (NotFound, Transient, Rejected) as error:  # what cannot be asked now says nothing
            value, reason = None, error.message
        return looked(alert, before, value, reason, now)

    def _delivery_rate(self, alert: Alert, _: AlertState) -> Reading:
        destination_id, now = DestinationId(alert.target), self._clock()
        deliveries = compose.deliveries_of(self._database)
        since = now - timedelta(seconds=alert.window_s)
        grain = Grain.MINUTE if alert.window_s <= 4 * 3600 else Grain.HOUR

        def total(result: Result) -> int:
            asked = SeriesQuery(
                destination_id, results=[result], since=since, until=now + timedelta(minutes=1), grain=grain
            )
            return sum(series.total for series in deliveries.series(asked))

        delivered, failed = total(Result.DELIVERED), total(Result.FAILED)
        waiting = deliveries.status(destination_id).waiting + self._behind(destination_id)
        if not delivered + failed + waiting:
            return None, "no events"
        share = 100.0 * delivered / (delivered + failed + waiting)
        return share, f"{delivered:,} delivered, {failed:,} failed, {waiting:,} wait: {share:.1f} %"

    def _behind(self, destination_id: DestinationId) -> int:
        """Events that the destination should have had by now: those of the last seconds are under way."""
        found = [
            each for each in compose.destinations_of(self._database, self._settings).all() if each.id == destination_id
        ]
        if not found:
            raise NotFound(f"The destination {destination_id} is gone.")
        status = compose.deliveries_of(self._database).status(destination_id)
        with contextlib.closing(compose.open_log_reader(self._settings)) as log:
            return 0 if status.dead_since is None else log.count(status.position, found[0].source_id)

    def _volume(self, alert: Alert, before: AlertState) -> Reading:
        total = self._total(alert)
        change = change_percent(alert, before, total, self._clock().timestamp())
        return change, "not known yet" if change is None else f"{change:+.0f} % against the window before"

    def _total(self, alert: Alert) -> int:
        with contextlib.closing(compose.open_log_reader(self._settings)) as log:
            counts = log.ingest_counts()
        return sum(each.total for each in counts if each.source_id == alert.target and each.code == "received")

    def _waiting_s(self, alert: Alert, _: AlertState) -> Reading:
        warehouse, takes = self._warehouse(alert.target)
        positions = warehouse.positions()
        oldest: datetime | None = None
        with contextlib.closing(compose.open_log_reader(self._settings)) as log:
            for source in compose.catalog_of(self._database).sources():
                if not takes(source.id):
                    continue
                held = positions[source.id].position if source.id in positions else Position(0)
                for block in log.read(held, max_events=1, source_id=source.id):
                    oldest = block.received_at if oldest is None else min(oldest, block.received_at)
        if oldest is None:
            return 0.0, "all is loaded"
        seconds = (self._clock() - oldest).total_seconds()
        return seconds, f"the oldest event has waited for {seconds:,.0f} s"

    def _warehouse(self, name: str) -> tuple[Warehouse, Callable[[SourceId], bool]]:
        if name == BUILT_IN:
            return compose.open_warehouse(self._settings), lambda _: True
        for connected in compose.warehouses_of(self._database).connected():
            if connected.name == name:
                return compose.open_connected(connected), connected.takes
        raise NotFound(f"The warehouse {name} is gone.")

    async def _tell(self, alert: Alert, standing: AlertState) -> AlertState:
        problem = await tell(self._settings, self._session, alert, standing, self._clock)
        if problem:
            _log.warning("alerts.not_told", alert=alert.name, problem=problem)
            return replace(standing, problem=problem)
        _log.info("alerts.told", alert=alert.name, state=standing.pending, reason=standing.reason)
        return told(standing, self._clock().timestamp())


async def tell(
    settings: Settings, session: aiohttp.ClientSession, alert: Alert, standing: AlertState, clock: Clock
) -> str:
    """By each way that the alert has. Returns why not, or nothing."""
    notice = {
        "alert": alert.name,
        "kind": alert.kind.value,
        "state": standing.pending,
        "target": alert.target,
        "value": standing.value,
        "threshold": alert.threshold,
        "reason": standing.reason,
        "at": to_iso(clock()),
    }
    problems = []
    if alert.url:
        headers = {"Content-Type": "application/json", "User-Agent": "Tifo"}
        body = msgspec.json.encode(notice)
        outcome = await send(session, "POST", alert.url, body, headers, timeout_s=_TIMEOUT_S, clock=clock)
        if outcome.fate is not Fate.DELIVERED:
            problems.append(f"{alert.url} answered {outcome.code} {outcome.detail:.200}")
    if alert.email:
        try:
            await asyncio.to_thread(mail, settings, alert, notice)
        except (OSError, smtplib.SMTPException, Rejected) as error:
            problems.append(f"No mail to {alert.email}: {error}")
    return "; ".join(problems)


def mail(settings: Settings, alert: Alert, notice: Mapping[str, Any]) -> None:
    """Blocks. By `smtp_url`: `smtp://user:password@host:587` (STARTTLS where it is offered), or `smtps://`."""
    if not settings.smtp_url:
        raise Rejected("The setting smtp_url says nothing about where mail goes.", field="smtp_url")
    parts = urlsplit(settings.smtp_url)
    host = parts.hostname or "localhost"
    message = EmailMessage()
    message["Subject"] = f"Tifo: {alert.name} is {notice['state']}"
    message["From"], message["To"] = settings.smtp_from or "tifo@localhost", alert.email
    message.set_content("\n".join(f"{name}: {value}" for name, value in notice.items()))
    if parts.scheme == "smtps":
        server: smtplib.SMTP = smtplib.SMTP_SSL(
            host, parts.port or 465, timeout=_TIMEOUT_S, context=ssl.create_default_context()
        )
    else:
        server = smtplib.SMTP(host, parts.port or 25, timeout=_TIMEOUT_S)
    with server:
        if parts.scheme != "smtps" and server.has_extn("starttls"):
            server.starttls(context=ssl.create_default_context())
        if parts.username:
            server.login(unquote(parts.username), unquote(parts.password or ""))
        server.send_message(message)
