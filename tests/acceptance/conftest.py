"""The real `tifo up`, on a fresh folder, spoken to over HTTP and by the command line."""

import base64
import json
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

import pytest

from tests.described import check_answer
from tifo.app.demo.local import LocalTifo

ARRIVES_WITHIN_S = 20.0


class Answer(NamedTuple):
    status: int
    body: Any
    headers: Mapping[str, str]


Call = Callable[..., Answer]


@pytest.fixture(scope="module")
def tifo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalTifo]:
    """One running Tifo for a test module."""
    local = LocalTifo(tmp_path_factory.mktemp("tifo") / "data")
    with local.up("--flush-s", "0.3"):
        yield local


@pytest.fixture(scope="session")
def call() -> Call:
    def call(
        method: str,
        url: str,
        body: object = None,
        *,
        raw: bytes | None = None,
        token: str | None = None,
        write_key: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """One request: `body` is sent as JSON, `raw` as it is."""
        sent = {"Content-Type": "application/json", **(headers or {})}
        if token is not None:
            sent["Authorization"] = f"Bearer {token}"
        if write_key is not None:
            sent["Authorization"] = f"Basic {base64.b64encode(f'{write_key}:'.encode()).decode()}"
        data = raw if raw is not None else None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(url, data=data, headers=sent, method=method)  # noqa: S310 (the test's own http address)
        try:
            with urllib.request.urlopen(request, timeout=10) as found:  # noqa: S310 (likewise)
                answer = Answer(found.status, _json(found.read()), dict(found.headers))
        except urllib.error.HTTPError as error:
            with error:
                answer = Answer(error.code, _json(error.read()), dict(error.headers))
        check_answer(method, url, answer.status, answer.body)
        return answer

    return call


@pytest.fixture(scope="session")
def rows_of() -> Callable[..., dict[str, int]]:
    def rows_of(tifo: LocalTifo, schema: str, expected: Mapping[str, int]) -> dict[str, int]:
        """Rows by table, once there are as many as expected (or more), or when time is up."""
        deadline = time.monotonic() + ARRIVES_WITHIN_S
        while True:
            rows = tifo.rows(schema, list(expected))
            if sum(rows.values()) >= sum(expected.values()) or time.monotonic() > deadline:
                return rows
            time.sleep(0.1)

    return rows_of


def _json(content: bytes) -> Any:
    try:
        return json.loads(content)
    except ValueError:
        return content
