"""Alerts in memory."""

import threading
from collections.abc import Callable, Sequence
from dataclasses import replace

from tifo.leases.ports import Lease
from tifo.workspace.alerts import Alert, AlertState, name_in_use, no_alert


class InMemoryAlerts:
    """Implements `workspace.alerts.Alerts`. `require` raises `LeaseLost`, as `InMemoryLeases.require` does."""

    def __init__(self, require: Callable[[Lease], None] = lambda _: None) -> None:
        self._require = require
        self._lock = threading.Lock()
        self._alerts: dict[str, tuple[Alert, AlertState]] = {}

    def add(self, alert: Alert) -> Alert:
        stored = replace(alert, name=alert.name.strip())
        with self._lock:
            if stored.name in {each.name for each, _ in self._alerts.values()}:
                raise name_in_use(alert.name)
            self._alerts[alert.id] = (stored, AlertState())
        return alert

    def all(self) -> Sequence[tuple[Alert, AlertState]]:
        with self._lock:
            return list(self._alerts.values())

    def change(self, alert: Alert) -> None:
        """Replaces the alert with this id. Its state stays."""
        with self._lock:
            self._alerts[alert.id] = (alert, self._alerts[alert.id][1])

    def snapshot(self) -> Callable[[], None]:
        """Returns a function that restores the present alerts."""
        before = dict(self._alerts)

        def restore() -> None:
            self._alerts = before

        return restore

    def note(self, alert_id: str, state: AlertState, *, under: Lease | None = None) -> None:
        with self._lock:
            if under is not None:
                self._require(under)
            if alert_id in self._alerts:
                self._alerts[alert_id] = (self._alerts[alert_id][0], state)

    def remove(self, alert_id: str) -> None:
        with self._lock:
            if self._alerts.pop(alert_id, None) is None:
                raise no_alert(alert_id)
