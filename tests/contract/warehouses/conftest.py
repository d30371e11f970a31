"""Every warehouse passes the same suite. To add one: a kind here, and in `child.py`, a process of its own."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from tifo.kernel.ids import Position
from tifo.warehouses.duckdb import DuckdbWarehouse
from tifo.warehouses.messages import convert
from tifo.warehouses.ports import Load, Warehouse

OPEN: dict[str, Callable[[str], Warehouse]] = {"duckdb": lambda place: DuckdbWarehouse(Path(place))}


@pytest.fixture(params=sorted(OPEN))
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def place(kind: str, tmp_path: Path) -> str:
    """A warehouse's address."""
    return str(tmp_path / f"warehouse.{kind}")


@pytest.fixture
def warehouse(kind: str, place: str) -> Warehouse:
    return OPEN[kind](place)


@pytest.fixture
def open_warehouse(kind: str) -> Callable[[str], Warehouse]:
    return OPEN[kind]


@pytest.fixture
def load() -> Callable[..., Load]:
    """Builds a load of track calls: (message id, properties) each."""

    def build(
        after: int, *messages: tuple[str, dict[str, Any]], connection: str = "one", event: str = "Goal", **fields: Any
    ) -> Load:
        bodies = b"".join(_line(message_id, event, properties) for message_id, properties in messages)
        converted = convert(bodies)
        position = Position(after + len(messages))
        given = {"tables": converted.tables, "discards": converted.discards, "position": position, **fields}
        return Load(connection, connection, Position(after), **given)

    return build


@pytest.fixture
def ids() -> Callable[[Warehouse, str], Sequence[Any]]:
    return lambda warehouse, table: [row["id"] for row in warehouse.query(f"SELECT id FROM {table} ORDER BY id")]


def _line(message_id: str, event: str, properties: dict[str, Any]) -> bytes:
    at = "2026-11-24T10:00:00.000Z"
    body = {
        "type": "track",
        "messageId": message_id,
        "userId": "fan-1",
        "event": event,
        "properties": properties,
        "context": {},
        "timestamp": at,
        "originalTimestamp": at,
        "receivedAt": at,
    }
    return json.dumps(body, ensure_ascii=False).encode() + b"\n"
