from collections.abc import Callable
from datetime import datetime, timedelta

import pytest

from tests.shards import SHARD
from tests.twins import RecordingNotifier, TwinBackend
from tests.unit.operations.conftest import NOW, counted, receive, settle, undelivered
from tifo.delivery.ports import Checkpoint, Result
from tifo.kernel.ids import Position
from tifo.leases.memory import InMemoryLeases
from tifo.leases.share import Holder, WorkShare
from tifo.operations import alerts, destinations, sources
from tifo.operations.alert_watch import AlertWatch
from tifo.operations.alerts import NewAlert
from tifo.operations.notifying import AlertNotice
from tifo.warehouses.ports import Load
from tifo.workspace.alerts import Alert, AlertState
from tifo.workspace.destinations import ConnectedDestination
from tifo.workspace.memory import InMemoryAlerts

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
    return AlertWatch(backend, backend.recorder, WorkShare(InMemoryLeases(), "alerts", Holder("one")))


def state(backend: Watched) -> AlertState:
    ((_, found),) = alerts.listed(backend)
    return found


def notices(backend: Watched) -> list[str]:
    return [notice.state for _, notice in backend.recorder.notices]


async def look(backend: Watched, watcher: AlertWatch, times: int = 2) -> None:
    for _ in range(times):
        await watcher.hold()
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


async def test_of_two_watches_over_one_store_one_looks_until_it_ends(
    backend: Watched, crm: ConnectedDestination
) -> None:
    watch(backend, "delivery-rate", "crm", 90)
    leases = InMemoryLeases()
    shares = [WorkShare(leases, "alerts", Holder(name)) for name in ("one", "two")]
    first, second = (AlertWatch(backend, backend.recorder, share) for share in shares)
    settle(backend, crm, 10, counts=counted(Result.FAILED, 10, code="400"))
    for _ in range(3):
        await look(backend, first, 1)
        await look(backend, second, 1)
    assert notices(backend) == ["firing"]
    assert [await first.look(), await second.look()] == [True, False]
    await shares[0].close()
    shares[1] = WorkShare(leases, "alerts", Holder("three"))
    third = AlertWatch(backend, backend.recorder, shares[1])
    await third.hold()
    assert await third.look()
    assert notices(backend) == ["firing"], "the state of the alerts is the next one's too"


class Robbed(RecordingNotifier):
    """Another process takes the alerts while a notice is under way."""

    def __init__(self, leases: InMemoryLeases) -> None:
        super().__init__()
        self.leases = leases

    async def notify(self, alert: Alert, notice: AlertNotice) -> str:
        self.leases.release("one/alerts")
        self.leases.acquire(["alerts/alerts"], "two", for_s=60)
        return await super().notify(alert, notice)


async def test_a_watch_whose_lease_was_taken_stores_no_state(backend: Watched, crm: ConnectedDestination) -> None:
    watch(backend, "delivery-rate", "crm", 90)
    leases = InMemoryLeases()
    backend.alerts = InMemoryAlerts(leases.require)
    watcher = AlertWatch(backend, Robbed(leases), WorkShare(leases, "alerts", Holder("one")))
    watch(backend, "delivery-rate", "crm", 90)
    settle(backend, crm, 10, counts=counted(Result.FAILED, 10, code="400"))
    await look(backend, watcher, 2)
    before = state(backend)
    assert before.pending == ""
    await look(backend, watcher, 2)
    assert state(backend) == before


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
