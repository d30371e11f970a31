"""Alerts: what somebody wants to be told about, and how it stands with each."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Protocol

import msgspec

from tifo.kernel.errors import Conflict, NotFound, Rejected

MIN_WINDOW_S, MAX_WINDOW_S = 60.0, 14 * 86_400.0
MAX_NAME = 200


class AlertKind(StrEnum):
    DELIVERY_RATE = "delivery-rate"
    """Of a destination: delivered events as a share of those delivered, failed and waiting, in percent, is below."""
    VOLUME = "volume"
    """Of a source: events are fewer than in the window before, by more than so many percent."""
    WAREHOUSE = "warehouse"
    """The oldest event that a warehouse has not loaded has waited for more seconds than this."""


@dataclass(frozen=True, kw_only=True)
class Alert:
    id: str
    name: str
    kind: AlertKind
    target: str
    """The id of the destination or source; the warehouse's name."""
    threshold: float
    window_s: float
    """Of DELIVERY_RATE and VOLUME: what is counted."""
    quiet_s: float
    """So long nobody is told a second time that it fires."""
    url: str = ""
    email: str = ""
    created_at: datetime | None = None


class AlertState(msgspec.Struct, frozen=True, omit_defaults=True):
    """How it stands with an alert, as far as its looks have seen."""

    bad: int = 0
    """Looks in a row that were beyond the threshold."""
    well: int = 0
    firing_since: float | None = None
    told_at: float | None = None
    """When somebody was last told that it fires."""
    is_muted: bool = False
    """It fires, and nobody was told, for the quiet time's sake."""
    pending: str = ""
    """`firing` or `resolved`: what is still to be told."""
    value: float | None = None
    reason: str = ""
    problem: str = ""
    """Why the last notice did not go out."""
    samples: tuple[tuple[float, int], ...] = ()
    """Of VOLUME: the source's total at some moments."""


class Alerts(Protocol):
    """Methods block."""

    def add(self, alert: Alert) -> Alert:
        """Raises `Conflict` for a name that is taken."""

    def all(self) -> Sequence[tuple[Alert, AlertState]]:
        """In the order of their making."""

    def note(self, alert_id: str, standing: AlertState) -> None:
        """Of one that is gone, nothing is noted."""

    def remove(self, alert_id: str) -> None:
        """Raises `NotFound`."""


def checked_alert(alert: Alert) -> Alert:
    """Raises `Rejected`, naming the field."""
    if not alert.name.strip() or len(alert.name) > MAX_NAME or not alert.name.isprintable():
        raise Rejected(f"name must be 1 to {MAX_NAME} printable characters.", field="name")
    limit = float("inf") if alert.kind is AlertKind.WAREHOUSE else 100.0
    if not 0 < alert.threshold <= limit:
        what = "seconds, above 0" if alert.kind is AlertKind.WAREHOUSE else "percent, above 0 and up to 100"
        raise Rejected(f"threshold is {alert.threshold:g}. Give {what}.", field="threshold")
    if not MIN_WINDOW_S <= alert.window_s <= MAX_WINDOW_S:
        raise Rejected(f"window is {alert.window_s:g} s. Give 1 minute to 14 days.", field="window")
    if not alert.url and not alert.email:
        raise Rejected("Nobody would be told. Give url or email.", field="url")
    if alert.url and not alert.url.startswith(("http://", "https://")):
        raise Rejected(f"url {alert.url!r:.200} is no address. Give https://….", field="url")
    if alert.email and (alert.email.count("@") != 1 or not alert.email.isprintable() or " " in alert.email):
        raise Rejected(f"email {alert.email!r:.200} is no address.", field="email")
    return alert


def name_in_use(name: str) -> Conflict:
    return Conflict(f"There is an alert {name!r:.250} already. Give another name.", field="name")


def no_alert(alert_id: str) -> NotFound:
    return NotFound(f"There is no alert {alert_id!r:.100}. See `tifo alert list`.", field="alert")
