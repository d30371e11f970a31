from datetime import timedelta

import pytest

from tests.twins import TwinBackend
from tests.unit.operations.conftest import NOW, receive, settle, undelivered
from tifo.delivery.sending.replay import ReplayProgress
from tifo.kernel.errors import NotFound, Rejected
from tifo.operations import destinations, filters, replay, sources
from tifo.operations.filters import NewFilter
from tifo.tracking.filters import ActionType, FilterAction
from tifo.workspace.destinations import ConnectedDestination


@pytest.fixture
def crm(backend: TwinBackend) -> ConnectedDestination:
    """Its cursor has passed four events: m1 and m2 are dead letters, of which m2 came for a replay as well."""
    source_id = sources.create(backend, "Shop", "http").id
    made = destinations.add(backend, "webhook", "shop", {"url": "https://example.com"}, name="crm")
    receive(backend, source_id, "m1", at=NOW - timedelta(hours=2))
    receive(backend, source_id, "m2", "m3")
    receive(backend, source_id, "secret", event="Secret")
    settle(backend, made, 4, undelivered=[undelivered(1, "m1", dead=True), undelivered(2, "m2", dead=True)])
    return made


def test_dead_letters_wait_again(backend: TwinBackend, crm: ConnectedDestination) -> None:
    assert replay.redrive(backend, "crm", replay.selection(backend, message_ids=["m1"])) == 1
    assert backend.deliveries.status(crm.id)[3:5] == (1, 1)
    assert replay.redrive(backend, crm.id, replay.selection(backend)) == 1
    assert replay.redrive(backend, "crm", replay.selection(backend)) == 0
    with pytest.raises(NotFound):
        replay.redrive(backend, "erp", replay.selection(backend))


def test_events_of_the_log_are_queued_under_the_replays_own_id(backend: TwinBackend, crm: ConnectedDestination) -> None:
    done = replay.replay(backend, "crm", replay.selection(backend, names=["Seen"], since="1h"))
    assert (done.queued, done.filtered) == (2, 0)
    assert backend.deliveries.queued(crm.id, done.replay) == 2
    assert backend.deliveries.status(crm.id).waiting == 0, "they are none of its own deliveries"


def test_a_destinations_filters_hold_for_replays_too(backend: TwinBackend, crm: ConnectedDestination) -> None:
    drop = NewFilter(condition="event = 'Secret'", actions=[FilterAction(ActionType.DROP)], title="No secrets")
    filters.add(backend, "crm", drop)
    looks: list[ReplayProgress] = []
    done = replay.replay(backend, crm.id, replay.selection(backend, users=["ada"]), on_progress=looks.append)
    assert (done.queued, done.filtered) == (3, 1)
    assert looks[-1].queued == 3


def test_a_selection_is_what_was_received_in_a_time(backend: TwinBackend, crm: ConnectedDestination) -> None:
    chosen = replay.selection(backend, since="3h", until=(NOW - timedelta(hours=1)).isoformat())
    done = replay.replay(backend, crm.id, chosen)
    assert done.queued == 1
    assert [late.event.message_id for _, late in backend.deliveries.of_message("m1") if late.replay] == ["m1"]


@pytest.mark.parametrize(("since", "until", "field"), [("soon", None, "since"), (None, "later", "until")])
def test_a_time_that_is_none_is_refused(backend: TwinBackend, since: str | None, until: str | None, field: str) -> None:
    with pytest.raises(Rejected) as refused:
        replay.selection(backend, since=since, until=until)
    assert refused.value.field == field


@pytest.mark.parametrize("rate", [0, -1])
def test_a_replay_needs_a_rate_above_nothing(backend: TwinBackend, crm: ConnectedDestination, rate: float) -> None:
    with pytest.raises(Rejected) as refused:
        replay.replay(backend, crm.id, replay.selection(backend), rate=rate)
    assert refused.value.field == "rate"
