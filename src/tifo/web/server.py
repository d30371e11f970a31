"""The one HTTP server: plain ASGI for the Tracking API, Litestar for all else, on Granian."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from typing import Any

from granian.constants import Interfaces
from granian.http import HTTP1Settings
from granian.server.embed import Server

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
AsgiApp = Callable[[Scope, Receive, Send], Awaitable[None]]

_BACKLOG = 1024
_BUFFER_BYTES = 1024 * 1024


def dispatch(by_prefix: Mapping[str, AsgiApp], rest: Any) -> AsgiApp:
    """The quick ones go straight to their application, without passing a router (design.md, decision 14).

    Prefixes are tried in their order: the most used one goes first.
    """
    quick = tuple(by_prefix.items())

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            path = scope["path"]
            for prefix, application in quick:
                if path.startswith(prefix):
                    await application(scope, receive, send)
                    return
        await rest(scope, receive, send)

    return app


async def serve(app: AsgiApp, *, host: str, port: int, stop: asyncio.Event) -> None:
    """Serves until `stop`, then answers the requests that are under way."""
    server = Server(
        app,
        address=host,
        port=port,
        interface=Interfaces.ASGI,
        backlog=_BACKLOG,
        websockets=False,
        log_enabled=False,
        http1_settings=HTTP1Settings(max_buffer_size=_BUFFER_BYTES),
    )
    serving = asyncio.create_task(server.serve())
    stopped = asyncio.create_task(stop.wait())
    await asyncio.wait({serving, stopped}, return_when=asyncio.FIRST_COMPLETED)
    if not serving.done():
        server.stop()  # type: ignore[no-untyped-call]  # Granian's embedded server has no types
    stopped.cancel()
    await serving
