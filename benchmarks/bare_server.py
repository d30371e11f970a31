"""Granian answering an empty 200: the bare limit of HTTP on this machine, served as the api role is."""

import asyncio
import sys
from typing import Any

import uvloop

from tifo.app.roles.signals import stop_on_signals
from tifo.web.server import serve


async def app(_scope: Any, receive: Any, send: Any) -> None:
    while (await receive()).get("more_body"):
        pass
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"0")]})
    await send({"type": "http.response.body", "body": b""})


async def main() -> None:
    stop = asyncio.Event()
    stop_on_signals(stop)
    await serve(app, host="127.0.0.1", port=int(sys.argv[1]), stop=stop)


uvloop.run(main())
