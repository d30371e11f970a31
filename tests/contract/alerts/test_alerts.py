"""Alerts, on each kind of state."""

from datetime import UTC, datetime

import pytest

from tests.conftest import NewState
from tifo.kernel.errors import Conflict, NotFound
from tifo.store.workspace.alerts import SqlAlerts
from tifo.workspace.alerts import Alert, AlertKind, AlertState

AT = datetime(2026, 11, 25, 10, tzinfo=UTC)
ALERT = Alert("a1", "Rate", AlertKind.DELIVERY_RATE, "d", 95.5, 60.0, 600.0, "https://a", "a@b", AT)


@pytest.fixture(params=["sqlite", "postgres"])
def alerts(request: pytest.FixtureRequest, new_state: NewState) -> SqlAlerts:
    return SqlAlerts(new_state(request.param))


def test_an_alert_is_kept_with_how_it_stands(alerts: SqlAlerts) -> None:
    alerts.add(ALERT)
    assert alerts.all() == [(ALERT, AlertState())]
    standing = AlertState(bad=2, firing_since=1.5, pending="firing", value=3.25, samples=((1.0, 2), (3.0, 4)))
    alerts.note("a1", standing)
    assert alerts.all() == [(ALERT, standing)]
    with pytest.raises(Conflict):
        alerts.add(ALERT)
    alerts.remove("a1")
    alerts.note("a1", standing)
    assert alerts.all() == []
    with pytest.raises(NotFound):
        alerts.remove("a1")
