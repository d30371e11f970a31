"""Sends one request to a destination, and reads the answer as an outcome of its events, in Segment's codes."""

from collections.abc import Mapping

import aiohttp

from tifo.destinations.ports import EXCHANGE_CHARACTERS, Exchange, Fate, Outcome
from tifo.destinations.settings import MASK
from tifo.egress.answers import TIMED_OUT, HttpAnswer
from tifo.egress.http import HttpRequest
from tifo.egress.http import send as send_request
from tifo.kernel.clock import Clock

# Segment retries 429 and 5xx. 408 and 425 too say of themselves that a later attempt may succeed.
_RETRIED = frozenset((408, 425, 429))
_SHOWN = frozenset(("content-type", "user-agent"))


async def send(session: aiohttp.ClientSession, request: HttpRequest, clock: Clock) -> Outcome:
    """Never raises for what the network or the destination does. `request.timeout_s` covers the answer's body too."""
    answer = await send_request(session, request, clock)
    shown = _shown(request)
    # Also an address that the egress guard refuses: a person may allow it within the time of the retries.
    if not answer.status:
        return _failed(answer.failure, answer.text, shown)
    if answer.failure == TIMED_OUT:  # a status, and then a body that hangs: the endpoint may not be done either
        return _failed(TIMED_OUT, f"No answer within {request.timeout_s:g} s.", shown)
    exchange = Exchange(shown, f"{answer.status} {answer.reason}\n\n{answer.text}"[:EXCHANGE_CHARACTERS])
    return _judged(answer)._replace(exchange=exchange)


def _judged(answer: HttpAnswer) -> Outcome:
    if answer.is_success:
        return Outcome(Fate.DELIVERED)
    status = answer.status
    if 300 <= status < 400:  # noqa: PLR2004 (HTTP's classes of status)
        # Not followed: the body would go to an address that nobody configured. Segment counts it under its number.
        detail = f"It redirects to {answer.location!r:.200}. Give that address instead."
        return Outcome(Fate.FAILED, str(status), detail)
    detail = answer.text[:EXCHANGE_CHARACTERS] or f"The answer's body is empty, its status {status}."
    if status in _RETRIED or status >= 500:  # noqa: PLR2004 (as above)
        return Outcome(Fate.RETRY, str(status), detail, answer.retry_after_s)
    return Outcome(Fate.FAILED, str(status), detail)


def _failed(code: str, detail: str, request: str) -> Outcome:
    return Outcome(Fate.RETRY, code, detail, exchange=Exchange(request, f"{code}\n\n{detail}"[:EXCHANGE_CHARACTERS]))


def _shown(request: HttpRequest) -> str:
    """Writes the request as people may see it."""
    # All headers but the harmless ones are masked: people set headers of their own, and any of them may be a secret.
    headers = _masked(request.headers)
    start = request.body[:EXCHANGE_CHARACTERS].decode(errors="replace")
    return "\n".join([f"{request.method} {request.url}", *headers, "", start])[:EXCHANGE_CHARACTERS]


def _masked(headers: Mapping[str, str]) -> list[str]:
    return [f"{name}: {value if name.lower() in _SHOWN else MASK}" for name, value in headers.items()]
