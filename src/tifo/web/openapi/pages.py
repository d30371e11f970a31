"""Serves the document, and a page that shows it without loading anything from elsewhere."""

from collections.abc import Mapping
from importlib.resources import files
from typing import Any, NamedTuple

import msgspec

from tifo.web.asgi import Header, Receive, Scope, Send, header_of

ROOT = "/docs"


class _File(NamedTuple):
    media_type: bytes
    body: bytes
    headers: tuple[Header, ...] = ()
    status: int = 200


class DocsPages:
    """Answers `/docs` and what the page loads, as an ASGI application.

    The document's server is the public address where one is set, else the request's own host.
    """

    def __init__(self, document: Mapping[str, Any], public_url: str | None = None) -> None:
        self._document = document
        self._public_url = public_url

    async def __call__(self, scope: Scope, _receive: Receive, send: Send) -> None:
        found = self._find(scope)
        length = (b"content-length", b"%d" % len(found.body))
        headers = [(b"content-type", found.media_type), length, *found.headers]
        await send({"type": "http.response.start", "status": found.status, "headers": headers})
        await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else found.body})

    def _find(self, scope: Scope) -> _File:
        if scope["method"] not in {"GET", "HEAD"}:
            return _NOT_ALLOWED
        match scope["path"].rstrip("/"):
            case "/docs":
                return _PAGE
            case "/docs/openapi.json":
                return _File(b"application/json", msgspec.json.encode(self._on(scope)))
            case "/docs/rapidoc.js":
                return _VIEWER
            case _:
                return _NOT_FOUND

    def _on(self, scope: Scope) -> dict[str, Any]:
        address = self._public_url or f"{scope['scheme']}://{header_of(scope, b'host') or 'localhost'}"
        return {**self._document, "servers": [{"url": address.rstrip("/")}]}


_VIEWER = _File(
    b"text/javascript",
    files("tifo.web").joinpath("vendor", "rapidoc-min.js").read_bytes(),
    ((b"cache-control", b"max-age=86400"),),
)
_POLICY = b"default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; font-src 'self' data:"
_PAGE = _File(
    b"text/html; charset=utf-8",
    b"""<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Tifo's API</title>
<style>
@media (max-width: 480px) { rapi-doc::part(btn) { padding: 4px; min-width: max-content; font-size: 10px; } }
</style>
<script type="module" src="/docs/rapidoc.js"></script>
<rapi-doc spec-url="/docs/openapi.json" load-fonts="false" render-style="read" show-header="false" theme="light"
  use-path-in-nav-bar="false" sort-tags="false" schema-description-expanded="true">
</rapi-doc>
</html>
""",
    ((b"content-security-policy", _POLICY), (b"x-content-type-options", b"nosniff")),
)
_NOT_FOUND = _File(b"application/json", b'{"detail":"There is no such page. See /docs."}', status=404)
_NOT_ALLOWED = _File(b"application/json", b'{"detail":"Send a GET."}', ((b"allow", b"GET, HEAD"),), 405)
