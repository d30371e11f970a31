"""Receives LiveLike's webhooks at `POST /webhooks/livelike/{source}`; the source stands there by its slug or id.

The answer is 200 once the webhook is on disk; everything else is `{"success": false, "code", "message"}`.
"""

import time
from collections.abc import Callable, Mapping
from urllib.parse import unquote

import msgspec
import structlog
from prometheus_client import Counter

from tifo.api.failures import failure
from tifo.kernel.batching import GroupCommit
from tifo.kernel.clock import Clock
from tifo.kernel.errors import NotFound, Overloaded, Rejected, TooLarge, Transient, Unauthorized
from tifo.source.webhooks.inbox import Intake, ReceivedWebhook, WebhookInbox
from tifo.source.webhooks.incoming import SIGNATURE_HEADER, SignedForm, is_signed, read_head
from tifo.web.asgi import HttpResponse, Receive, Scope, Send, read_body, respond
from tifo.workspace.model import Catalog, Source

ROOT = "/webhooks/livelike/"
MAX_BODY_BYTES = 1 << 20

_FRESH_S = 0.5
_SIGNATURE = SIGNATURE_HEADER.lower().encode()
_STATUS: Mapping[type[Rejected], int] = {NotFound: 404, Unauthorized: 401, TooLarge: 413}
_received = Counter("tifo_webhooks_received", "Requests to the webhooks' address, by answer", ["answer"])
_log = structlog.get_logger(__name__)


class Intakes:
    """Finds the sources that receive webhooks, by slug and by id. Its knowledge is at most half a second old."""

    def __init__(
        self, inbox: WebhookInbox, catalog: Catalog, *, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._inbox = inbox
        self._catalog = catalog
        self._monotonic = monotonic
        self._known: dict[str, tuple[Source, Intake]] = {}
        self._read_at = float("-inf")

    def of(self, source: str) -> tuple[Source, Intake] | None:
        """Blocks while it reads the store again."""
        if self._monotonic() - self._read_at > _FRESH_S:
            # A source may be removed while its intake's settings are still there.
            sources = {each.id: each for each in self._catalog.sources()}
            pairs = [(sources[each.source_id], each) for each in self._inbox.intakes() if each.source_id in sources]
            self._known = {name: pair for pair in pairs for name in (pair[0].id, pair[0].slug)}
            self._read_at = self._monotonic()
        return self._known.get(source)


class WebhookApi:
    """Receives webhooks as an ASGI application. `arrivals` stores them in a `WebhookInbox`, many in one commit."""

    def __init__(self, arrivals: GroupCommit[ReceivedWebhook, bool], intakes: Intakes, clock: Clock) -> None:
        self._arrivals = arrivals
        self._intakes = intakes
        self._clock = clock

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            answer = await self._accept(scope, receive)
        except Transient as error:
            status = 429 if isinstance(error, Overloaded) else 503
            retry_after = str(max(1, round(error.retry_after_s))).encode()
            answer = failure(status, error.code, error.message, [(b"retry-after", retry_after)])
        except Rejected as error:
            _log.warning("webhook_refused", path=scope["path"], code=error.code, message=error.message)
            answer = failure(_STATUS.get(type(error), 400), error.code, error.message)
        _received.labels(str(answer.status)).inc()
        await respond(send, answer)

    async def _accept(self, scope: Scope, receive: Receive) -> HttpResponse:
        if scope["method"] != "POST":
            message = f"{scope['method']} is not allowed here. Send a POST."
            return failure(405, "method_not_allowed", message, [(b"allow", b"POST")])
        source, intake = self._intake(unquote(scope["path"].removeprefix(ROOT).rstrip("/")))
        body = await read_body(receive, MAX_BODY_BYTES)
        _check_signature(dict(scope["headers"]).get(_SIGNATURE, b"").decode("latin-1"), body, intake)
        # After the signature: nothing of an unsigned body is decoded.
        head = read_head(body)
        received = ReceivedWebhook(
            source_id=source.id, webhook_id=head.id, event=head.event, body=body, received_at=self._clock()
        )
        is_new = await self._arrivals.submit(received)
        # A copy is answered with 200 too: any other answer would make LiveLike send it again.
        return HttpResponse(200, msgspec.json.encode({"success": True, "duplicate": not is_new}))

    def _intake(self, name: str) -> tuple[Source, Intake]:
        """Raises `NotFound` where no source receives webhooks under this name, `Rejected` for a disabled source."""
        # Blocks the event loop for one read of the store, at most every half second.
        pair = self._intakes.of(name)
        if pair is None:
            raise NotFound(
                f"No source {name!r:.100} receives LiveLike's webhooks. Set one up: tifo source webhooks-in.",
                code="unknown_source",
            )
        source = pair[0]
        if not source.enabled:
            raise Rejected(f"The source {source.slug} is disabled. Enable it, or use another.", code="source_disabled")
        return pair


def _check_signature(sent: str, body: bytes, intake: Intake) -> None:
    if not sent:
        raise Unauthorized(f"There is no {SIGNATURE_HEADER}. Send the webhook as LiveLike signs it.", code="unsigned")
    if is_signed(body, sent.strip(), intake.client_secret, intake.signed_form):
        return
    remedy = "Check the client secret that is set for the source."
    if intake.signed_form is SignedForm.BYTES and is_signed(body, sent, intake.client_secret, SignedForm.COMPACT):
        remedy = (
            "It fits the body written compactly: to accept that, set tifo source webhooks-in SOURCE --signed compact."
        )
    raise Unauthorized(f"{SIGNATURE_HEADER} does not fit the body. {remedy}", code="wrong_signature")
