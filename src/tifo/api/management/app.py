"""Serves the management API as an ASGI application below `/management`, in the envelopes of Segment's Public API.

An answer is `{"data": …}` or `{"errors": […]}`. Callers send bearer tokens.
"""

import asyncio
import math
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl

import msgspec
import structlog

from tifo.api.management import (
    catalog,
    delivery,
    destinations,
    filters,
    sources,
    subscriptions,
    syncs,
    warehouses,
    workspace,
)
from tifo.api.management import tracking_plans as plans
from tifo.api.management.request import ManagementRequest, Router
from tifo.kernel.errors import (
    Conflict,
    Forbidden,
    Interrupted,
    NotFound,
    Overloaded,
    Rejected,
    TifoError,
    TooLarge,
    Transient,
    Unauthorized,
)
from tifo.operations.backend import Backend
from tifo.web.asgi import Header, HttpResponse, Receive, Scope, Send, raw_path, read_body, respond
from tifo.workspace.tokens import Role

ROOT = "/management"
MAX_BODY_BYTES = 1 << 20
MAX_TOKEN_LENGTH = 4_096
RESOURCES = (workspace, catalog, sources, warehouses, syncs, plans, destinations, subscriptions, filters, delivery)

_KINDS: Mapping[type[TifoError], tuple[int, str]] = {
    Rejected: (400, "bad-request"),
    Unauthorized: (401, "unauthorized"),
    Forbidden: (403, "forbidden"),
    NotFound: (404, "not-found"),
    Conflict: (409, "conflict"),
    TooLarge: (413, "payload-too-large"),
    Overloaded: (429, "too-many-requests"),
    Transient: (503, "service-unavailable"),
}
# Answers hold write keys. There are no cookies, so no page of another origin can speak for anybody.
_ALWAYS = ((b"cache-control", b"no-store"),)
_log = structlog.get_logger(__name__)


class ManagementApi:
    """The ASGI application."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend
        self._router = Router([route for resource in RESOURCES for route in resource.ROUTES])

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            answer = await self._answer(scope, receive)
        except TifoError as error:
            answer = _failure(error)
        except Exception as error:  # noqa: BLE001 (any other error: its text is for the log, not for the client)
            _log.error("management request failed", method=scope["method"], path=_shown_path(scope), exc_info=error)
            answer = _wrong(500, "server-error", "Something failed here. It was logged.", None)
        await respond(send, answer, _ALWAYS)

    async def _answer(self, scope: Scope, receive: Receive) -> HttpResponse:
        # The token comes first: without a valid one a caller learns nothing about paths, and no body is read.
        role = await asyncio.to_thread(self._role, dict(scope["headers"]))
        # The raw path: a part is decoded after the split, so that a name may hold a slash.
        found = self._router.find(scope["method"], raw_path(scope).removeprefix(ROOT))
        if found.route is None and found.methods:
            allow = ", ".join(found.methods)
            message = f"{scope['method']} is not accepted here. Send {allow}."
            return _wrong(405, "method-not-allowed", message, None, ((b"allow", allow.encode()),))
        if found.route is None:
            raise NotFound("There is no such path in the management API. See docs/management.md.")
        if not role.may(found.route.needs):
            raise Forbidden(f"This needs a token of role {found.route.needs}; this one's role is {role}.")
        query = dict(parse_qsl(scope.get("query_string", b"").decode("latin-1"), keep_blank_values=True))
        request = ManagementRequest(
            backend=self._backend,
            role=role,
            parts=found.parts,
            query=query,
            body=await read_body(receive, MAX_BODY_BYTES),
        )
        # Handlers block on the state. Requests are few, so a thread for each is cheap enough.
        data = await asyncio.to_thread(found.route.handle, request)
        return HttpResponse(200, msgspec.json.encode({"data": data}))

    def _role(self, headers: Mapping[bytes, bytes]) -> Role:
        scheme, _, token = headers.get(b"authorization", b"").partition(b" ")
        if scheme.lower() != b"bearer" or not token.strip():
            raise Unauthorized("There is no token. Send Authorization: Bearer TOKEN, from tifo workspace token create.")
        if len(token) > MAX_TOKEN_LENGTH:
            raise Unauthorized(f"The token is longer than {MAX_TOKEN_LENGTH:,} characters.")
        role = self._role_of(token.strip().decode("latin-1"))
        if role is None:
            raise Unauthorized("The token is not valid: it is unknown here, or was revoked.")
        return role

    def _role_of(self, token: str) -> Role | None:
        """Looks the token up each time, so that a revoked one is refused at once."""
        # A read that was interrupted is repeated once: after a restart of the database a connection may be broken.
        try:
            return self._backend.workspace_tokens.role_of(token)
        except Interrupted:
            return self._backend.workspace_tokens.role_of(token)


def _shown_path(scope: Scope) -> str:
    """Returns the path for the log, without the write key behind `/writekey`."""
    before, key, _ = str(scope["path"]).partition("/writekey")
    return before + key


def _failure(error: TifoError) -> HttpResponse:
    status, kind = next((_KINDS[each] for each in type(error).__mro__ if each in _KINDS), (500, "server-error"))
    headers: tuple[Header, ...] = ()
    if isinstance(error, Transient):
        headers = ((b"retry-after", str(max(1, math.ceil(error.retry_after_s))).encode()),)
    if isinstance(error, Unauthorized):
        headers = ((b"www-authenticate", b"Bearer"),)
    return _wrong(status, kind, error.message, error.field, headers)


def _wrong(status: int, kind: str, message: str, field: str | None, headers: tuple[Header, ...] = ()) -> HttpResponse:
    error: dict[str, Any] = {"type": kind, "message": message, "status": status}
    if field is not None:
        error["field"] = field
    return HttpResponse(status, msgspec.json.encode({"errors": [error]}), headers)
