"""What `tifo alert …` does. The role that delivers looks at alerts."""

import asyncio
from typing import Any

from msgspec.structs import replace

from tifo.app import compose
from tifo.app.alerting import tell
from tifo.app.delivery import seconds_of
from tifo.app.destinations import named
from tifo.app.settings import Settings
from tifo.kernel.clock import system_clock, to_iso
from tifo.kernel.errors import NotFound, Rejected, Transient
from tifo.kernel.ids import uuid7
from tifo.store.sql.database import Database
from tifo.store.sql.times import from_micros
from tifo.workspace import rules
from tifo.workspace.alerts import Alert, AlertKind, AlertState, checked_alert
from tifo.workspace.warehouses import BUILT_IN


def add(
    settings: Settings,
    name: str,
    kind: str,
    *,
    of: str,
    threshold: float,
    window: str,
    quiet: str,
    url: str | None,
    email: str | None,
) -> dict[str, Any]:
    state = compose.open_state(settings)
    try:
        known = AlertKind(kind)
    except ValueError as error:
        raise Rejected(f"kind is {kind!r:.60}. Known are {', '.join(AlertKind)}.", field="kind") from error
    if email and not settings.smtp_url:
        raise Rejected("email needs the setting smtp_url, such as smtp://user:password@host:587.", field="smtp_url")
    window_s, quiet_s = seconds_of(window, "window"), seconds_of(quiet, "quiet")
    made = Alert(
        id=uuid7(),
        name=name,
        kind=known,
        target=_target(settings, state, known, of),
        threshold=threshold,
        window_s=window_s,
        quiet_s=quiet_s,
        url=url or "",
        email=email or "",
        created_at=system_clock(),
    )
    compose.alerts_of(state).add(checked_alert(made))
    return {"id": made.id, "name": made.name, "kind": made.kind.value}


def listed(settings: Settings) -> list[dict[str, Any]]:
    return [_shown(alert, standing) for alert, standing in compose.alerts_of(compose.open_state(settings)).all()]


def remove(settings: Settings, name: str) -> dict[str, Any]:
    state = compose.open_state(settings)
    alert = _named(state, name)
    compose.alerts_of(state).remove(alert.id)
    return {"removed": alert.name}


def try_out(settings: Settings, name: str) -> dict[str, Any]:
    """Tell as if it fired; how it stands is left alone. Raises `Transient` where it does not go out."""
    alert = _named(compose.open_state(settings), name)
    standing = replace(AlertState(), pending="test", reason="Somebody tries whether this arrives.")

    async def told() -> str:
        async with compose.outside_session(settings) as session:
            return await tell(settings, session, alert, standing, system_clock)

    problem = asyncio.run(told())
    if problem:
        raise Transient(problem)
    return {"told": ", ".join(each for each in (alert.url, alert.email) if each)}


def _target(settings: Settings, state: Database, kind: AlertKind, of: str) -> str:
    if kind is AlertKind.DELIVERY_RATE:
        return named(state, settings, of).id
    if kind is AlertKind.VOLUME:
        return rules.named(compose.catalog_of(state).sources(), of).id
    known = [BUILT_IN, *(each.name for each in compose.warehouses_of(state).connected())]
    if of not in known:
        raise NotFound(f"There is no warehouse {of!r:.100}. Known are {', '.join(known)}.", field="of")
    return of


def _named(state: Database, name: str) -> Alert:
    for alert, _ in compose.alerts_of(state).all():
        if name in {alert.id, alert.name}:
            return alert
    raise NotFound(f"There is no alert {name!r:.100}. See `tifo alert list`.", field="alert")


def _shown(alert: Alert, standing: AlertState) -> dict[str, Any]:
    since = standing.firing_since
    return {
        "id": alert.id,
        "name": alert.name,
        "kind": alert.kind.value,
        "target": alert.target,
        "threshold": alert.threshold,
        "state": "ok" if since is None else "firing",
        "since": None if since is None else to_iso(from_micros(int(since * 1_000_000))),
        "value": None if standing.value is None else round(standing.value, 1),
        "reason": standing.reason,
        "tells": ", ".join(each for each in (alert.url, alert.email) if each),
        "problem": standing.problem or None,
    }
