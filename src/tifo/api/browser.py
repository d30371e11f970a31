"""`/v1/projects/WRITE_KEY/settings`: what Segment's browser client asks its CDN for before it sends anything.

It is told to send here. Everything that would make it load more code from a CDN is off.
"""

from typing import Any

import msgspec

from tifo.api.tracking import CORS, Receive, Scope, Send, SourceOf
from tifo.workspace.model import Source

ROOT = "/v1/projects/"
_LEAF = "settings"
_CACHED = (b"cache-control", b"public, max-age=60")
_PREFLIGHT = [CORS, (b"access-control-allow-methods", b"GET, OPTIONS"), (b"access-control-max-age", b"86400")]
_ENABLED = {"__default": {"enabled": True, "integrations": {}}}


class BrowserSettings:
    """The ASGI application. The address is the public one where it is configured, else the one that was asked."""

    def __init__(self, source_of: SourceOf, public_url: str | None) -> None:
        self._source_of = source_of
        self._public_url = public_url

    async def __call__(self, scope: Scope, _receive: Receive, send: Send) -> None:
        write_key, _, leaf = scope["path"].removeprefix(ROOT).strip("/").partition("/")
        source = self._source_of(write_key) if leaf == _LEAF else None
        if scope["method"] == "OPTIONS":
            await _answer(send, 204, b"", _PREFLIGHT)
        elif scope["method"] not in {"GET", "HEAD"}:
            await _refuse(send, 405, "method_not_allowed", f"{scope['method']} is not taken here. Send a GET.")
        elif source is None or not source.enabled:
            await _refuse(send, 404, "not_found", "No enabled source has this write key. See `tifo source list`.")
        else:
            settings = msgspec.json.encode(self._settings(scope, write_key, source))
            body = settings if scope["method"] == "GET" else b""
            await _answer(send, 200, body, [CORS, _CACHED])

    def _settings(self, scope: Scope, write_key: str, source: Source) -> dict[str, Any]:
        address = self._public_url or f"{scope['scheme']}://{_host(scope)}"
        protocol, _, host = address.rstrip("/").partition("://")
        return {
            "integrations": {
                "Segment.io": {
                    "apiKey": write_key,
                    "apiHost": f"{host}/v1",
                    "protocol": protocol,
                    "addBundledMetadata": True,
                    "unbundledIntegrations": [],
                    "maybeBundledConfigIds": {},
                }
            },
            "plan": {"track": _ENABLED, "identify": _ENABLED, "group": _ENABLED},
            "edgeFunction": {},
            "enabledMiddleware": {},
            "middlewareSettings": {},
            "remotePlugins": [],
            "metrics": {"sampleRate": 0},
            "legacyVideoPluginsEnabled": False,
            "analyticsNextEnabled": True,
            "project": {"id": source.id},
        }


def _host(scope: Scope) -> str:
    return next((value.decode("latin-1") for name, value in scope["headers"] if name == b"host"), "localhost")


async def _refuse(send: Send, status: int, code: str, message: str) -> None:
    await _answer(send, status, msgspec.json.encode({"success": False, "code": code, "message": message}), [CORS])


async def _answer(send: Send, status: int, body: bytes, headers: list[tuple[bytes, bytes]]) -> None:
    length = (b"content-length", str(len(body)).encode())
    own = [(b"content-type", b"application/json"), length, *headers]
    await send({"type": "http.response.start", "status": status, "headers": own})
    await send({"type": "http.response.body", "body": body})
