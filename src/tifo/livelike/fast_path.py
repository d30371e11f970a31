"""The fast path: the hottest routes skip Litestar's routing, which costs more than their handlers do.

The handlers and the answers are the same. Every other route and every unusual request (a preflight, a cookie, a missing
last slash) goes to Litestar.
"""

from collections.abc import MutableMapping
from typing import Any, NamedTuple

from litestar import Litestar
from litestar.exceptions import HTTPException
from litestar.handlers import HTTPRouteHandler
from litestar.response import Response
from litestar.response.base import ASGIResponse

from tifo.kernel.errors import TifoError, TooLarge
from tifo.livelike.app import MAX_BODY_BYTES
from tifo.livelike.errors import on_crash, on_http_exception, on_tifo_error
from tifo.livelike.links import ROOT
from tifo.livelike.request import LiveLikeRequest
from tifo.livelike.routes.invoked_actions import invoke_action
from tifo.livelike.routes.ledger import list_balances
from tifo.livelike.routes.user_quests import progress_task
from tifo.web.asgi import ClientDisconnected, Receive, Scope, Send, read_body

_PROFILES, _BALANCES = f"{ROOT}profiles/", "/reward-item-balances/"


class FastPathRequest(LiveLikeRequest):
    """Reads its body from the server, without Litestar's streams and header maps."""

    # Measured: those cost a seventh of an invoked action.
    _whole: bytes | None = None

    async def body(self) -> bytes:
        if self._whole is None:
            self._whole = await _read(self.receive)
        return self._whole


async def _read(receive: Any) -> bytes:
    """Raises what Litestar raises, so that both ways give the same answer."""
    try:
        return await read_body(receive, MAX_BODY_BYTES)
    except ClientDisconnected as error:
        raise HTTPException(error.message, status_code=400) from error
    except TooLarge as error:
        raise HTTPException("Request Entity Too Large", status_code=413) from error


class _Found(NamedTuple):
    handler: HTTPRouteHandler
    path_params: dict[str, str]


class FastPath:
    """An ASGI application in front of `litestar`: it serves the hottest routes and forwards everything else."""

    def __init__(self, litestar: Litestar) -> None:
        self._litestar: Any = litestar
        self._posts = {
            f"{ROOT}invoked-actions/": _registered(litestar, invoke_action),
            f"{ROOT}user-quest-task-progress/": _registered(litestar, progress_task),
        }
        self._balances = _registered(litestar, list_balances)
        cors = litestar.cors_config
        headers = {} if cors is None else cors.simple_headers
        self._cors = [(name.lower().encode(), value.encode()) for name, value in headers.items()]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        found = self._find(scope) if scope["type"] == "http" else None
        names = {name for name, _ in scope["headers"]} if found else set()
        if found is None or b"cookie" in names:
            await self._litestar(scope, receive, send)
            return
        # Litestar's request reads these keys of the scope, which Litestar's router would have set.
        scope.update(litestar_app=self._litestar, state={}, route_handler=found.handler, path_params=found.path_params)
        response: Any = await self._answer(found.handler, FastPathRequest(scope, receive, send))  # type: ignore[arg-type]
        # Litestar's middleware adds these headers, and this path passes it by.
        await response(scope, receive, self._with_cors(send) if b"origin" in names else send)

    def _find(self, scope: Scope) -> _Found | None:
        path: str = scope["path"]
        if scope["method"] == "POST":
            handler = self._posts.get(path)
            return None if handler is None else _Found(handler, {})
        if scope["method"] == "GET" and path.startswith(_PROFILES) and path.endswith(_BALANCES):
            profile_id = path[len(_PROFILES) : -len(_BALANCES)]
            return _Found(self._balances, {"profile_id": profile_id}) if profile_id and "/" not in profile_id else None
        return None

    async def _answer(self, handler: HTTPRouteHandler, request: LiveLikeRequest) -> ASGIResponse:
        failed: Response[bytes]
        try:
            answer: ASGIResponse = await handler.fn(request)
        except TifoError as error:
            failed = on_tifo_error(request, error)
        except HTTPException as error:
            failed = on_http_exception(request, error)
        except Exception as error:  # noqa: BLE001 (answered and logged, as Litestar does)
            failed = on_crash(request, error)
        else:
            return answer
        return failed.to_asgi_response(app=None, request=request)

    def _with_cors(self, send: Send) -> Send:
        async def sending(message: MutableMapping[str, Any]) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], *self._cors]
            await send(message)

        return sending


def _registered(litestar: Litestar, handler: HTTPRouteHandler) -> HTTPRouteHandler:
    """Returns the application's own copy of the handler, which holds the application's limits."""
    for route in litestar.routes:
        for own in getattr(route, "route_handlers", ()):
            if isinstance(own, HTTPRouteHandler) and own.fn is handler.fn:
                return own
    raise LookupError(f"The application has no route {', '.join(handler.paths)}.")
