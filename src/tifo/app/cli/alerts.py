"""The commands of `tifo alert`."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated

from cyclopts import App, Parameter

from tifo.app.cli.output import show
from tifo.app.cli.parameters import Data, Json, backend
from tifo.kernel.clock import to_iso
from tifo.operations import alerts as operations
from tifo.workspace.alerts import Alert, AlertState

alerts = App(name="alert", help="Alerts: who is notified when deliveries, volume or loads are not as they should be.")


@alerts.command(name="add")
def alert_add(
    name: str,
    /,
    *,
    kind: Annotated[str, Parameter(help="delivery-rate, volume or warehouse.")],
    of: Annotated[str, Parameter(help="The destination, source, or warehouse (duckdb is the built-in one).")],
    threshold: Annotated[float, Parameter(help="Percent delivered; percent fewer than before; seconds not loaded.")],
    window: Annotated[str, Parameter(help="How far back is counted: 30m, 24h.")] = "24h",
    quiet: Annotated[str, Parameter(help="Minimum time between two notifications.")] = "4h",
    url: Annotated[str | None, Parameter(help="Address that gets a POST with JSON.")] = None,
    email: Annotated[str | None, Parameter(help="Address that gets a mail, by the setting smtp_url.")] = None,
    data: Data = None,
    json: Json = False,
) -> None:
    """Notify somebody when the alert fires and when it is over."""
    new = operations.NewAlert(
        name=name, kind=kind, of=of, threshold=threshold, window=window, quiet=quiet, url=url, email=email
    )
    with backend(data) as opened:
        made = operations.add(opened, new)
    show({"id": made.id, "name": made.name, "kind": made.kind.value}, as_json=json)


@alerts.command(name="list")
def alert_list(*, data: Data = None, json: Json = False) -> None:
    """List the alerts, each with its state."""
    with backend(data) as opened:
        show([_shown(alert, state) for alert, state in operations.listed(opened)], as_json=json)


@alerts.command(name="test")
def alert_test(name: str, /, *, data: Data = None, json: Json = False) -> None:
    """Send a notification as if the alert fired."""
    with backend(data) as opened:
        show({"told": _addresses(operations.try_out(opened, name))}, as_json=json)


@alerts.command(name="remove")
def alert_remove(name: str, /, *, data: Data = None, json: Json = False) -> None:
    """Delete the alert: it notifies nobody any more."""
    with backend(data) as opened:
        show({"removed": operations.remove(opened, name).name}, as_json=json)


def _shown(alert: Alert, state: AlertState) -> Mapping[str, object]:
    since = state.firing_since
    return {
        "id": alert.id,
        "name": alert.name,
        "kind": alert.kind.value,
        "target": alert.target,
        "threshold": alert.threshold,
        "state": "ok" if since is None else "firing",
        "since": None if since is None else to_iso(datetime.fromtimestamp(since, UTC)),
        "value": None if state.value is None else round(state.value, 1),
        "reason": state.reason,
        "tells": _addresses(alert),
        "problem": state.problem or None,
    }


def _addresses(alert: Alert) -> str:
    return ", ".join(each for each in (alert.url, alert.email) if each)
