"""The management API as an ASGI application below `/management`: bearer tokens, `{"data": …}`, `{"errors": […]}`.

Requests are few and each one blocks on the state: each runs in a thread. The token is looked up each time, so that a
revoked one is refused at once. There are no cookies, so that no page of another origin can speak for anybody.
"""

import asyncio
import math
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from typing import Any, NamedTuple
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
from tifo.api.management.request import Request, Router
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
from tifo.workspace.tokens import Role

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

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
_log = structlog.get_logger(__name__)


class _Answer(NamedTuple):
    status: int
    body: bytes
    headers: tuple[tuple[bytes, bytes], ...] = ()


class ManagementApi:
    def __init__(self, backend: Backend) -> None:
        self._backend = backend
        self._router = Router([route for resource in RESOURCES for route in resource.ROUTES])

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            answer = await self._answer(scope, receive)
        except TifoError as error:
            answer = _failure(error)
        except Exception as error:  # noqa: BLE001 (of whatever kind: its text is for the log, not for the client)
            _log.error("management request failed", method=scope["method"], path=_shown_path(scope), exc_info=error)
            answer = _wrong(500, "server-error", "Something failed here. It was logged.", None)
        length = (b"content-length", str(len(answer.body)).encode())
        headers = [(b"content-type", b"application/json"), (b"cache-control", b"no-store"), length, *answer.headers]
        await send({"type": "http.response.start", "status": answer.status, "headers": headers})
        await send({"type": "http.response.body", "body": answer.body})

    async def _answer(self, scope: Scope, receive: Receive) -> _Answer:
        """Who has no valid token learns nothing about paths, and is not read from."""
        role = await asyncio.to_thread(self._role, dict(scope["headers"]))
        found = self._router.find(scope["method"], _path(scope))
        if found.route is None and found.methods:
            allow = ", ".join(found.methods)
            message = f"{scope['method']} is not taken here. Send {allow}."
            return _wrong(405, "method-not-allowed", message, None, ((b"allow", allow.encode()),))
        if found.route is None:
            raise NotFound("There is no such path in the management API. See docs/management.md.")
        if not role.may(found.route.needs):
            raise Forbidden(f"This needs a token of role {found.route.needs}; this one's role is {role}.")
        query = dict(parse_qsl(scope.get("query_string", b"").decode("latin-1"), keep_blank_values=True))
        request = Request(self._backend, role, found.parts, query, await _body(receive))
        data = await asyncio.to_thread(found.route.handle, request)
        return _Answer(200, msgspec.json.encode({"data": data}))

    def _role(self, headers: Mapping[bytes, bytes]) -> Role:
        scheme, _, token = headers.get(b"authorization", b"").partition(b" ")
        if scheme.lower() != b"bearer" or not token.strip():
            raise Unauthorized("There is no token. Send Authorization: Bearer TOKEN, from tifo workspace token create.")
        if len(token) > MAX_TOKEN_LENGTH:
            raise Unauthorized(f"The token is longer than {MAX_TOKEN_LENGTH:,} characters.")
        role = self._asked_again(token.strip().decode("latin-1"))
        if role is None:
            raise Unauthorized("The token is not valid: it is unknown here, or was revoked.")
        return role

    def _asked_again(self, token: str) -> Role | None:
        """Once more where the state was interrupted: a read may be repeated."""
        try:
            return self._backend.workspace_tokens.role_of(token)
        except Interrupted:
            return self._backend.workspace_tokens.role_of(token)


def _path(scope: Scope) -> str:
    """As it was sent: a part may hold an encoded slash."""
    raw: bytes | None = scope.get("raw_path")
    path = raw.decode("latin-1").partition("?")[0] if raw else str(scope["path"])
    return path.removeprefix(ROOT)


def _shown_path(scope: Scope) -> str:
    """Without what stands behind `writekey`: a secret."""
    before, key, _ = str(scope["path"]).partition("/writekey")
    return before + key


async def _body(receive: Receive) -> bytes:
    parts: list[bytes] = []
    size, more = 0, True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise Rejected("The client went away before its request was complete.")
        part = message.get("body", b"")
        size += len(part)
        if size > MAX_BODY_BYTES:
            raise TooLarge(f"The body is larger than {MAX_BODY_BYTES:,} bytes.")
        parts.append(part)
        more = message.get("more_body", False)
    return b"".join(parts)


def _failure(error: TifoError) -> _Answer:
    status, kind = next((_KINDS[each] for each in type(error).__mro__ if each in _KINDS), (500, "server-error"))
    headers: tuple[tuple[bytes, bytes], ...] = ()
    if isinstance(error, Transient):
        headers = ((b"retry-after", str(max(1, math.ceil(error.retry_after_s))).encode()),)
    if isinstance(error, Unauthorized):
        headers = ((b"www-authenticate", b"Bearer"),)
    return _wrong(status, kind, error.message, error.field, headers)


def _wrong(
    status: int, kind: str, message: str, field: str | None, headers: tuple[tuple[bytes, bytes], ...] = ()
) -> _Answer:
    error: dict[str, Any] = {"type": kind, "message": message, "status": status}
    if field is not None:
        error["field"] = field
    return _Answer(status, msgspec.json.encode({"errors": [error]}), headers)
