"""`/ready`: 200 or 503, and what is lacking by name."""

import asyncio
import json
from typing import Any

import pytest

from tifo.api.ready import ReadyApi
from tifo.operations.readiness import Need, NeedStatus, Readiness
from tifo.web.asgi import Scope

UP = Need(NeedStatus.UP)
AWAY = Need(NeedStatus.DOWN, "It is away.")


def ask(seen: Readiness, method: str = "GET", path: str = "/ready") -> tuple[int, dict[str, str], bytes]:
    async def run() -> list[Any]:
        sent: list[Any] = []

        async def send(message: Any) -> None:
            sent.append(message)

        async def receive() -> Any:
            raise AssertionError

        scope: Scope = {"type": "http", "method": method, "path": path, "headers": []}
        await ReadyApi(lambda: seen)(scope, receive, send)
        return sent

    start, body = asyncio.run(run())
    return start["status"], {key.decode(): value.decode() for key, value in start["headers"]}, body["body"]


def test_what_a_node_needs_is_shown_by_name() -> None:
    status, headers, body = ask(Readiness({"state": UP, "disk": Need(NeedStatus.UP, free_bytes=7)}, {"api": UP}))
    assert (status, headers["content-type"]) == (200, "application/json")
    assert json.loads(body) == {
        "status": "ready",
        "reasons": [],
        "state": {"status": "up"},
        "disk": {"status": "up", "free_bytes": 7},
        "roles": {"api": {"status": "up"}},
    }


def test_what_is_lacking_gives_503_and_its_reason() -> None:
    status, headers, body = ask(Readiness({"state": AWAY}, {"api": UP}))
    assert (status, headers["retry-after"]) == (503, "1")
    shown = json.loads(body)
    assert (shown["status"], shown["reasons"]) == ("not ready", ["state: It is away."])
    assert shown["state"] == {"status": "down", "reason": "It is away."}


@pytest.mark.parametrize(("method", "path", "status"), [("POST", "/ready", 405), ("GET", "/readyness", 404)])
def test_other_requests_are_refused(method: str, path: str, status: int) -> None:
    assert ask(Readiness({}, {}), method, path)[0] == status


def test_a_head_request_gets_the_status_alone() -> None:
    status, _, body = ask(Readiness({"state": AWAY}, {}), "HEAD")
    assert (status, body) == (503, b"")
