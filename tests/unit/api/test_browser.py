import json
from datetime import UTC, datetime
from typing import Any

import pytest

from tifo.api.browser import BrowserSettings
from tifo.kernel.ids import SourceId
from tifo.workspace.model import Source, SourceType, WriteKey

AT = datetime(2026, 11, 24, tzinfo=UTC)
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


async def _ask(path: str, *, method: str = "GET", public_url: str | None = None) -> tuple[int, dict[bytes, bytes], Any]:
    sent: list[Any] = []

    async def receive() -> dict[str, Any]:
        raise AssertionError("there is no body to wait for")

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {"type": "http", "method": method, "path": path, "scheme": "http", "headers": [(b"host", b"tifo:8100")]}
    await BrowserSettings(SOURCES.get, public_url)(scope, receive, send)
    start, end = sent
    return start["status"], dict(start["headers"]), json.loads(end["body"] or b"null")


async def test_the_browsers_client_is_told_to_send_where_it_asked() -> None:
    status, headers, settings = await _ask("/v1/projects/open/settings")
    assert status == 200
    assert headers[b"access-control-allow-origin"] == b"*"
    assert list(settings["integrations"]) == ["Segment.io"], "one more, and the client loads code from a CDN"
    sends = settings["integrations"]["Segment.io"]
    assert (sends["protocol"], sends["apiHost"], sends["apiKey"]) == ("http", "tifo:8100/v1", "open")


async def test_a_public_address_goes_before_the_asked_one() -> None:
    _, _, settings = await _ask("/v1/projects/open/settings", public_url="https://fans.example.com/tifo/")
    sends = settings["integrations"]["Segment.io"]
    assert (sends["protocol"], sends["apiHost"]) == ("https", "fans.example.com/tifo/v1")


@pytest.mark.parametrize("path", ["unknown/settings", "closed/settings", "open", "open/else", ""])
async def test_what_is_not_there_is_404(path: str) -> None:
    status, headers, body = await _ask(f"/v1/projects/{path}")
    assert (status, body["code"]) == (404, "not_found")
    assert headers[b"access-control-allow-origin"] == b"*"


async def test_other_methods() -> None:
    assert (await _ask("/v1/projects/open/settings", method="OPTIONS"))[0] == 204
    assert (await _ask("/v1/projects/open/settings", method="HEAD"))[::2] == (200, None)
    assert (await _ask("/v1/projects/open/settings", method="POST"))[0] == 405
