"""The settings that RudderStack's clients read, as `@rudderstack/analytics-js` asks for them."""

import base64
import json
from datetime import UTC, datetime
from typing import Any

import pytest

from tifo.api.rudder import RudderSettings
from tifo.kernel.errors import Transient
from tifo.kernel.ids import SourceId
from tifo.workspace.model import Source, SourceType, WriteKey

AT = datetime(2026, 11, 24, tzinfo=UTC)
QUERY = b"p=npm&v=3.34.1&build=modern&writeKey="
SOURCES = {
    key: Source(
        id=SourceId(key),
        name=key,
        slug=key,
        schema=key,
        type=SourceType.HTTP,
        enabled=enabled,
        created_at=AT,
        keys=(WriteKey(key, AT),),
    )
    for key, enabled in (("open", True), ("closed", False))
}


def _source_of(key: str) -> Source | None:
    if key == "trouble":
        raise Transient("The state cannot be read.")
    return SOURCES.get(key)


async def _ask(
    key: str | None = None, *, query: bytes = b"", method: str = "GET", path: str = "/sourceConfig/"
) -> tuple[int, dict[bytes, bytes], Any]:
    sent: list[Any] = []

    async def receive() -> dict[str, Any]:
        raise AssertionError("there is no body to wait for")

    async def send(message: Any) -> None:
        sent.append(message)

    headers = [(b"authorization", b"Basic " + base64.b64encode(f"{key}:".encode()))] if key else []
    scope = {"type": "http", "method": method, "path": path, "query_string": query, "headers": headers}
    await RudderSettings(_source_of)(scope, receive, send)
    start, end = sent
    return start["status"], dict(start["headers"]), json.loads(end["body"] or b"null")


@pytest.mark.parametrize("path", ["/sourceConfig", "/sourceConfig/"])
async def test_the_answer_has_what_rudderstacks_browser_client_checks(path: str) -> None:
    status, headers, body = await _ask("open", query=QUERY + b"open", path=path)
    assert (status, headers[b"access-control-allow-origin"]) == (200, b"*")
    source = body["source"]
    assert (source["id"], source["name"], source["enabled"], source["destinations"]) == ("open", "open", True, [])
    reports = source["config"]["statsCollection"]
    assert not reports["errors"]["enabled"], "it would send reports on itself to a path that is not there"
    assert not reports["metrics"]["enabled"]


async def test_the_key_may_stand_in_the_query_alone() -> None:
    assert (await _ask(query=QUERY + b"open"))[0] == 200


async def test_a_disabled_source_stops_the_client() -> None:
    status, _, body = await _ask("closed")
    assert (status, body["source"]["enabled"]) == (200, False)


@pytest.mark.parametrize(("key", "query"), [("other", QUERY + b"open"), (None, b""), (None, QUERY + b"other")])
async def test_a_key_that_is_not_known_is_refused(key: str | None, query: bytes) -> None:
    status, _, body = await _ask(key, query=query)
    assert (status, body["code"]) == (401, "unknown_source")


async def test_the_look_for_ad_blockers_and_the_preflight_are_answered() -> None:
    assert (await _ask("open", query=b"view=ad", method="HEAD"))[::2] == (200, None)
    status, headers, _ = await _ask(method="OPTIONS")
    assert status == 204
    assert b"authorization" in headers[b"access-control-allow-headers"]
    assert headers[b"access-control-allow-methods"] == b"GET, HEAD, OPTIONS"


async def test_what_is_not_there_is_refused() -> None:
    assert (await _ask("open", method="POST"))[0] == 405
    assert (await _ask("open", path="/sourceConfigs"))[0] == 404
    assert (await _ask("trouble"))[0] == 503
