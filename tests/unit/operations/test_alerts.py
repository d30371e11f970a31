from dataclasses import replace

import pytest

from tests.twins import TwinBackend
from tests.unit.operations.conftest import NOW
from tifo.kernel.errors import Conflict, NotFound, Rejected, Transient
from tifo.operations import alerts, destinations, sources
from tifo.operations.alerts import NewAlert
from tifo.workspace.alerts import AlertKind, AlertState

VOLUME = NewAlert(name="Quiet shop", kind="volume", of="shop", threshold=50, window="1h", url="https://example.com")


@pytest.fixture
def backend(backend: TwinBackend) -> TwinBackend:
    sources.create(backend, "Shop", "http")
    destinations.add(backend, "webhook", "shop", {"url": "https://example.com"}, name="crm")
    return backend


def test_an_alert_watches_a_source_a_destination_or_a_warehouse_by_id(backend: TwinBackend) -> None:
    volume = alerts.add(backend, VOLUME)
    rate = alerts.add(backend, replace(VOLUME, name="CRM", kind="delivery-rate", of="crm"))
    loads = alerts.add(backend, replace(VOLUME, name="Loads", kind="warehouse", of="duckdb", threshold=3_600))
    assert volume.target == sources.find(backend, "shop").id
    assert rate.target == destinations.find(backend, "crm").id
    assert (loads.target, loads.kind) == ("duckdb", AlertKind.WAREHOUSE)
    assert [each for each, _ in alerts.listed(backend)] == [volume, rate, loads]
    assert (volume.window_s, volume.quiet_s, volume.created_at) == (3_600, 4 * 3_600, NOW)


@pytest.mark.parametrize(
    ("new", "field"),
    [
        (replace(VOLUME, kind="mood"), "kind"),
        (replace(VOLUME, of="nowhere"), "source"),
        (replace(VOLUME, kind="delivery-rate", of="nowhere"), "destinationId"),
        (replace(VOLUME, kind="warehouse", of="snowflake"), "of"),
        (replace(VOLUME, window="soon"), "window"),
        (replace(VOLUME, window="1s"), "window"),
        (replace(VOLUME, quiet="long"), "quiet"),
        (replace(VOLUME, threshold=0), "threshold"),
        (replace(VOLUME, url=None), "url"),
        (replace(VOLUME, email="ops@example.com"), "smtp_url"),
    ],
)
def test_what_cannot_be_watched_is_refused_and_the_field_named(backend: TwinBackend, new: NewAlert, field: str) -> None:
    with pytest.raises(Rejected) as refused:
        alerts.add(backend, new)
    assert refused.value.field == field
    assert alerts.listed(backend) == []


def test_mail_is_accepted_where_there_is_a_mail_server(backend: TwinBackend) -> None:
    backend.can_mail = True
    assert alerts.add(backend, replace(VOLUME, email="ops@example.com")).email == "ops@example.com"


def test_two_alerts_have_two_names(backend: TwinBackend) -> None:
    alerts.add(backend, VOLUME)
    with pytest.raises(Conflict):
        alerts.add(backend, VOLUME)


def test_an_alert_is_found_and_removed_by_id_and_by_name(backend: TwinBackend) -> None:
    made = alerts.add(backend, VOLUME)
    assert alerts.find(backend, made.id) == alerts.find(backend, "Quiet shop") == made
    assert alerts.remove(backend, "Quiet shop") == made
    with pytest.raises(NotFound):
        alerts.remove(backend, made.id)


def test_a_try_notifies_and_leaves_the_alert_as_it_is(backend: TwinBackend) -> None:
    made = alerts.add(backend, VOLUME)
    assert alerts.try_out(backend, "Quiet shop") == made
    ((alert, notice),) = backend.recorder.notices
    assert (alert, notice.state, notice.alert, notice.at) == (made, "test", "Quiet shop", NOW)
    assert alerts.listed(backend) == [(made, AlertState())]


def test_a_try_that_does_not_arrive_says_why(backend: TwinBackend) -> None:
    alerts.add(backend, VOLUME)
    backend.recorder.problem = "https://example.com answered 500"
    with pytest.raises(Transient, match="answered 500"):
        alerts.try_out(backend, "Quiet shop")
