"""Alerts: who is notified when deliveries, volume or loads are not as they should be."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from msgspec.structs import replace

from tifo.kernel.durations import read_duration
from tifo.kernel.errors import NotFound, Rejected, Transient
from tifo.kernel.naming import no_such
from tifo.operations import destinations, sources, warehouses
from tifo.operations.backend import Backend
from tifo.operations.notifying import notice_of
from tifo.workspace.alerts import Alert, AlertKind, AlertState, checked_alert


@dataclass(frozen=True, kw_only=True)
class NewAlert:
    name: str
    kind: str
    """`delivery-rate`, `volume` or `warehouse`."""
    of: str
    """The destination (id or name), source (slug or id) or warehouse (name) that is watched."""
    threshold: float
    window: str = "24h"
    """How far back is counted, such as `30m`."""
    quiet: str = "4h"
    """Minimum time between two notifications."""
    url: str | None = None
    email: str | None = None


def add(backend: Backend, new: NewAlert) -> Alert:
    """Stores an alert, which the deliverer watches. Raises `Rejected`, naming the field, `NotFound` for an unknown
    target, and `Conflict` for a name that another alert has.
    """
    kind = _kind_of(new.kind)
    if new.email and not backend.can_mail:
        raise Rejected("email needs the setting smtp_url, such as smtp://user:password@host:587.", field="smtp_url")
    window, quiet = read_duration(new.window, "window"), read_duration(new.quiet, "quiet")
    made = Alert(
        id=backend.new_id(),
        name=new.name,
        kind=kind,
        target=_target(backend, kind, new.of),
        threshold=new.threshold,
        window_s=window.total_seconds(),
        quiet_s=quiet.total_seconds(),
        url=new.url or "",
        email=new.email or "",
        created_at=backend.clock(),
    )
    return backend.alerts.add(checked_alert(made))


def listed(backend: Backend) -> Sequence[tuple[Alert, AlertState]]:
    """Returns every alert with its state, oldest first."""
    return backend.alerts.all()


def find(backend: Backend, name: str) -> Alert:
    """Finds an alert by its id or name. Raises `NotFound`."""
    known = [alert for alert, _ in backend.alerts.all()]
    for alert in [each for each in known if each.id == name] or [each for each in known if each.name == name]:
        return alert
    raise no_such("alert", name, [each.name for each in known], make="tifo alert add", field="alert")


def remove(backend: Backend, name: str) -> Alert:
    """Deletes the alert. Returns it as it was."""
    found = find(backend, name)
    backend.alerts.remove(found.id)
    return found


def try_out(backend: Backend, name: str) -> Alert:
    """Sends a test notice; the alert's state stays. Raises `Transient` where the notice does not arrive.

    Runs an event loop of its own: call it from a thread that has none.
    """
    found = find(backend, name)
    problem = asyncio.run(_notify(backend, found))
    if problem:
        raise Transient(problem)
    return found


async def _notify(backend: Backend, alert: Alert) -> str:
    state = replace(AlertState(), pending="test", reason="Somebody tries whether this arrives.")
    async with backend.notifier() as notifier:
        return await notifier.notify(alert, notice_of(alert, state, backend.clock()))


def _kind_of(name: str) -> AlertKind:
    try:
        return AlertKind(name)
    except ValueError as error:
        raise Rejected(f"kind is {name!r:.60}. Known are {', '.join(AlertKind)}.", field="kind") from error


def _target(backend: Backend, kind: AlertKind, of: str) -> str:
    if kind is AlertKind.DELIVERY_RATE:
        return destinations.find(backend, of).id
    if kind is AlertKind.VOLUME:
        return sources.find(backend, of).id
    try:
        return warehouses.known_name(backend, of)
    except NotFound as error:
        raise NotFound(error.message, field="of") from error
