import resource
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

import pytest

FullDisk = Callable[[int], AbstractContextManager[None]]


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--long", action="store_true", help="make the long tests long: more kills, more rounds")


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
