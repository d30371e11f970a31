from collections.abc import Callable
from datetime import datetime, timedelta

import pytest

from tests.shards import SHARD
from tests.twins import TwinBackend
from tests.unit.operations.conftest import NOW, counted, receive, settle, undelivered
from tifo.delivery.ports import Checkpoint, Result
from tifo.kernel.ids import Position
from tifo.operations import alerts, destinations, sources
from tifo.operations.alert_watch import AlertWatch
from tifo.operations.alerts import NewAlert
from tifo.warehouses.ports import Load
from tifo.workspace.alerts import AlertState
from tifo.workspace.destinations import ConnectedDestination

MINUTE = timedelta(minutes=1)


class Watched(TwinBackend):
    """A backend whose clock a test moves."""

    now: datetime

    def pass_time(self, time: timedelta) -> None:
        self.now += time


@pytest.fixture
def backend() -> Watched:
    clock: Callable[[], datetime] = lambda: made.now  # noqa: E731 (it stands for the backend that comes)
    made = Watched(clock=clock)
    made.now = NOW
    sources.create(made, "Shop", "http")
    return made


@pytest.fixture
def crm(backend: Watched) -> ConnectedDestination:
    return destinations.add(backend, "webhook", "shop", {"url": "https://example.com"}, name="crm")


def watch(backend: Watched, kind: str, of: str, threshold: float, window: str = "1h") -> AlertWatch:
    url = "https://example.com/alerts"
    new = NewAlert(name="A", kind=kind, of=of, threshold=threshold, window=window, quiet="1h", url=url)
    alerts.add(backend, new)
    return AlertWatch(backend, backend.recorder)


def state(backend: Watched) -> AlertState:
    ((_, found),) = alerts.listed(backend)
    return found


def notices(backend: Watched) -> list[str]:
    return [notice.state for _, notice in backend.recorder.notices]


async def look(backend: Watched, watcher: AlertWatch, times: int = 2) -> None:
    for _ in range(times):
        await watcher.look()
        backend.pass_time(MINUTE)


async def test_a_destination_that_fails_is_notified_once_and_called_off(
    backend: Watched, crm: ConnectedDestination
) -> None:
    watcher = watch(backend, "delivery-rate", "crm", 90)
    settle(backend, crm, 10, counts={**counted(Result.DELIVERED, 5), **counted(Result.FAILED, 5, code="400")})
    await look(backend, watcher, 4)
    assert notices(backend) == ["firing"]
    assert state(backend).value == 50.0
    assert "5 delivered, 5 failed, 0 wait" in state(backend).reason
    backend.deliveries.settle([Checkpoint(crm.id, counts=counted(Result.DELIVERED, 990, at=backend.now))])
    await look(backend, watcher, 3)
    assert notices(backend) == ["firing", "resolved"]


async def test_events_that_wait_count_against_a_destination(backend: Watched, crm: ConnectedDestination) -> None:
    watcher = watch(backend, "delivery-rate", "crm", 90)
    settle(backend, crm, 2, counts=counted(Result.DELIVERED, 1), undelivered=[undelivered(2, "m2")])
    await look(backend, watcher, 1)
    assert state(backend).value == 50.0


@pytest.mark.parametrize(("dead_since", "value"), [(None, 100.0), (NOW, 25.0)])
async def test_events_behind_the_cursor_count_where_the_destination_is_dead(
    backend: Watched, crm: ConnectedDestination, dead_since: datetime | None, value: float
) -> None:
    """Those of one that is alive are under way."""
    watcher = watch(backend, "delivery-rate", "crm", 90)
    receive(backend, crm.source_id, "m1", "m2", "m3", "m4")
    settle(backend, crm, 1, counts=counted(Result.DELIVERED, 1), dead_since=dead_since)
    await look(backend, watcher, 1)
    assert state(backend).value == value


async def test_what_was_counted_before_the_window_is_left_out(backend: Watched, crm: ConnectedDestination) -> None:
    watcher = watch(backend, "delivery-rate", "crm", 90)
    settle(backend, crm, 0, counts=counted(Result.FAILED, 5, code="400", at=NOW - timedelta(hours=2)))
    await look(backend, watcher)
    assert (state(backend).value, state(backend).reason, notices(backend)) == (None, "no events", [])


async def test_a_destination_that_is_gone_notifies_nobody(backend: Watched, crm: ConnectedDestination) -> None:
    watcher = watch(backend, "delivery-rate", "crm", 90)
    destinations.remove(backend, crm.id)
    await look(backend, watcher, 3)
    assert (state(backend).value, notices(backend)) == (None, [])


async def test_a_source_that_falls_silent_is_notified(backend: Watched) -> None:
    watcher = watch(backend, "volume", "shop", 50, window="10m")
    source_id = sources.find(backend, "shop").id
    for number in range(30):
        if number < 20:
            receive(backend, source_id, f"m{number}", at=backend.now)
        await look(backend, watcher, 1)
    assert notices(backend) == ["firing"]
    assert state(backend).reason.endswith("% against the window before")


async def test_a_notice_that_does_not_arrive_is_sent_again(backend: Watched, crm: ConnectedDestination) -> None:
    watcher = watch(backend, "delivery-rate", "crm", 90)
    settle(backend, crm, 5, counts=counted(Result.FAILED, 5, code="400"))
    backend.recorder.problem = "no answer"
    await look(backend, watcher, 3)
    assert (notices(backend), state(backend).problem) == (["firing", "firing"], "no answer")
    backend.recorder.problem = ""
    await look(backend, watcher, 2)
    assert (notices(backend), state(backend).problem) == (["firing", "firing", "firing"], "")


async def test_a_warehouse_that_is_behind_is_notified_until_it_has_loaded(backend: Watched) -> None:
    watcher = watch(backend, "warehouse", "duckdb", 600)
    source_id = sources.find(backend, "shop").id
    warehouse = backend.open_warehouse("duckdb")
    await look(backend, watcher, 1)
    assert (state(backend).value, state(backend).reason) == (0.0, "all is loaded")
    receive(backend, source_id, "m1", at=backend.now)
    backend.pass_time(timedelta(minutes=11))
    await look(backend, watcher)
    assert notices(backend) == ["firing"]
    assert (state(backend).value or 0) > 600
    warehouse.load([Load(source_id, "shop", Position(0), Position(1), shard=SHARD)])
    await look(backend, watcher)
    assert notices(backend) == ["firing", "resolved"]
