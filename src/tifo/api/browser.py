"""Serves `/v1/projects/WRITE_KEY/settings`, which Segment's browser client reads before it sends anything.

The answer makes the client send its messages here.
"""

from typing import Any

import msgspec

from tifo.api.cors import CORS, preflight
from tifo.api.failures import failure
from tifo.api.tracking import SourceOf
from tifo.web.asgi import HttpResponse, Receive, Scope, Send, header_of, respond
from tifo.workspace.model import Source

ROOT = "/v1/projects/"
_LEAF = "settings"
_CACHED = (b"cache-control", b"public, max-age=60")
_ENABLED = {"__default": {"enabled": True, "integrations": {}}}


class BrowserSettings:
    """Answers with the public address where one is set, else with the request's own host."""

    def __init__(self, source_of: SourceOf, public_url: str | None) -> None:
        self._source_of = source_of
        self._public_url = public_url

    async def __call__(self, scope: Scope, _receive: Receive, send: Send) -> None:
        await respond(send, self._answer(scope), (CORS,))

    def _answer(self, scope: Scope) -> HttpResponse:
        method = scope["method"]
        if method == "OPTIONS":
            return preflight(scope, b"GET, HEAD, OPTIONS")
        if method not in {"GET", "HEAD"}:
            return failure(405, "method_not_allowed", f"{method} is not allowed here. Send a GET.")
        write_key, _, leaf = scope["path"].removeprefix(ROOT).strip("/").partition("/")
        source = self._source_of(write_key) if leaf == _LEAF else None
        if source is None or not source.enabled:
            return failure(404, "not_found", "No enabled source has this write key. See `tifo source list`.")
        settings = msgspec.json.encode(self._settings(scope, write_key, source))
        return HttpResponse(200, settings if method == "GET" else b"", [_CACHED])

    def _settings(self, scope: Scope, write_key: str, source: Source) -> dict[str, Any]:
        address = self._public_url or f"{scope['scheme']}://{header_of(scope, b'host') or 'localhost'}"
        protocol, _, host = address.rstrip("/").partition("://")
        # One more integration, plugin or middleware, and the client loads that one's code from Segment's CDN.
        return {
            "integrations": {
                "Segment.io": {
                    "apiKey": write_key,
                    "apiHost": f"{host}/v1",  # this client wants the path, Segment's Node and Python clients add it
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
            "metrics": {"sampleRate": 0},  # else the client reports on itself to Segment
            "legacyVideoPluginsEnabled": False,
            "analyticsNextEnabled": True,
            "project": {"id": source.id},
        }
