"""LiveLike's webhooks: `POST /webhooks/livelike/{source}`, the source by its slug or id.

Answers 200 once the webhook is on disk; everything else is `{"success": false, "code", "message"}`. A copy of one that
came before is answered with 200 too: LiveLike has done its part.
"""

import time
from collections.abc import Awaitable, Callable, Mapping, MutableMapping, Sequence
from typing import Any, NamedTuple
from urllib.parse import unquote

import msgspec
import structlog
from prometheus_client import Counter

from tifo.kernel.batching import GroupCommit
from tifo.kernel.clock import Clock
from tifo.kernel.errors import NotFound, Overloaded, Rejected, TooLarge, Transient, Unauthorized
from tifo.source.inbox import Intake, ReceivedWebhook, WebhookInbox
from tifo.source.webhooks_in import SIGNATURE_HEADER, SignedForm, is_signed, read_head
from tifo.workspace.model import Catalog, Source

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

ROOT = "/webhooks/livelike/"
MAX_BODY_BYTES = 1 << 20

_FRESH_S = 0.5
_SIGNATURE = SIGNATURE_HEADER.lower().encode()
_STATUS: Mapping[type[Rejected], int] = {NotFound: 404, Unauthorized: 401, TooLarge: 413}
_received = Counter("tifo_webhooks_received", "Requests to the webhooks' address, by answer", ["answer"])
_log = structlog.get_logger(__name__)


class Intakes:
    """The sources that take webhooks, by slug and by id; at most half a second old."""

    def __init__(
        self, inbox: WebhookInbox, catalog: Catalog, *, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._inbox = inbox
        self._catalog = catalog
        self._monotonic = monotonic
        self._known: dict[str, tuple[Source, Intake]] = {}
        self._read_at = float("-inf")

    def of(self, source: str) -> tuple[Source, Intake] | None:
        """Blocks for a moment when it reads the store anew."""
        if self._monotonic() - self._read_at > _FRESH_S:
            sources = {each.id: each for each in self._catalog.sources()}
            pairs = [(sources[each.source_id], each) for each in self._inbox.intakes() if each.source_id in sources]
            self._known = {name: pair for pair in pairs for name in (pair[0].id, pair[0].slug)}
            self._read_at = self._monotonic()
        return self._known.get(source)


class _Answer(NamedTuple):
    status: int
    body: bytes
    headers: Sequence[tuple[bytes, bytes]] = ()


class WebhookApi:
    """The ASGI application. `arrivals` commits to a `WebhookInbox`."""

    def __init__(self, arrivals: GroupCommit[ReceivedWebhook, bool], intakes: Intakes, clock: Clock) -> None:
        self._arrivals = arrivals
        self._intakes = intakes
        self._clock = clock

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            answer = await self._take(scope, receive)
        except Transient as error:
            status = 429 if isinstance(error, Overloaded) else 503
            retry_after = str(max(1, round(error.retry_after_s))).encode()
            answer = _failure(status, error.code, error.message, [(b"retry-after", retry_after)])
        except Rejected as error:
            _log.warning("webhook_refused", path=scope["path"], code=error.code, message=error.message)
            answer = _failure(_STATUS.get(type(error), 400), error.code, error.message)
        _received.labels(str(answer.status)).inc()
        length = (b"content-length", str(len(answer.body)).encode())
        headers = [(b"content-type", b"application/json"), length, *answer.headers]
        await send({"type": "http.response.start", "status": answer.status, "headers": headers})
        await send({"type": "http.response.body", "body": answer.body})

    async def _take(self, scope: Scope, receive: Receive) -> _Answer:
        if scope["method"] != "POST":
            message = f"{scope['method']} is not taken here. Send a POST."
            return _failure(405, "method_not_allowed", message, [(b"allow", b"POST")])
        name = unquote(scope["path"].removeprefix(ROOT).rstrip("/"))
        pair = self._intakes.of(name)
        if pair is None:
            raise NotFound(
                f"No source {name!r:.100} takes LiveLike's webhooks. Make one do so: tifo source webhooks-in.",
                code="unknown_source",
            )
        source, intake = pair
        if not source.enabled:
            raise Rejected(f"The source {source.slug} is disabled. Enable it, or use another.", code="source_disabled")
        body = await _body(receive)
        _check_signature(dict(scope["headers"]).get(_SIGNATURE, b"").decode("latin-1"), body, intake)
        head = read_head(body)
        arrived = ReceivedWebhook(source.id, head.id, head.event, body, self._clock())
        is_new = await self._arrivals.submit(arrived)
        return _Answer(200, msgspec.json.encode({"success": True, "duplicate": not is_new}))


def _check_signature(sent: str, body: bytes, intake: Intake) -> None:
    if not sent:
        raise Unauthorized(f"There is no {SIGNATURE_HEADER}. Send the webhook as LiveLike signs it.", code="unsigned")
    if is_signed(body, sent.strip(), intake.client_secret, intake.signed_form):
        return
    remedy = "Check the client secret that the source was given."
    if intake.signed_form is SignedForm.BYTES and is_signed(body, sent, intake.client_secret, SignedForm.COMPACT):
        remedy = (
            "It fits the body written compactly: to take that, set tifo source webhooks-in SOURCE --signed compact."
        )
    raise Unauthorized(f"{SIGNATURE_HEADER} does not fit the body. {remedy}", code="wrong_signature")


async def _body(receive: Receive) -> bytes:
    parts: list[bytes] = []
    size, more = 0, True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise Rejected("The client went away before its request was complete.", code="client_disconnected")
        part = message.get("body", b"")
        size += len(part)
        if size > MAX_BODY_BYTES:
            raise TooLarge(f"The body is larger than {MAX_BODY_BYTES:,} bytes.", code="payload_too_large")
        parts.append(part)
        more = message.get("more_body", False)
    return b"".join(parts)


def _failure(status: int, code: str, message: str, headers: Sequence[tuple[bytes, bytes]] = ()) -> _Answer:
    return _Answer(status, msgspec.json.encode({"success": False, "code": code, "message": message}), headers)
