"""`/ready`: says what the node needs and lacks, for load balancers and monitors. `/health` says that it lives.

It needs no token, as a monitor has none, and shows nothing of the installation but that.
"""

import asyncio
from collections.abc import Callable

import msgspec

from tifo.api.failures import failure
from tifo.operations.readiness import Need, NeedStatus, Readiness
from tifo.web.asgi import HttpResponse, Receive, Scope, Send, respond

ROOT = "/ready"
_RETRY_AFTER = (b"retry-after", b"1")


class ReadyApi:
    """Answers 200 where nothing is lacking, else 503 with the reasons. One look answers all who ask meanwhile."""

    def __init__(self, look: Callable[[], Readiness]) -> None:
        self._look = look
        self._looking: asyncio.Task[Readiness] | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002 (ASGI's shape)
        await respond(send, await self._answer(scope))

    async def _answer(self, scope: Scope) -> HttpResponse:
        if scope["path"].rstrip("/") != ROOT:
            return failure(404, "not_found", f"There is no {scope['path']:.100}. Known: {ROOT}.")
        if scope["method"] not in {"GET", "HEAD"}:
            return failure(405, "method_not_allowed", "Send a GET.", [(b"allow", b"GET, HEAD")])
        if self._looking is None or self._looking.done():
            self._looking = asyncio.create_task(asyncio.to_thread(self._look))
        seen = await asyncio.shield(self._looking)
        headers = () if seen.is_ready else (_RETRY_AFTER,)
        body = b"" if scope["method"] == "HEAD" else msgspec.json.encode(_shown(seen))
        return HttpResponse(200 if seen.is_ready else 503, body, headers)


def _shown(seen: Readiness) -> dict[str, object]:
    return {
        "status": "ready" if seen.is_ready else "not ready",
        "reasons": seen.reasons,
        **{name: _shown_need(need) for name, need in seen.needs.items()},
        "roles": {name: _shown_need(need) for name, need in seen.roles.items()},
    }


def _shown_need(need: Need) -> dict[str, object]:
    shown: dict[str, object] = {"status": need.status.value}
    if need.status is not NeedStatus.UP and need.reason:
        shown["reason"] = need.reason
    if need.free_bytes is not None:
        shown["free_bytes"] = need.free_bytes
    return shown
