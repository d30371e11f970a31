"""Serves `/sourceConfig`, which RudderStack's browser and mobile clients read before they send anything."""

from collections.abc import Mapping
from typing import Any

import msgspec

from tifo.api.cors import CORS, preflight
from tifo.api.failures import failure
from tifo.api.keys import basic_user, key_in_query
from tifo.api.tracking import SourceOf
from tifo.kernel.clock import to_iso
from tifo.kernel.errors import Transient
from tifo.web.asgi import HttpResponse, Receive, Scope, Send, header_of, respond
from tifo.workspace.model import Source

ROOT = "/sourceConfig"
# A client with reports on itself sends them to the data plane, under a path that Tifo has not.
_NO_REPORTS = {"errors": {"enabled": False}, "metrics": {"enabled": False}}


class RudderSettings:
    """Answers for the source of the write key, which comes as the user of HTTP Basic or in the query."""

    def __init__(self, source_of: SourceOf) -> None:
        self._source_of = source_of

    async def __call__(self, scope: Scope, _receive: Receive, send: Send) -> None:
        try:
            answer = self._answer(scope)
        except Transient as error:
            answer = failure(503, error.code, error.message, [(b"retry-after", b"1")])
        await respond(send, answer, (CORS,))

    def _answer(self, scope: Scope) -> HttpResponse:
        method = scope["method"]
        if scope["path"].rstrip("/") != ROOT:
            return failure(404, "not_found", f"There is no {scope['path']:.100}. Known: {ROOT}/.")
        if method == "OPTIONS":
            return preflight(scope, b"GET, HEAD, OPTIONS")
        if method not in {"GET", "HEAD"}:
            return failure(405, "method_not_allowed", f"{method} is not allowed here. Send a GET.")
        key = basic_user((header_of(scope, b"authorization") or "").encode("latin-1")) or key_in_query(scope)
        source = self._source_of(key) if key else None
        if key is None or source is None:
            message = "The write key is not known here. Send it as the user of HTTP Basic. See `tifo source list`."
            return failure(401, "unknown_source", message)
        return HttpResponse(200, msgspec.json.encode(_settings(source, key)) if method == "GET" else b"")


def _settings(source: Source, write_key: str) -> Mapping[str, Any]:
    # Destinations that it lists are loaded from RudderStack's servers and sent to by the client itself: Tifo's are sent
    # to by Tifo. A source that is not enabled makes the client send nothing.
    return {
        "source": {
            "id": source.id,
            "name": source.name,
            "writeKey": write_key,
            "enabled": source.enabled,
            "workspaceId": "tifo",
            "config": {"statsCollection": _NO_REPORTS},
            "destinations": [],
            "updatedAt": to_iso(source.created_at),
        },
        "updatedAt": to_iso(source.created_at),
    }
