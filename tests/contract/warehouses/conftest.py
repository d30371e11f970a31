"""Every warehouse passes the same suite. To add one: a kind here, and in `child.py`, a process of its own."""

import itertools
import json
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import duckdb
import pytest

from tests.postgres import PostgresServer, postgres_server
from tests.shards import SHARD
from tifo.kernel.ids import Position
from tifo.warehouses.drivers.duckdb import DuckdbWarehouse
from tifo.warehouses.drivers.postgres import PostgresWarehouse
from tifo.warehouses.memory import MemoryWarehouse
from tifo.warehouses.messages import convert
from tifo.warehouses.ports import Load, Warehouse

_MEMORY: dict[str, MemoryWarehouse] = {}
"""By place, so that opening one twice gives the same."""


OPEN: dict[str, Callable[[str], Warehouse]] = {
    "duckdb": lambda place: DuckdbWarehouse(Path(place)),
    "memory": lambda place: _MEMORY.setdefault(place, MemoryWarehouse()),
    "postgres": PostgresWarehouse,
}


_HOLDER = """
import duckdb, sys
connection = duckdb.connect(sys.argv[1], read_only=sys.argv[2] == "True")
print("open", flush=True)
sys.stdin.read()
"""


@pytest.fixture(params=sorted(OPEN))
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    with postgres_server() as server:
        yield server


@pytest.fixture
def new_place(kind: str, tmp_path: Path, request: pytest.FixtureRequest) -> Callable[[], str]:
    """Addresses of warehouses that do not exist yet."""
    if kind == "postgres":
        server: PostgresServer = request.getfixturevalue("postgres")
        return server.new_database
    numbers = itertools.count()
    return lambda: str(tmp_path / f"warehouse{next(numbers)}.{kind}")


@pytest.fixture
def place(new_place: Callable[[], str]) -> str:
    return new_place()


@pytest.fixture
def warehouse(kind: str, place: str) -> Warehouse:
    return OPEN[kind](place)


@pytest.fixture
def fresh_warehouse(kind: str, place: str, request: pytest.FixtureRequest) -> Callable[[], Warehouse]:
    """For tests that need several: each call gives an empty one (what the one before held is gone)."""

    def fresh() -> Warehouse:
        if kind == "postgres":
            server: PostgresServer = request.getfixturevalue("postgres")
            server.run("DROP SCHEMA IF EXISTS one, _tifo CASCADE", place)
        else:
            for file in (Path(place), working_file(place)):
                file.unlink(missing_ok=True)
            _MEMORY.pop(place, None)
        return OPEN[kind](place)

    return fresh


@pytest.fixture
def run_sql(kind: str, place: str, request: pytest.FixtureRequest) -> Callable[[str], None]:
    """What somebody else does in the warehouse."""
    if kind == "memory":
        pytest.skip("only its program changes it")

    def run(sql: str) -> None:
        if kind == "postgres":
            server: PostgresServer = request.getfixturevalue("postgres")
            server.run(sql, place)
        else:
            with duckdb.connect(working_file(place)) as connection:
                connection.execute(sql)
            DuckdbWarehouse(Path(place)).publish()

    return run


def working_file(place: str) -> Path:
    """Returns the file that the loader alone opens; the one at `place` is a copy."""
    path = Path(place)
    return path.with_name(f"{path.stem}.loading") / path.name


@pytest.fixture
def load() -> Callable[..., Load]:
    """Builds a load of track calls: (message id, properties) each."""

    def build(
        after: int, *messages: tuple[str, dict[str, Any]], connection: str = "one", event: str = "Goal", **fields: Any
    ) -> Load:
        lines = [_line(message_id, event=event, properties=properties) for message_id, properties in messages]
        return _load(after, lines, connection, **fields)

    return build


@pytest.fixture
def load_calls() -> Callable[..., Load]:
    """Builds a load of any calls: (message id, their fields) each."""

    def build(after: int, *messages: tuple[str, dict[str, Any]], connection: str = "one", **fields: Any) -> Load:
        return _load(after, [_line(message_id, **call) for message_id, call in messages], connection, **fields)

    return build


def _load(after: int, lines: Sequence[bytes], connection: str, **fields: Any) -> Load:
    converted = convert(b"".join(lines))
    position = Position(after + len(lines))
    given = {"tables": converted.tables, "discards": converted.discards, "position": position, "shard": SHARD, **fields}
    return Load(connection, connection, Position(after), **given)


@pytest.fixture
def ids() -> Callable[[Warehouse, str], Sequence[Any]]:
    return lambda warehouse, table: [row["id"] for row in warehouse.query(f"SELECT id FROM {table} ORDER BY id")]


def _line(message_id: str, **fields: Any) -> bytes:
    at = "2026-11-24T10:00:00.000Z"
    body = {
        "type": "track",
        "messageId": message_id,
        "userId": "fan-1",
        "context": {},
        "timestamp": at,
        "originalTimestamp": at,
        "receivedAt": at,
        **fields,
    }
    return json.dumps(body, ensure_ascii=False).encode() + b"\n"


@contextmanager
def held(path: Path, *, read_only: bool) -> Iterator[subprocess.Popen[str]]:
    """The file is open in another process until the block ends."""
    arguments = [sys.executable, "-c", _HOLDER, str(path), str(read_only)]
    with subprocess.Popen(arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdin is not None
        assert child.stdout is not None
        assert child.stdout.readline() == "open\n"
        try:
            yield child
        finally:
            child.stdin.close()
            child.wait(10)
