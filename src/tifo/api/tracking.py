"""The Tracking API as a plain ASGI application: no router stands between the socket and the log.

Answers exactly 200 `{"success": true}` once the events are durable; everything else is
`{"success": false, "code", "message"}`, which all official clients can read.
"""

import base64
import binascii
import zlib
from collections.abc import Awaitable, Callable, MutableMapping, Sequence
from math import ceil
from typing import Any, NamedTuple

import msgspec
from prometheus_client import Counter

from tifo.api.plans import PlanBook
from tifo.eventlog.ports import Append, Appended
from tifo.kernel.batching import GroupCommit
from tifo.kernel.clock import Clock
from tifo.kernel.errors import Overloaded, Rejected, TooLarge, Transient, Unauthorized
from tifo.kernel.ids import NewId, SourceId
from tifo.tracking.envelope import Refused
from tifo.tracking.limits import MAX_BODY_BYTES, SAMPLE_BYTES
from tifo.tracking.plans.codes import FILTERED_AT_SOURCE
from tifo.tracking.rates import SourceRateLimit
from tifo.tracking.requests import BATCH, Read, read_messages, read_request
from tifo.workspace.model import Source

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
SourceOf = Callable[[str], Source | None]
"""The source of a write key, looked up without telling by its time how near a wrong key is."""

UNKNOWN_SOURCE = SourceId("")
"""Refusals that no write key says whose they are, are counted here."""

_CALLS = {f"/v1/{call}": call for call in ("track", "identify", "page", "screen", "group", "alias", BATCH)}
_CALLS["/v1/import"] = BATCH
_CALLS |= {f"/v1/{call[0]}": call for call in _CALLS.values()}  # as Segment's browser client writes them
_SUCCESS = b'{"success": true}'
_JSON = (b"content-type", b"application/json")
CORS = (b"access-control-allow-origin", b"*")
_PREFLIGHT = [
    (b"access-control-allow-methods", b"POST, OPTIONS"),
    (b"access-control-allow-headers", b"authorization, content-type, content-encoding, x-retry-count"),
    (b"access-control-max-age", b"86400"),
]
_EXPOSED = (b"access-control-expose-headers", b"retry-after, x-ratelimit-reset")
"""Without it a browser hides from its page how long to wait."""
_throttled = Counter("tifo_ingest_throttled_requests", "Requests that were told to come again later", ["code"])
_events = Counter("tifo_ingest_events", "Messages that the Tracking API was sent, by outcome", ["outcome"])


class _Answer(NamedTuple):
    status: int
    body: bytes
    headers: Sequence[tuple[bytes, bytes]] = ()


TOO_MANY = 429
_NO_LIMIT = SourceRateLimit(0)
_OK = _Answer(200, _SUCCESS)


class TrackingApi:
    """The ASGI application. `log` commits to an event log; it may refuse: `Overloaded` is 429, `Transient` 503."""

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
            answer = _Answer(204, b"", _PREFLIGHT)
        elif call is None:
            answer = _failure(404, "not_found", f"There is no {scope['path']:.100}. Known: {', '.join(_CALLS)}.")
        elif scope["method"] != "POST":
            message = f"{scope['method']} is not taken here. Send a POST."
            answer = _failure(405, "method_not_allowed", message, [(b"allow", b"POST, OPTIONS")])
        else:
            answer = await self._answer(call, dict(scope["headers"]), receive)
        await _send(send, answer)

    async def _answer(self, call: str, headers: dict[bytes, bytes], receive: Receive) -> _Answer:
        try:
            body = await _body(headers, receive)
            return await self._take(call, headers, body)
        except Transient as error:
            return _try_later(error)
        except Rejected as error:
            return await self._reject(UNKNOWN_SOURCE, error, b"")

    async def _take(self, call: str, headers: dict[bytes, bytes], body: bytes) -> _Answer:
        source_id = UNKNOWN_SOURCE
        basic = _basic(headers)
        if basic is not None and (named := self._source_of(basic)) is not None:
            source_id = named.id
            self._rates.check(source_id)  # before the body is looked at, which costs more
        try:
            request = read_request(call, body)
            source = self._source(request.write_key or basic)
            source_id = source.id
            self._rates.check(source_id)
            self._rates.spend(source_id, len(request.items))
            watch = self._plans.of(source_id) if self._plans else None
            received_at = self._clock()
            read = read_messages(request, received_at, self._new_id, watch.check if watch else None)
        except Rejected as error:
            return await self._reject(source_id, error, body)
        append = Append(source_id, received_at, read.good, read.refused)
        if watch is not None and read.unplanned:
            await self._append(watch.forwards(read.unplanned, received_at))
        await self._log.submit(append)
        _events.labels("received").inc(len(read.good))
        if watch is not None and read.unplanned:
            watch.note(read.unplanned, received_at)
        return self._outcome(read)

    async def _append(self, appends: Sequence[Append]) -> None:
        """Before what they came of is acknowledged: a client that has no answer sends it again, and they are known."""
        for append in appends:
            await self._log.submit(append)

    @staticmethod
    def _outcome(read: Read) -> _Answer:
        """What a plan keeps out is no fault of the request's."""
        faults = [each for each in read.refused if each.code not in FILTERED_AT_SOURCE]
        if faults:
            _events.labels("refused").inc(len(faults))
        if len(faults) < len(read.refused):
            _events.labels("filtered").inc(len(read.refused) - len(faults))
        if faults and not read.good and len(faults) == len(read.refused):
            return _failure(400, faults[0].code, faults[0].detail)
        return _OK

    def _source(self, write_key: str | None) -> Source:
        source = self._source_of(write_key) if write_key else None
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

    async def _reject(self, source_id: SourceId, error: Rejected, sample: bytes) -> _Answer:
        """A request that is refused whole is counted too, before it is answered."""
        _events.labels("refused").inc()
        refused = Refused(error.code, error.message, sample[:SAMPLE_BYTES])
        try:
            await self._log.submit(Append(source_id, self._clock(), (), (refused,)))
        except Transient as busy:
            return _try_later(busy)
        return _failure(401 if isinstance(error, Unauthorized) else 400, error.code, error.message)


async def _body(headers: dict[bytes, bytes], receive: Receive) -> bytes:
    """Decompressed. Neither what comes in nor what comes out of gzip is held beyond the limit."""
    encoding = headers.get(b"content-encoding", b"identity").strip().lower()
    if encoding not in {b"identity", b"gzip", b""}:
        raise Rejected(f"Content-Encoding {encoding.decode(errors='replace')!r:.40} is not known. Send gzip or none.")
    parts: list[bytes] = []
    size, more = 0, True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise Rejected("The client went away before its request was complete.", code="client_disconnected")
        part = message.get("body", b"")
        size += len(part)
        if size > MAX_BODY_BYTES:
            raise _too_large()
        parts.append(part)
        more = message.get("more_body", False)
    body = parts[0] if len(parts) == 1 else b"".join(parts)
    return _inflate(body) if encoding == b"gzip" else body


def _inflate(body: bytes) -> bytes:
    inflater = zlib.decompressobj(wbits=zlib.MAX_WBITS | 16)
    try:
        content = inflater.decompress(body, MAX_BODY_BYTES + 1)
    except zlib.error as error:
        raise Rejected(f"The body is no gzip: {error}. Leave Content-Encoding out, or compress it.") from error
    if len(content) > MAX_BODY_BYTES:
        raise _too_large()
    if not inflater.eof:
        raise Rejected("The gzip body ends too early. Send it whole.")
    if inflater.unused_data:
        raise Rejected("The gzip body has bytes behind its end. Send one gzip stream, and nothing else.")
    return content


def _too_large() -> TooLarge:
    return TooLarge(
        f"The body is larger than {MAX_BODY_BYTES:,} bytes (decompressed). Send smaller batches.",
        code="payload_too_large",
    )


def _basic(headers: dict[bytes, bytes]) -> str | None:
    """The user of HTTP Basic; a missing colon is forgiven, as Segment does."""
    scheme, _, value = headers.get(b"authorization", b"").partition(b" ")
    if scheme.lower() != b"basic":
        return None
    try:
        return base64.b64decode(value.strip(), validate=True).decode().partition(":")[0] or None
    except (binascii.Error, UnicodeDecodeError):
        return None


def _try_later(error: Transient) -> _Answer:
    status = TOO_MANY if isinstance(error, Overloaded) else 503
    _throttled.labels(error.code).inc()
    retry_after = str(max(1, ceil(error.retry_after_s))).encode()
    headers = [(b"retry-after", retry_after), (b"x-ratelimit-reset", retry_after)]
    return _failure(status, error.code, error.message, headers if status == TOO_MANY else headers[:1])


def _failure(status: int, code: str, message: str, headers: Sequence[tuple[bytes, bytes]] = ()) -> _Answer:
    return _Answer(status, msgspec.json.encode({"success": False, "code": code, "message": message}), headers)


async def _send(send: Send, answer: _Answer) -> None:
    length = (b"content-length", str(len(answer.body)).encode())
    headers = [_JSON, CORS, _EXPOSED, length, *answer.headers]
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    await send({"type": "http.response.body", "body": answer.body})
