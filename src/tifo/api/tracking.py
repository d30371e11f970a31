"""The Tracking API receives messages over HTTP and appends them to the event log.

It is a plain ASGI application: a router before it would halve its rate. It answers exactly 200 `{"success": true}` once
the events are durable; everything else is `{"success": false, "code", "message"}`, which all official clients read.
"""

import asyncio
from collections.abc import Callable, Mapping
from datetime import datetime
from math import ceil

from prometheus_client import Counter

from tifo.api.bodies import batch_too_large, gunzip, is_gzip
from tifo.api.cors import CORS, preflight
from tifo.api.failures import failure
from tifo.api.keys import basic_user, key_in_query
from tifo.api.plans import PlanBook, SourcePlan
from tifo.eventlog.ports import Append, Appended
from tifo.kernel.batching import GroupCommit
from tifo.kernel.clock import Clock
from tifo.kernel.errors import Overloaded, Rejected, Transient, Unauthorized
from tifo.kernel.ids import NewId, SourceId
from tifo.tracking.limits import MAX_BODY_BYTES, MAX_COUNTED_BYTES
from tifo.tracking.plans.codes import FILTERED_AT_SOURCE
from tifo.tracking.rates import SourceRateLimit
from tifo.tracking.requests import BATCH, Read, count_events, read_messages, read_request, refusal
from tifo.web.asgi import HttpResponse, Receive, Scope, Send, read_body, respond
from tifo.workspace.model import Source

SourceOf = Callable[[str], Source | None]
"""Looks a write key's source up in constant time: the time of a refusal must not show how near a wrong key is."""

UNKNOWN_SOURCE = SourceId("")
"""The log counts refused requests under it where the write key names no source."""

_CALLS = {f"/v1/{call}": call for call in ("track", "identify", "page", "screen", "group", "alias", BATCH)}
_CALLS["/v1/import"] = BATCH  # Segment's older name
_CALLS |= {f"/v1/{call[0]}": call for call in _CALLS.values()}  # as Segment's browser client writes them
BEACON = "/beacon/v1/"
_CALLS[f"{BEACON}batch"] = BATCH  # as RudderStack's browser client sends beacons
_EXPOSED = (b"access-control-expose-headers", b"retry-after, x-ratelimit-reset")
"""A browser shows its page only the headers named here, so the page would not know how long to wait."""
_ALWAYS = (CORS, _EXPOSED)
_throttled = Counter("tifo_ingest_throttled_requests", "Requests that were answered with 429 or 503", ["code"])
_events = Counter("tifo_ingest_events", "Messages that the Tracking API received, by outcome", ["outcome"])

TOO_MANY = 429
_NO_LIMIT = SourceRateLimit(0)
# RudderStack's Python client retries every success but exactly 200, and then fails. No client reads the body.
_OK = HttpResponse(200, b'{"success": true}')


class TrackingApi:
    """Answers Tracking API requests. `log` appends to the event log: full it gives 429, out of reach 503."""

    def __init__(
        self,
        log: GroupCommit[Append, Appended],
        source_of: SourceOf,
        clock: Clock,
        new_id: NewId,
        *,
        rate_limit: SourceRateLimit = _NO_LIMIT,
        plans: PlanBook | None = None,
    ) -> None:
        self._log = log
        self._source_of = source_of
        self._clock = clock
        self._new_id = new_id
        self._rates = rate_limit
        self._plans = plans

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        call = _CALLS.get(scope["path"].rstrip("/"))
        if scope["method"] == "OPTIONS":
            answer = preflight(scope, b"POST, OPTIONS")
        elif call is None:
            answer = failure(404, "not_found", f"There is no {scope['path']:.100}. Known: {', '.join(_CALLS)}.")
        elif scope["method"] != "POST":
            message = f"{scope['method']} is not allowed here. Send a POST."
            answer = failure(405, "method_not_allowed", message, [(b"allow", b"POST, OPTIONS")])
        else:
            answer = await self._answer(call, scope, receive)
        await respond(send, answer, _ALWAYS)

    async def _answer(self, call: str, scope: Scope, receive: Receive) -> HttpResponse:
        headers = dict(scope["headers"])
        sent_key, source_id, events = _sent_key(scope, headers), UNKNOWN_SOURCE, 1
        try:
            compressed = is_gzip(headers)
            named = self._source_of(sent_key) if sent_key else None
            # A stranger's body is not read further than it may be accepted.
            limit = MAX_BODY_BYTES if named is None else MAX_COUNTED_BYTES
            body = await read_body(receive, limit, batch_too_large)
            if named is not None:
                source_id = named.id
                self._rates.check(source_id)  # before the body is parsed, which costs more
            if compressed:
                body = gunzip(body, limit)
            if len(body) > MAX_BODY_BYTES:
                # In a thread: a body of brackets takes half a second.
                events = await asyncio.to_thread(count_events, call, body)
                raise batch_too_large()
            return await self._accept(call, sent_key, source_id, body)
        except Transient as error:
            return _try_later(error)
        except Rejected as error:
            return await self._reject(source_id, error, b"", events)

    async def _accept(self, call: str, sent_key: str | None, source_id: SourceId, body: bytes) -> HttpResponse:
        events = 1
        try:
            request = read_request(call, body)
            events = len(request.items)
            # Segment documents the body's key as the primary one; RudderStack's clients send HTTP Basic only.
            source = self._source(request.key or sent_key)
            source_id = source.id
            self._rates.check(source_id)
            self._rates.spend(source_id, events)
            plan = self._plans.of(source_id) if self._plans else None
            received_at = self._clock()
            read = read_messages(request, received_at, self._new_id, plan.check if plan else None)
        except Rejected as error:
            return await self._reject(source_id, error, body, events)
        # Apart, and only where it is needed: each coroutine more costs a fiftieth of the Tracking API's own time.
        if plan is not None and read.unplanned:
            await self._forward(plan, read, received_at)
        await self._log.submit(Append(source_id, received_at, read.good, read.refused))
        # Counted after the append: a request that the log refuses comes again, and must not be counted twice.
        _events.labels("received").inc(len(read.good))
        if read.unplanned and self._plans is not None:
            self._plans.note(source_id, read.unplanned, received_at)
        return self._outcome(read)

    async def _forward(self, plan: SourcePlan, read: Read, received_at: datetime) -> None:
        """Appends what the source's plan forwards to other sources, before the messages themselves."""
        # A crash in between leaves the client without an answer: it sends the request again, and the log drops the
        # forwarded events that it has already. In the other order a crash would lose them.
        for forwarded in plan.forwards(read.unplanned, received_at):
            await self._log.submit(forwarded)

    @staticmethod
    def _outcome(read: Read) -> HttpResponse:
        """Counts the messages. Those that the tracking plan filtered do not make the request a failure."""
        faults = [each for each in read.refused if each.code not in FILTERED_AT_SOURCE]
        if faults:
            _events.labels("refused").inc(len(faults))
        if len(faults) < len(read.refused):
            _events.labels("filtered").inc(len(read.refused) - len(faults))
        # Ours: a batch with any good message is a 200, though Segment documents a 400 for what is too large. No client
        # splits a refused batch and sends it again, so a 400 would lose the good messages.
        if faults and not read.good and len(faults) == len(read.refused):
            return failure(400, faults[0].code, faults[0].detail)
        return _OK

    def _source(self, write_key: str | None) -> Source:
        source = self._source_of(write_key) if write_key else None
        # Segment answers 200 and drops the messages. Ours: whoever mistypes a key learns of it.
        if source is None:
            what = "The write key is not known here" if write_key else "There is no write key"
            raise Unauthorized(
                f"{what}. Send a source's write key as the user of HTTP Basic, or as writeKey in the body.",
                code="unknown_source",
            )
        if not source.enabled:
            raise Rejected(
                f"The source {source.name!r} is disabled. Enable it, or use another's write key.",
                code="source_disabled",
            )
        return source

    async def _reject(self, source_id: SourceId, error: Rejected, sample: bytes, events: int = 1) -> HttpResponse:
        """Counts the events of a request that is refused whole in the log, then answers it."""
        _events.labels("refused").inc(events)
        try:
            await self._log.submit(Append(source_id, self._clock(), (), (refusal(error, sample, events),)))
        except Transient as busy:
            return _try_later(busy)
        return failure(401 if isinstance(error, Unauthorized) else 400, error.code, error.message)


def _sent_key(scope: Scope, headers: Mapping[bytes, bytes]) -> str | None:
    """Returns the write key that stands outside of the body."""
    # RudderStack's browser client sends beacons, which have no headers: its key is in the query.
    if scope["path"].startswith(BEACON):
        return key_in_query(scope)
    return basic_user(headers.get(b"authorization", b""))


def _try_later(error: Transient) -> HttpResponse:
    status = TOO_MANY if isinstance(error, Overloaded) else 503
    _throttled.labels(error.code).inc()
    retry_after = str(max(1, ceil(error.retry_after_s))).encode()
    # Segment sends both with a 429. Its Node client reads Retry-After with a 429 only, its Python client with any
    # retry.
    headers = [(b"retry-after", retry_after), (b"x-ratelimit-reset", retry_after)]
    return failure(status, error.code, error.message, headers if status == TOO_MANY else headers[:1])
