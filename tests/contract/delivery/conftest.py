"""Delivery's state in memory, on SQLite and on PostgreSQL, and events for it."""

import itertools
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.conftest import NewState
from tests.shards import SHARD, at
from tifo.delivery.memory import MemoryDeliveryState
from tifo.delivery.ports import Attempt, Result, Sample, Undelivered, UndeliveredState
from tifo.destinations.ports import Event
from tifo.kernel.ids import DestinationId, Position, SourceId
from tifo.store.delivery.deliveries import SqlDeliveryState
from tifo.store.workspace.catalog import SqlCatalog
from tifo.store.workspace.destinations import SqlDestinations
from tifo.store.workspace.vault import Vault
from tifo.workspace.model import SourceType

NOW = datetime.fromtimestamp(1_795_000_000.5, UTC)
SECOND = timedelta(seconds=1)
Begin = Callable[[str, int], DestinationId]
State = MemoryDeliveryState | SqlDeliveryState
Rig = tuple[State, Begin]


@pytest.fixture(params=["memory", "sqlite", "postgres"])
def rig(request: pytest.FixtureRequest, new_state: NewState, tmp_path: Any) -> Rig:
    """The state, and a function that adds a destination of the source `source` that begins at a position."""
    if request.param == "memory":
        memory = MemoryDeliveryState()

        def remember(name: str, start: int) -> DestinationId:
            memory.add(DestinationId(name), Position(start))
            return DestinationId(name)

        return memory, remember
    database = new_state(request.param)
    ids = itertools.chain(["source"], (f"id{number}" for number in range(100)))
    source = SqlCatalog(database, lambda: NOW, lambda: next(ids)).create_source("Club", SourceType.HTTP)
    destinations = SqlDestinations(database, lambda: NOW, lambda: next(ids), Vault("", tmp_path / "key"))

    def add(name: str, start: int) -> DestinationId:
        return destinations.add("webhook", name, SourceId(source.id), {}, start=at(start)).id

    return SqlDeliveryState(database, SHARD), add


def event(position: int, user: str = "fan", **more: Any) -> Event:
    body = f'{{"messageId":"m{position}"}}'.encode()
    return Event(Position(position), f"m{position}", "track", "Vote", user, NOW.timestamp(), body, **more)


def undelivered(position: int, user: str = "fan", *, next_at: datetime | None = NOW, **more: Any) -> Undelivered:
    state = UndeliveredState.FAILED if next_at is None else UndeliveredState.WAITING
    history = (Attempt(NOW, "500", "as told", 0.25),)
    return Undelivered(
        event=event(position, user),
        state=state,
        first_at=NOW,
        next_at=next_at,
        attempts=1,
        history=history,
        code="500",
        detail="as told",
        **more,
    )


def sample(message_id: str, result: Result = Result.DELIVERED, code: str = "") -> Sample:
    return Sample(
        result=result, code=code, message_id=message_id, at=NOW, received=b"{}", detail="as told", exchange=None
    )
