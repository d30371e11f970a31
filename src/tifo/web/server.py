"""Serves all of Tifo's HTTP on Granian: plain ASGI for the busiest paths, Litestar for all else."""

import asyncio
from collections.abc import Mapping

from granian.constants import Interfaces
from granian.http import HTTP1Settings
from granian.server.embed import Server

from tifo.web.asgi import AsgiApp, Receive, Scope, Send

_BACKLOG = 1024
_BUFFER_BYTES = 1024 * 1024


def dispatch(by_prefix: Mapping[str, AsgiApp], rest: AsgiApp) -> AsgiApp:
    """Hands a request to the application of its path's prefix, or to `rest`.

    Prefixes are tried in their order, so the most used one comes first.
    """
    prefixes = tuple(by_prefix.items())

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            # No router stands before the ingest path: routing halved its rate.
            path = scope["path"]
            for prefix, application in prefixes:
                if path.startswith(prefix):
                    await application(scope, receive, send)
                    return
        await rest(scope, receive, send)

    return app


async def serve(app: AsgiApp, *, host: str, port: int, stop: asyncio.Event) -> None:
    """Serves until `stop` is set, then answers the requests that are under way."""
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
    # Granian may also end by itself, so `stop` is not the only thing to wait for.
    stopped = asyncio.create_task(stop.wait())
    await asyncio.wait({serving, stopped}, return_when=asyncio.FIRST_COMPLETED)
    if not serving.done():
        server.stop()  # type: ignore[no-untyped-call]  # Granian's embedded server has no types
    stopped.cancel()
    await serving
