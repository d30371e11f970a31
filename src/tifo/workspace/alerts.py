"""Values and contract of alerts: the target that is watched, the recipients of notifications, and the state."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Protocol

import msgspec

from tifo.kernel.errors import Conflict, NotFound, Rejected
from tifo.leases.ports import Lease

MIN_WINDOW_S, MAX_WINDOW_S = 60.0, 14 * 86_400.0
MAX_NAME = 200


class AlertKind(StrEnum):
    DELIVERY_RATE = "delivery-rate"
    """Fires while a destination delivers less than this percentage of its events (delivered, failed and waiting)."""
    VOLUME = "volume"
    """Fires while a source sends fewer events than in the window before, by more than this percentage."""
    WAREHOUSE = "warehouse"
    """Fires while the oldest event that a warehouse has not loaded has waited for more seconds than this."""


@dataclass(frozen=True, kw_only=True)
class Alert:
    id: str
    name: str
    kind: AlertKind
    target: str
    """Id of the destination or source; name of the warehouse."""
    threshold: float
    window_s: float
    """DELIVERY_RATE and VOLUME count the events of this window."""
    quiet_s: float
    """Minimum time between two notifications that it fires."""
    url: str = ""
    email: str = ""
    created_at: datetime | None = None


# The stored JSON key predates the field's name: states that are in the database must stay readable.
class AlertState(msgspec.Struct, frozen=True, omit_defaults=True, rename={"notified_at": "told_at"}):
    """An alert's state after its checks so far. It is stored as JSON, with times in seconds since 1970."""

    bad: int = 0
    """Checks in a row with a value beyond the threshold."""
    well: int = 0
    """Checks in a row with a value that ends the alert."""
    firing_since: float | None = None
    notified_at: float | None = None
    """When the last notification that it fires went out."""
    is_muted: bool = False
    """It fires, and the quiet time held its notification back."""
    pending: str = ""
    """The notification that has not gone out yet: `firing` or `resolved`."""
    value: float | None = None
    reason: str = ""
    problem: str = ""
    """Why the last notification did not go out."""
    samples: tuple[tuple[float, int], ...] = ()
    """VOLUME compares these: (moment, total of the source's events until then)."""


class Alerts(Protocol):
    """Stores alerts with their states. Methods block."""

    def add(self, alert: Alert) -> Alert:
        """Raises `Conflict` for a name in use."""

    def all(self) -> Sequence[tuple[Alert, AlertState]]:
        """Returns alerts in the order in which they were made."""

    def note(self, alert_id: str, state: AlertState, *, under: Lease | None = None) -> None:
        """Stores an alert's state. Does nothing for an alert that was removed meanwhile.

        Raises `LeaseLost`, with nothing stored, where the lease is not its holder's any more.
        """

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
        raise Rejected("The alert has no recipient. Give url or email.", field="url")
    if alert.url and not alert.url.startswith(("http://", "https://")):
        raise Rejected(
            f"url {alert.url!r:.200} is no http(s) address. Give one such as https://example.com/hook.", field="url"
        )
    if alert.email and (alert.email.count("@") != 1 or not alert.email.isprintable() or " " in alert.email):
        raise Rejected(f"email {alert.email!r:.200} is no address. Give one such as ops@example.com.", field="email")
    return alert


def name_in_use(name: str) -> Conflict:
    return Conflict(f"There is an alert {name!r:.250} already. Give another name.", field="name")


def no_alert(alert_id: str) -> NotFound:
    return NotFound(f"There is no alert {alert_id!r:.100}. See `tifo alert list`.", field="alert")
