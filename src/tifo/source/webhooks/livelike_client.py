"""Gets resources of LiveLike's API. After a failure it makes no request for a pause."""

from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

import aiohttp
import msgspec

from tifo.egress.http import fetch
from tifo.kernel.errors import NotFound, Transient
from tifo.source.answers import BACKOFF

TIMEOUT_S = 10.0
_ANSWER_BYTES = 4 << 20


class LiveLikeClient:
    """Asks the API with one source's token. Used on one event loop."""

    def __init__(
        self, session: aiohttp.ClientSession, base: str, token: str, *, monotonic: Callable[[], float], timeout_s: float
    ) -> None:
        self._session = session
        self._base = base.rstrip("/") + "/"
        self._token = token
        self._monotonic = monotonic
        self._timeout_s = timeout_s
        self._failures = 0
        self._down_until = float("-inf")
        self._trouble = ""

    async def get(self, path: str) -> Mapping[str, Any]:
        """Raises `NotFound` for what LiveLike does not know, `Transient` for all else that goes wrong.

        Until the pause after a failure is over, every call raises `Transient` without a request.
        """
        if (left_s := self._down_until - self._monotonic()) > 0:
            raise Transient(self._trouble, retry_after_s=left_s)
        # Answers are not decompressed (egress/http.py), so none may be compressed.
        headers = {"Authorization": f"Bearer {self._token}", "Accept-Encoding": "identity"}
        try:
            status, body = await fetch(
                self._session, self._base + path, headers, timeout_s=self._timeout_s, limit_bytes=_ANSWER_BYTES
            )
        except Transient as error:
            raise self._failed(error.message) from error
        if status == 404:  # noqa: PLR2004 (HTTP's own)
            raise NotFound(f"LiveLike's API does not know {path}.")
        if status != 200:  # noqa: PLR2004 (likewise)
            raise self._failed(f"{status} for {path}" + (": check the token" if status in {401, 403} else ""))
        try:
            answer = msgspec.json.decode(body, type=dict[str, Any])
        except (msgspec.DecodeError, RecursionError) as error:
            raise self._failed(f"no JSON object for {path}") from error
        self._failures = 0
        return answer

    def _failed(self, what: str) -> Transient:
        """Starts a pause, which grows with each failure."""
        # Many look-ups run side by side: those that fail together are one failure.
        if self._monotonic() >= self._down_until:
            self._failures += 1
            self._down_until = self._monotonic() + BACKOFF.pause_s(self._failures, 1.0)
        # The answer of a proxy may repeat the token, and troubles are stored and shown.
        self._trouble = f"LiveLike's API at {self._base} fails: {what}".replace(self._token, "[token]")
        return Transient(self._trouble, retry_after_s=max(0.0, self._down_until - self._monotonic()))


def text(resource: Mapping[str, Any], field: str) -> str:
    """Reads a field. Raises `NotFound` where it is missing or empty."""
    value = text_or_none(resource, field)
    if value is None:
        raise NotFound(f"LiveLike's API answered without {field}.")
    return value


def text_or_none(resource: Mapping[str, Any], field: str) -> str | None:
    value = resource.get(field)
    return value if isinstance(value, str) and value else None


def number(resource: Mapping[str, Any], field: str) -> Decimal:
    """Reads a number, which LiveLike writes as a number or as text. Raises `NotFound` for anything else."""
    value = resource.get(field)
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise NotFound(f"LiveLike's API answered without {field}.")
    try:
        return Decimal(str(value)).normalize() + 0
    except ArithmeticError as error:
        raise NotFound(f"LiveLike's API answered with {field} {value!r:.40}, which is no number.") from error


def objects(resource: Mapping[str, Any], field: str) -> list[Mapping[str, Any]]:
    """Reads a list of objects; returns an empty one where there is none."""
    value = resource.get(field)
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []
