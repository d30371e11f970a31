"""The page and the document are served without loading anything from elsewhere."""

from typing import Any

import msgspec
import pytest

from tifo.web.openapi.pages import DocsPages


async def ask(pages: DocsPages, path: str, method: str = "GET") -> tuple[int, dict[bytes, bytes], bytes]:
    got: list[Any] = []

    async def receive() -> dict[str, Any]:
        raise NotImplementedError

    async def send(message: Any) -> None:
        got.append(message)

    scope = {"type": "http", "scheme": "http", "method": method, "path": path, "headers": [(b"host", b"tifo:8100")]}
    await pages(scope, receive, send)
    return got[0]["status"], dict(got[0]["headers"]), got[1]["body"]


async def test_the_documents_server_is_the_requests_host_or_the_public_address() -> None:
    for public_url, server in ((None, "http://tifo:8100"), ("https://fans.example/", "https://fans.example")):
        _, headers, body = await ask(DocsPages({"openapi": "3.1.0"}, public_url), "/docs/openapi.json")
        assert headers[b"content-type"] == b"application/json"
        assert msgspec.json.decode(body) == {"openapi": "3.1.0", "servers": [{"url": server}]}


@pytest.mark.parametrize("path", ["/docs", "/docs/", "/docs/rapidoc.js"])
async def test_the_page_loads_from_here_only(path: str) -> None:
    status, headers, body = await ask(DocsPages({}), path)
    assert status == 200
    assert int(headers[b"content-length"]) == len(body)
    if b"html" in headers[b"content-type"]:
        assert b"://" not in body
        assert b"default-src 'self'" in headers[b"content-security-policy"]


async def test_other_pages_and_other_methods_are_refused() -> None:
    assert (await ask(DocsPages({}), "/docs/secrets"))[0] == 404
    assert (await ask(DocsPages({}), "/docsother"))[0] == 404
    assert (await ask(DocsPages({}), "/docs", "POST"))[0] == 405
    assert (await ask(DocsPages({}), "/docs", "HEAD"))[2] == b""
