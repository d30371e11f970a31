import resource
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest

from tests.postgres import PostgresServer, postgres_server
from tifo.store.sql.database import Database, open_postgres, open_sqlite

NewState = Callable[[str], Database]
FullDisk = Callable[[int], AbstractContextManager[None]]


REPEATED = ("concurrency", "kill")
"""Marks tests whose outcome may depend on who comes first. One that fails once in 20 runs shows a fault of Tifo."""
REPETITIONS = 20


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--long",
        action="store_true",
        help=f"run each test marked {' or '.join(REPEATED)} {REPETITIONS} times, and more where a test says so",
    )


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    marked = any(metafunc.definition.get_closest_marker(name) for name in REPEATED)
    if marked and metafunc.config.getoption("--long"):
        metafunc.fixturenames.append("repetition")
        metafunc.parametrize("repetition", range(1, REPETITIONS + 1), ids="run{}".format)


@pytest.fixture
def full_disk() -> FullDisk:
    """While it lasts, no file of this process grows beyond so many bytes.

    Writes really fail, at the operating system, as on a disk that is full: `with full_disk(100_000): …`.
    """

    @contextmanager
    def full(file_bytes: int) -> Iterator[None]:
        before = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (file_bytes, before[1]))
        try:
            yield
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)

    return full


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    with postgres_server() as server:
        yield server


@pytest.fixture
def new_state(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[NewState]:
    """Opens a test's state, `new_state("sqlite")` or `new_state("postgres")`; each time the same database."""
    opened: list[Database] = []
    urls: list[str] = []

    def open_state(kind: str) -> Database:
        if kind == "sqlite":
            opened.append(open_sqlite(tmp_path / "tifo.db"))
        else:
            server: PostgresServer = request.getfixturevalue("postgres")
            urls.append(urls[0] if urls else server.new_database())
            opened.append(open_postgres(urls[0]))
        return opened[-1]

    yield open_state
    for database in opened:
        database.dispose()
