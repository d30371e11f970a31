"""What every implementation of alerts does."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from tests.conftest import NewState
from tifo.kernel.errors import Conflict, NotFound
from tifo.store.workspace.alerts import SqlAlerts
from tifo.workspace.alerts import Alert, AlertKind, Alerts, AlertState
from tifo.workspace.memory import InMemoryAlerts

AT = datetime(2026, 11, 25, 10, tzinfo=UTC)
ALERT = Alert(
    id="a1",
    name="Rate",
    kind=AlertKind.DELIVERY_RATE,
    target="d",
    threshold=95.5,
    window_s=60.0,
    quiet_s=600.0,
    url="https://a",
    email="a@b",
    created_at=AT,
)


@pytest.fixture(params=["memory", "sqlite", "postgres"])
def alerts(request: pytest.FixtureRequest, new_state: NewState) -> Alerts:
    if request.param == "memory":
        return InMemoryAlerts()
    return SqlAlerts(new_state(request.param))


def test_an_alert_is_kept_with_how_it_stands(alerts: Alerts) -> None:
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


def test_alerts_are_listed_in_the_order_of_their_making_under_names_without_blanks(alerts: Alerts) -> None:
    made = [replace(ALERT, id="b", name=" First "), replace(ALERT, id="a", name="Second")]
    for each in made:
        alerts.add(each)
    assert [(each.id, each.name) for each, _ in alerts.all()] == [("b", "First"), ("a", "Second")]
    with pytest.raises(Conflict):
        alerts.add(replace(ALERT, id="c", name="First"))
