"""Sends all requests to other machines: limits their time and size, and returns failures as values."""

import errno
import socket
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

import aiohttp
from yarl import URL

from tifo.egress.answers import TIMED_OUT, HttpAnswer
from tifo.egress.guard import guarded_connector
from tifo.egress.rules import Egress
from tifo.egress.waits import retry_after_s
from tifo.kernel.clock import Clock
from tifo.kernel.errors import Transient

_CODES = {
    errno.ECONNREFUSED: "ECONNREFUSED",
    errno.ECONNRESET: "ECONNRESET",
    errno.ECONNABORTED: "ECONNABORTED",
    errno.EHOSTUNREACH: "EHOSTUNREACH",
    # Segment's codes have none for these two: the nearest stands for them.
    errno.ENETUNREACH: "EHOSTUNREACH",
    errno.ETIMEDOUT: TIMED_OUT,
    errno.EPIPE: "ECONNRESET",
    errno.EACCES: "EACCES",
}
_FAILURES = (aiohttp.ClientError, OSError, ValueError)
"""Errors that end a request. ValueError: a host name that cannot be encoded. TimeoutError is an OSError."""


@dataclass(frozen=True, kw_only=True, slots=True)
class HttpRequest:
    url: str
    body: bytes
    headers: Mapping[str, str]
    method: str = "POST"
    timeout_s: float = 30.0
    """Covers everything, the answer's body too."""
    answer_bytes: int = 4_096
    """Bytes of the answer's body that are read; the rest is left on the wire."""


class Fetched(NamedTuple):
    status: int
    body: bytes


def open_session(connector: aiohttp.BaseConnector | None = None) -> aiohttp.ClientSession:
    """Opens a session that reaches every address: for Tifo's own endpoint. Call it in the event loop, and close it."""
    return aiohttp.ClientSession(
        # No limit over all hosts: some dead hosts would use it up and delay the others.
        connector=connector or aiohttp.TCPConnector(limit=0),
        # Cookies are not stored and answers not decompressed, so that no endpoint can fill our memory.
        cookie_jar=aiohttp.DummyCookieJar(),
        auto_decompress=False,
    )


def open_guarded_session(egress: Egress) -> aiohttp.ClientSession:
    """Opens a session that reaches allowed addresses only: for every address that someone configured."""
    return open_session(guarded_connector(egress))


async def send(session: aiohttp.ClientSession, request: HttpRequest, clock: Clock) -> HttpAnswer:
    """Sends one request, and follows no redirect.

    Never raises for what the network or the endpoint does.
    """
    try:
        async with session.request(
            request.method,
            request.url,
            data=request.body,
            headers=request.headers,
            # A signed or authorized body must not go where nobody sent it.
            allow_redirects=False,
            timeout=aiohttp.ClientTimeout(total=request.timeout_s),
        ) as response:
            text, failure = await _start_of(response, request.answer_bytes)
            return HttpAnswer(
                status=response.status,
                text=text,
                retry_after_s=retry_after_s(response.headers.get("Retry-After"), clock()),
                failure=failure,
                reason=response.reason or "",
                location=response.headers.get("Location"),
            )
    except _FAILURES as error:
        return HttpAnswer(0, _words(error, request.timeout_s), failure=_code(error))


async def fetch(
    session: aiohttp.ClientSession, url: str, headers: Mapping[str, str], *, timeout_s: float, limit_bytes: int
) -> Fetched:
    """Gets a document whole. Follows redirects; a guarded session judges the address of each.

    `url` is sent as it is written. Raises `Transient` where no answer came, where its body broke off, and where it is
    larger than `limit_bytes`.
    """
    try:
        timeout = aiohttp.ClientTimeout(total=timeout_s)
        # `encoded`: else yarl decodes and quotes the address anew, and a signed or encoded part may come out changed.
        async with session.get(URL(url, encoded=True), headers=headers, timeout=timeout) as response:
            body = b""
            async for piece in response.content.iter_any():
                body += piece
                if len(body) > limit_bytes:
                    raise Transient(f"its answer has more than {limit_bytes:,} bytes")
            return Fetched(response.status, body)
    except _FAILURES as error:
        raise Transient(_words(error, timeout_s)) from error


async def _start_of(response: aiohttp.ClientResponse, limit_bytes: int) -> tuple[str, str]:
    """Returns the start of the body, and the code of what broke it off.

    The status is there already, so a body that breaks off or hangs is no failure of the request as a whole.
    """
    start, failure = b"", ""
    try:
        while len(start) < limit_bytes and (piece := await response.content.read(limit_bytes - len(start))):
            start += piece
    except (aiohttp.ClientError, TimeoutError) as error:
        start += f" […{type(error).__name__}]".encode()
        failure = _code(error)
    return start.decode(errors="replace"), failure


def _words(error: BaseException, timeout_s: float) -> str:
    if isinstance(error, TimeoutError):
        return f"No answer within {timeout_s:g} s."
    return f"{type(error).__name__}: {error}"


def _code(error: BaseException) -> str:
    if isinstance(error, TimeoutError):
        return TIMED_OUT
    # The order matters: aiohttp's DNS and TLS errors are OSErrors too, some with an errno of their own.
    if isinstance(error, aiohttp.ClientConnectorDNSError):
        cause = error.os_error
        # Only this errno says that the name server is away for a moment; any other says that it does not know the name.
        return "EAI_AGAIN" if getattr(cause, "errno", None) == socket.EAI_AGAIN else "ENOTFOUND"
    if isinstance(error, aiohttp.ClientSSLError | ssl.SSLError):
        return "EPROTO"
    if isinstance(error, aiohttp.ServerDisconnectedError | aiohttp.ClientPayloadError):
        return "ECONNRESET"
    number = getattr(error, "errno", None) or getattr(getattr(error, "os_error", None), "errno", None)
    if number in _CODES:
        return _CODES[number]
    return "EPROTO" if isinstance(error, aiohttp.ClientResponseError) else "ECONNRESET"
