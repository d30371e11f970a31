"""Reads a request's body and sends one answer, for the applications that speak ASGI without a framework."""

from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from typing import Any, NamedTuple

from tifo.kernel.errors import Rejected, TooLarge

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
AsgiApp = Callable[[Scope, Receive, Send], Awaitable[None]]
Header = tuple[bytes, bytes]
"""ASGI wants names in small letters."""

JSON: Header = (b"content-type", b"application/json")


class ClientDisconnected(Rejected):
    """The connection ended before the request was complete. Nobody reads the answer: it is for the log and metrics."""

    code = "client_disconnected"


class HttpResponse(NamedTuple):
    status: int
    body: bytes = b""
    headers: Iterable[Header] = ()
    """Sent behind `content-type`, the application's own headers and `content-length`."""


def body_too_large(limit_bytes: int) -> TooLarge:
    return TooLarge(f"The body is larger than {limit_bytes:,} bytes.", code="payload_too_large")


async def read_body(receive: Receive, limit_bytes: int, too_large: Callable[[int], TooLarge] = body_too_large) -> bytes:
    """Reads the body whole, and never holds more than `limit_bytes` and one part of it.

    Raises what `too_large` makes, or `ClientDisconnected`. Decompression is the caller's: most routes accept none.
    """
    parts: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientDisconnected("The client went away before its request was complete.")
        part: bytes = message.get("body", b"")
        size += len(part)
        if size > limit_bytes:
            raise too_large(limit_bytes)
        if not message.get("more_body", False):
            # Nearly every body comes in one part: joining would copy it.
            return b"".join([*parts, part]) if parts else part
        parts.append(part)


async def respond(send: Send, response: HttpResponse, always: Iterable[Header] = ()) -> None:
    """Sends the answer as JSON. `always` are the headers that the application puts on every answer."""
    length = (b"content-length", b"%d" % len(response.body))
    headers = [JSON, *always, length, *response.headers]
    await send({"type": "http.response.start", "status": response.status, "headers": headers})
    await send({"type": "http.response.body", "body": response.body})


def raw_path(scope: Scope) -> str:
    """Returns the path as the client wrote it: one of its parts may hold an encoded slash. Without the query."""
    raw: bytes | None = scope.get("raw_path")
    # Some servers leave the query in `raw_path`, although ASGI says that it has none.
    return raw.decode("latin-1").partition("?")[0] if raw else str(scope["path"])


def header_of(scope: Scope, name: bytes) -> str | None:
    """Looks one header up without building a map of all."""
    return next((value.decode("latin-1") for key, value in scope["headers"] if key == name), None)
