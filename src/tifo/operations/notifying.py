"""Notifications of alerts: what is sent, and the contract of whoever sends it."""

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from tifo.workspace.alerts import Alert, AlertState


@dataclass(frozen=True, kw_only=True)
class AlertNotice:
    """Tells people how an alert stands. Its fields are the JSON document of the webhook and the lines of the mail."""

    alert: str
    """The alert's name."""
    kind: str
    state: str
    """`firing`, `resolved` or `test`."""
    target: str
    value: float | None
    threshold: float
    reason: str
    at: datetime


class Notifier(Protocol):
    """Sends notices to the world outside. Used on one event loop."""

    async def notify(self, alert: Alert, notice: AlertNotice) -> str:
        """Sends the notice to the alert's webhook and mail address.

        Returns why it did not arrive at one of them; an empty text where it arrived at all. Never raises for what the
        network or a server does.
        """


def notice_of(alert: Alert, state: AlertState, at: datetime) -> AlertNotice:
    return AlertNotice(
        alert=alert.name,
        kind=alert.kind.value,
        state=state.pending,
        target=alert.target,
        value=state.value,
        threshold=alert.threshold,
        reason=state.reason,
        at=at,
    )
