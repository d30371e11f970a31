"""Which connections run, as destinations come, change and go."""

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, cast

import pytest

from tifo.delivery.sending import deliverer as module
from tifo.delivery.sending.connection import DestinationConnection, Terms
from tifo.delivery.sending.deliverer import Deliverer, OpenDestination
from tifo.delivery.sending.filters import ConfiguredFilter
from tifo.delivery.sending.reading import SharedReader
from tifo.destinations.ports import Batching, Event, Outcome
from tifo.eventlog.memory import MemoryEventLog
from tifo.kernel.backoff import Backoff
from tifo.kernel.ids import DestinationId, SourceId
from tifo.workspace.destinations import ConnectedDestination


class Closing:
    """A destination of which only the end matters."""

    batching = Batching()
    ordered = False

    def __init__(self, *, hangs: bool) -> None:
        self.hangs = hangs
        self.closed = False

    async def send(self, events: Sequence[Event]) -> Sequence[Outcome]:
        raise NotImplementedError

    async def close(self) -> None:
        if self.hangs:
            await asyncio.sleep(3600)
        self.closed = True


class House:
    """`running` are the connections, by the name of their destination."""

    def __init__(self) -> None:
        self.connected: list[ConnectedDestination] = []
        self.running: Counter[str] = Counter()
        self.deaths: Counter[str] = Counter()
        self.opened: dict[str, Closing] = {}

    def add(self, name: str) -> ConnectedDestination:
        made = ConnectedDestination(
            id=DestinationId(name),
            name=name,
            kind="told",
            source_id=SourceId("s"),
            settings={},
            created_at=datetime.now(UTC),
        )
        self.connected.append(made)
        return made

    async def open(self, connected: ConnectedDestination) -> OpenDestination:
        self.opened[connected.name] = Closing(hangs=connected.name == "hangs")
        return OpenDestination(self.opened[connected.name], ConfiguredFilter(["track"], []))

    def connect(self, terms: Terms, _: OpenDestination) -> DestinationConnection:
        house = self

        class Running:
            async def run(self, stop: asyncio.Event) -> None:
                if house.deaths[terms.destination_id]:
                    house.deaths[terms.destination_id] -= 1
                    raise ZeroDivisionError
                house.running[terms.destination_id] += 1
                await stop.wait()
                house.running[terms.destination_id] -= 1

            def log_grew(self) -> None:
                """Nothing is read."""

        return cast("DestinationConnection", Running())

    async def until(self, names: str) -> None:
        deadline = time.monotonic() + 10
        while sorted(+self.running) != names.split():
            assert time.monotonic() < deadline, self.running
            await asyncio.sleep(0.01)


async def delivering(house: House, play: Callable[[], Any]) -> None:
    stop, reader = asyncio.Event(), SharedReader(MemoryEventLog())
    deliverer = Deliverer(lambda: list(house.connected), house.open, house.connect, reader, look_s=0.01)
    running = asyncio.create_task(deliverer.run(stop))
    try:
        await play()
    finally:
        stop.set()
        await running


async def test_connections_follow_their_destinations(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "REOPENING", Backoff(base_s=0.01, cap_s=60.0))
    house = House()
    house.deaths["b"] = 2

    async def play() -> None:
        house.add("a")
        house.add("b")
        await house.until("a b")
        house.connected[0] = replace(house.connected[0], enabled=False, version=2)
        await house.until("b")
        assert house.opened["a"].closed
        house.connected[0] = replace(house.connected[0], enabled=True, version=3)
        await house.until("a b")
        house.connected.pop()
        await house.until("a")

    await delivering(house, play)
    assert house.running.total() == 0
    assert all(each.closed for each in house.opened.values())


async def test_a_destination_that_does_not_close_holds_up_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "CLOSE_WITHIN_S", 0.05)
    house = House()

    async def play() -> None:
        house.add("hangs")
        await house.until("hangs")
        house.connected[:] = []
        house.add("late")
        await house.until("late")

    await delivering(house, play)
    assert house.opened["late"].closed
