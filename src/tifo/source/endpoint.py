"""One POST, to a Segment-compatible endpoint or to any other address."""

import base64
from collections.abc import Mapping

import aiohttp

from tifo.egress.waits import retry_after_s
from tifo.kernel.clock import Clock, system_clock
from tifo.source.answers import Answer

_ANSWER_BYTES = 2_048
TIMEOUT_S = 30.0


def open_session(connector: aiohttp.BaseConnector | None = None) -> aiohttp.ClientSession:
    """A session for the relay; call it in the event loop, and close it.

    The default connector has no limit over all hosts: with one, some dead endpoints would use it up and delay the
    living ones. Cookies are not kept, and answers not decompressed, so that no endpoint can fill our memory.
    """
    return aiohttp.ClientSession(
        connector=connector or aiohttp.TCPConnector(limit=0),
        cookie_jar=aiohttp.DummyCookieJar(),
        auto_decompress=False,
    )


async def post_batch(
    session: aiohttp.ClientSession,
    endpoint: str,
    write_key: str,
    body: bytes,
    *,
    timeout_s: float = TIMEOUT_S,
    clock: Clock = system_clock,
) -> Answer:
    """See `post`. The answer does not hold the write key."""
    address = f"{endpoint.rstrip('/')}/v1/batch"
    answer = await post(session, address, body, _headers(write_key), timeout_s=timeout_s, clock=clock)
    return answer._replace(text=answer.text.replace(write_key, "[write key]"))


async def post(
    session: aiohttp.ClientSession,
    address: str,
    body: bytes,
    headers: Mapping[str, str],
    *,
    timeout_s: float = TIMEOUT_S,
    clock: Clock = system_clock,
) -> Answer:
    """Never raises for what the network or the endpoint does: that is an `Answer`."""
    try:
        async with session.post(
            address,
            data=body,
            headers=headers,
            allow_redirects=False,
            timeout=aiohttp.ClientTimeout(total=timeout_s),
        ) as response:
            text = await _start_of(response)
            return Answer(response.status, text, retry_after_s(response.headers.get("Retry-After"), clock()))
    except TimeoutError:
        return Answer(0, f"No answer within {timeout_s:g} s.")
    except (aiohttp.ClientError, OSError, ValueError) as error:  # ValueError: a host name that cannot be encoded
        return Answer(0, f"{type(error).__name__}: {error}")


async def _start_of(response: aiohttp.ClientResponse) -> str:
    """At most `_ANSWER_BYTES`; an answer that breaks off or hangs after its status still has its status."""
    start = b""
    try:
        while len(start) < _ANSWER_BYTES and (piece := await response.content.read(_ANSWER_BYTES - len(start))):
            start += piece
    except (aiohttp.ClientError, TimeoutError) as error:
        start += f" […{type(error).__name__}]".encode()
    return start.decode(errors="replace")


def _headers(write_key: str) -> Mapping[str, str]:
    credentials = base64.b64encode(f"{write_key}:".encode()).decode()
    return {
        "Authorization": f"Basic {credentials}",
        "Content-Type": "application/json",
        "Accept-Encoding": "identity",
        "User-Agent": "tifo",
    }
