"""One request to a destination, and what its answer means for the events in it: Segment's codes.

A redirect is not followed: it counts as a refusal under its number, and says where to. An address that the egress guard
refuses may be allowed by a person, so it is tried again.
"""

import errno
import socket
import ssl
from collections.abc import Mapping
from datetime import datetime

import aiohttp

from tifo.destinations.ports import EXCHANGE_CHARACTERS, Exchange, Fate, Outcome
from tifo.egress.waits import retry_after_s
from tifo.kernel.clock import Clock

_ANSWER_BYTES = 4_096
_AGAIN = frozenset((408, 425, 429))
_ERRNOS = {
    errno.ECONNREFUSED: "ECONNREFUSED",
    errno.ECONNRESET: "ECONNRESET",
    errno.ECONNABORTED: "ECONNABORTED",
    errno.EHOSTUNREACH: "EHOSTUNREACH",
    errno.ENETUNREACH: "EHOSTUNREACH",
    errno.ETIMEDOUT: "ETIMEDOUT",
    errno.EPIPE: "ECONNRESET",
    errno.EACCES: "EACCES",
}
_SHOWN = frozenset(("content-type", "user-agent"))
_MASK = "••••"


async def send(
    session: aiohttp.ClientSession,
    method: str,
    url: str,
    body: bytes,
    headers: Mapping[str, str],
    *,
    timeout_s: float,
    clock: Clock,
) -> Outcome:
    """Never raises for what the network or the destination does. `timeout_s` covers the answer's body too."""
    shown = _request(method, url, headers, body)
    try:
        async with session.request(
            method,
            url,
            data=body,
            headers=headers,
            allow_redirects=False,
            timeout=aiohttp.ClientTimeout(total=timeout_s),
        ) as response:
            text = await _start_of(response)
            exchange = Exchange(shown, f"{response.status} {response.reason or ''}\n\n{text}"[:EXCHANGE_CHARACTERS])
            after = response.headers.get("Retry-After")
            return _judged(response.status, text, response.headers.get("Location"), after, clock())._replace(
                exchange=exchange
            )
    except TimeoutError:
        return _failed("ETIMEDOUT", f"No answer within {timeout_s:g} s.", shown)
    except (aiohttp.ClientError, OSError, ValueError) as error:  # ValueError: a host name that cannot be encoded
        return _failed(_code(error), f"{type(error).__name__}: {error}", shown)


def _judged(status: int, text: str, location: str | None, after: str | None, now: datetime) -> Outcome:
    if 200 <= status < 300:  # noqa: PLR2004 (HTTP's classes of status)
        return Outcome(Fate.DELIVERED)
    detail = text[:_ANSWER_BYTES] or f"The answer's body is empty, its status {status}."
    if 300 <= status < 400:  # noqa: PLR2004 (as above)
        return Outcome(Fate.FAILED, str(status), f"It redirects to {location!r:.200}. Give that address instead.")
    if status in _AGAIN or status >= 500:  # noqa: PLR2004 (as above)
        return Outcome(Fate.RETRY, str(status), detail, retry_after_s(after, now))
    return Outcome(Fate.FAILED, str(status), detail)


def _failed(code: str, detail: str, request: str) -> Outcome:
    return Outcome(Fate.RETRY, code, detail, exchange=Exchange(request, f"{code}\n\n{detail}"[:EXCHANGE_CHARACTERS]))


def _code(error: BaseException) -> str:
    if isinstance(error, aiohttp.ClientConnectorDNSError):
        cause = error.os_error
        return "EAI_AGAIN" if getattr(cause, "errno", None) == socket.EAI_AGAIN else "ENOTFOUND"
    if isinstance(error, aiohttp.ClientSSLError | ssl.SSLError):
        return "EPROTO"
    if isinstance(error, aiohttp.ServerDisconnectedError | aiohttp.ClientPayloadError):
        return "ECONNRESET"
    number = getattr(error, "errno", None) or getattr(getattr(error, "os_error", None), "errno", None)
    if number in _ERRNOS:
        return _ERRNOS[number]
    return "EPROTO" if isinstance(error, aiohttp.ClientResponseError) else "ECONNRESET"


def _request(method: str, url: str, headers: Mapping[str, str], body: bytes) -> str:
    told = [f"{name}: {value if name.lower() in _SHOWN else _MASK}" for name, value in headers.items()]
    start = body[:EXCHANGE_CHARACTERS].decode(errors="replace")
    return "\n".join([f"{method} {url}", *told, "", start])[:EXCHANGE_CHARACTERS]


async def _start_of(response: aiohttp.ClientResponse) -> str:
    """At most `_ANSWER_BYTES`. The status is there already: a body that breaks off changes nothing about it."""
    start = b""
    try:
        while len(start) < _ANSWER_BYTES and (piece := await response.content.read(_ANSWER_BYTES - len(start))):
            start += piece
    except aiohttp.ClientError as error:
        start += f" […{type(error).__name__}]".encode()
    return start.decode(errors="replace")
