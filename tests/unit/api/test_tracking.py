"""Every answer of the Tracking API, over the log in memory; what is received is stored, or counted as refused."""

import asyncio
import base64
import gzip
import json
import threading
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, NamedTuple

import pytest

from tifo.api.tracking import TrackingApi
from tifo.eventlog.memory import MemoryEventLog
from tifo.eventlog.ports import Append, Appended
from tifo.kernel.batching import GroupCommit
from tifo.kernel.errors import Transient
from tifo.kernel.ids import Position, SourceId, uuid7
from tifo.tracking.limits import MAX_BODY_BYTES, MAX_COUNTED_BYTES
from tifo.tracking.rates import SourceRateLimit
from tifo.workspace.model import Source, SourceType, WriteKey

NOW = datetime(2026, 11, 24, 10, 0, 0, tzinfo=UTC)
KEY, DISABLED_KEY = "the-key", "the-disabled-key"
SHOP = Source(
    id=SourceId("shop"),
    name="Shop",
    slug="shop",
    schema="shop",
    type=SourceType.HTTP,
    enabled=True,
    created_at=NOW,
    keys=(WriteKey(KEY, NOW),),
)
SOURCES = {KEY: SHOP, DISABLED_KEY: replace(SHOP, id=SourceId("closed"), enabled=False)}
TRACK: dict[str, Any] = {"userId": "ada", "event": "Order Completed", "properties": {"total": 12.5}}


class Answer(NamedTuple):
    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def code(self) -> str:
        """Of an error; checks its whole shape."""
        content = json.loads(self.body)
        assert content.keys() == {"success", "code", "message"}
        assert content["success"] is False
        assert content["message"]
        code: str = content["code"]
        return code

    @property
    def message(self) -> str:
        message: str = json.loads(self.body)["message"]
        return message


class FaultyLog(MemoryEventLog):
    """Refuses while `trouble` is set; waits while `gate` is shut."""

    def __init__(self) -> None:
        super().__init__()
        self.trouble: Transient | None = None
        self.gate = threading.Event()
        self.gate.set()
        self.entered = threading.Event()

    def append(self, batch: Sequence[Append]) -> list[Appended]:
        self.entered.set()
        self.gate.wait(10)
        if self.trouble is not None:
            raise self.trouble
        return super().append(batch)


class Api:
    def __init__(self, log: FaultyLog, commits: GroupCommit[Append, Appended]) -> None:
        self.log, self.commits = log, commits
        self.catalog_trouble: Transient | None = None
        self.seconds = 0.0
        limit = SourceRateLimit(10, lambda: self.seconds)
        self.app = TrackingApi(commits, self._source_of, lambda: NOW, uuid7)
        self.limited = TrackingApi(commits, self._source_of, lambda: NOW, uuid7, rate_limit=limit)

    async def ask(
        self,
        path: str = "/v1/track",
        body: object = None,
        *,
        method: str = "POST",
        raw: bytes | Sequence[bytes] | None = None,
        leaves: bool = False,
        auth: str | None = f"{KEY}:",
        **headers: str,
    ) -> Answer:
        """`raw` may come in pieces; the client `leaves` after the last one. `auth` is Basic's user and password."""
        content = json.dumps(TRACK if body is None else body).encode() if raw is None else raw
        pieces = [content] if isinstance(content, bytes) else list(content)
        messages: list[dict[str, Any]] = [
            {"type": "http.request", "body": piece, "more_body": leaves or number + 1 < len(pieces)}
            for number, piece in enumerate(pieces)
        ]
        messages.append({"type": "http.disconnect"})
        sent: list[Any] = []
        raw_headers = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
        if auth is not None:
            raw_headers.append((b"authorization", b"Basic " + base64.b64encode(auth.encode())))

        async def receive() -> dict[str, Any]:
            return messages.pop(0)

        async def send(message: Any) -> None:
            sent.append(message)

        path, _, query = path.partition("?")
        scope = {
            "type": "http",
            "method": method,
            "path": path,
            "query_string": query.encode(),
            "headers": raw_headers,
        }
        async with asyncio.timeout(10):
            await self.app(scope, receive, send)
        start, end = sent
        assert (start["type"], end["type"]) == ("http.response.start", "http.response.body")
        answered = {name.decode(): value.decode() for name, value in start["headers"]}
        assert len(answered) == len(start["headers"]), "a browser takes no header twice"
        assert answered["content-length"] == str(len(end["body"]))
        assert answered["access-control-allow-origin"] == "*"
        return Answer(start["status"], answered, end["body"])

    def _source_of(self, write_key: str) -> Source | None:
        if self.catalog_trouble is not None:
            raise self.catalog_trouble
        return SOURCES.get(write_key)

    @property
    def stored(self) -> list[Any]:
        blocks = self.log.read(Position(0), max_events=100_000)
        return [json.loads(line) for block in blocks for line in block.bodies.splitlines()]

    @property
    def counts(self) -> Counter[tuple[str, str]]:
        return Counter({(count.source_id, count.code): count.total for count in self.log.ingest_counts()})


@pytest.fixture
async def api() -> AsyncIterator[Api]:
    log = FaultyLog()
    commits = GroupCommit[Append, Appended](
        log.append, max_batch=10_000, max_waiting=2, weigh=lambda append: len(append.accepted) + len(append.refused)
    )
    yield Api(log, commits)
    log.gate.set()
    await commits.close()


async def test_success_is_exactly_what_segments_clients_expect(api: Api) -> None:
    answer = await api.ask()
    assert (answer.status, answer.body) == (200, b'{"success": true}')
    assert answer.headers["content-type"] == "application/json"
    [event] = api.stored
    assert (event["type"], event["event"], event["userId"], event["properties"]) == (
        "track",
        "Order Completed",
        "ada",
        {"total": 12.5},
    )
    assert api.counts == {("shop", "received"): 1}


@pytest.mark.parametrize("call", ["track", "identify", "page", "screen", "group", "alias"])
@pytest.mark.parametrize("slash", ["", "/"])
async def test_every_call_of_segments_is_taken(api: Api, call: str, slash: str) -> None:
    body = {"userId": "ada", "event": "E", "groupId": "g", "previousId": "p", "name": "n"}
    assert (await api.ask(f"/v1/{call}{slash}", body)).status == 200
    assert [event["type"] for event in api.stored] == [call]


@pytest.mark.parametrize("path", ["/v1/batch", "/v1/import"])
async def test_a_batch_is_taken_whole(api: Api, path: str) -> None:
    batch = [{**TRACK, "type": "track", "messageId": str(number)} for number in range(2)]
    assert (await api.ask(path, {"batch": batch})).status == 200
    assert [event["messageId"] for event in api.stored] == ["0", "1"]


async def test_a_body_that_comes_in_pieces_is_one_body(api: Api) -> None:
    raw = json.dumps(TRACK).encode()
    assert (await api.ask(raw=[raw[:5], b"", raw[5:9], raw[9:]])).status == 200
    assert api.stored[0]["userId"] == "ada"


@pytest.mark.parametrize(
    ("auth", "body"),
    [
        (f"{KEY}:", TRACK),
        (KEY, TRACK),
        (f"{KEY}:ignored", TRACK),
        (None, {**TRACK, "writeKey": KEY}),
        ("wrong:", {**TRACK, "writeKey": KEY}),
        (":", {**TRACK, "writeKey": KEY}),
    ],
    ids=["basic", "without colon", "with password", "in body", "body wins", "empty basic"],
)
async def test_the_write_key_comes_as_the_user_of_basic_or_in_the_body(api: Api, auth: str | None, body: Any) -> None:
    assert (await api.ask(body=body, auth=auth)).status == 200
    assert api.counts == {("shop", "received"): 1}
    assert "writeKey" not in api.stored[0], "the key is kept with no event"


async def test_a_batch_may_carry_the_write_key_once(api: Api) -> None:
    body = {"writeKey": KEY, "batch": [{**TRACK, "type": "track"}]}
    assert (await api.ask("/v1/batch", body, auth=None)).status == 200


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"auth": "wrong:"}, "not known"),
        ({"auth": None}, "no write key"),
        ({"auth": None, "authorization": "Basic ???"}, "no write key"),
        ({"auth": None, "authorization": f"Bearer {KEY}"}, "no write key"),
        ({"auth": None, "body": {**TRACK, "writeKey": "wrong"}}, "not known"),
    ],
)
async def test_without_a_write_key_that_is_known_the_answer_is_401(
    api: Api, asked: dict[str, Any], message: str
) -> None:
    answer = await api.ask(**asked)
    assert (answer.status, answer.code) == (401, "unknown_source")
    assert message in answer.message
    assert api.stored == []
    assert api.counts == {("", "unknown_source"): 1}


async def test_a_disabled_source_takes_nothing(api: Api) -> None:
    answer = await api.ask(auth=f"{DISABLED_KEY}:")
    assert (answer.status, answer.code) == (400, "source_disabled")
    assert api.counts == {("closed", "source_disabled"): 1}


BAD: list[tuple[str, dict[str, Any], str, str]] = [
    ("not JSON", {"raw": b"{"}, "invalid_json", "JSON"),
    ("empty", {"raw": b""}, "invalid_json", "JSON"),
    ("a list", {"raw": b"[]"}, "bad_request", "object"),
    ("not a number", {"raw": b'{"event": "E", "userId": "a", "properties": {"n": NaN}}'}, "invalid_json", "NaN"),
    (
        "a number beyond doubles",
        {"raw": b'{"event": "E", "userId": "a", "context": {"n": 1e999}}'},
        "invalid_json",
        "1e",
    ),
    ("no event", {"body": {"userId": "ada"}}, "event_not_defined", "event"),
    ("no user", {"body": {"event": "E"}}, "no_user_anon_id", "userId"),
    ("write key of a wrong type", {"body": {**TRACK, "writeKey": 1}}, "bad_request", "writeKey"),
    ("batch without messages", {"path": "/v1/batch", "body": {"batch": []}}, "empty_batch", "no message"),
    ("batch of a wrong type", {"path": "/v1/batch", "body": {"batch": {}}}, "bad_request", "batch"),
    ("no batch", {"path": "/v1/batch", "body": {}}, "bad_request", "batch"),
    ("an event too large", {"body": {**TRACK, "properties": {"x": "y" * 40_000}}}, "bad_request", "32,768"),
    ("a body too large", {"raw": b" " * (MAX_BODY_BYTES + 1)}, "payload_too_large", "512,000"),
    ("pieces too large together", {"raw": [b" " * 300_000] * 2}, "payload_too_large", "512,000"),
    ("unknown encoding", {"content_encoding": "br"}, "bad_request", "br"),
    ("said to be gzip", {"content_encoding": "gzip"}, "bad_request", "no gzip"),
    ("cut gzip", {"content_encoding": "gzip", "raw": gzip.compress(b"{}")[:-4]}, "bad_request", "too early"),
    ("empty gzip", {"content_encoding": "gzip", "raw": b""}, "bad_request", "too early"),
    ("wrong sum", {"content_encoding": "gzip", "raw": gzip.compress(b"{}")[:-8] + b"x" * 8}, "bad_request", "no gzip"),
    ("behind its end", {"content_encoding": "gzip", "raw": gzip.compress(b"{}") + b"x"}, "bad_request", "behind"),
    (
        "gzip bomb",
        {"content_encoding": "gzip", "raw": gzip.compress(b" " * 300_000_000, 1)[: MAX_BODY_BYTES - 1]},
        "payload_too_large",
        "decompressed",
    ),
]


@pytest.mark.parametrize(("asked", "code", "message"), [each[1:] for each in BAD], ids=[each[0] for each in BAD])
async def test_bad_input_is_answered_with_400_its_reason_and_is_counted(
    api: Api, asked: dict[str, Any], code: str, message: str
) -> None:
    answer = await api.ask(**asked)
    assert (answer.status, answer.code) == (400, code)
    assert message in answer.message
    assert api.stored == []
    assert sum(api.counts.values()) == 1
    assert {counted for _, counted in api.counts} == {code}


@pytest.mark.parametrize("encoding", ["gzip", "GZIP", " gzip "])
async def test_gzip_is_taken(api: Api, encoding: str) -> None:
    answer = await api.ask(raw=gzip.compress(json.dumps(TRACK).encode()), content_encoding=encoding)
    assert answer.status == 200
    assert api.stored[0]["event"] == "Order Completed"


async def test_a_bad_message_harms_no_neighbour_in_its_batch(api: Api) -> None:
    good = {**TRACK, "type": "track", "messageId": "good"}
    answer = await api.ask("/v1/batch", {"batch": [{"type": "track", "userId": "ada"}, good]})
    assert answer.status == 200
    assert [event["messageId"] for event in api.stored] == ["good"]
    assert api.counts == {("shop", "received"): 1, ("shop", "event_not_defined"): 1}


@pytest.mark.parametrize("compressed", [False, True])
async def test_one_odd_event_of_twenty_costs_none_of_the_others(api: Api, compressed: bool) -> None:
    events = [json.dumps({**TRACK, "type": "track", "messageId": f"m{n}"}) for n in range(18)]
    events.insert(7, r'{"type":"track","userId":"u","event":"Cut \ud83d"}')
    events.insert(13, '{"type":"track","userId":"u","event":"E","properties":{"price":NaN}}')
    body = '{"batch":[' + ",".join(events) + '],"sentAt":"2026-11-24T10:00:00.000Z"}'
    raw = gzip.compress(body.encode()) if compressed else body.encode()
    answer = await api.ask("/v1/batch", raw=raw, content_encoding="gzip" if compressed else "identity")
    assert answer.status == 200
    assert api.counts == {("shop", "received"): 19, ("shop", "invalid_json"): 1}
    assert "Cut \ufffd" in [event["event"] for event in api.stored]
    [refused] = [count for count in api.log.ingest_counts() if count.code == "invalid_json"]
    assert refused.sample == events[13].encode()
    assert "properties.price is NaN" in (refused.detail or "")


@pytest.mark.parametrize(
    ("asked", "more", "source", "code"),
    [
        ({"auth": "wrong:"}, {}, "", "unknown_source"),
        ({"auth": None}, {}, "", "unknown_source"),
        ({"auth": f"{DISABLED_KEY}:"}, {}, "closed", "source_disabled"),
        ({}, {"context": 7}, "shop", "bad_request"),
        ({}, {"writeKey": 7}, "shop", "bad_request"),
    ],
)
async def test_a_batch_that_is_refused_whole_counts_its_events(
    api: Api, asked: dict[str, Any], more: dict[str, Any], source: str, code: str
) -> None:
    batch = {"batch": [{**TRACK, "type": "track"}] * 20, **more}
    assert (await api.ask("/v1/batch", batch, **asked)).code == code
    assert api.counts == {(source, code): 20}


@pytest.mark.parametrize("compressed", [False, True])
async def test_a_batch_that_is_too_large_counts_its_events_for_its_source(api: Api, compressed: bool) -> None:
    event = {**TRACK, "type": "track", "properties": {"x": "y" * 30_000, "list": [1, 2], "text": "],[,"}}
    raw = json.dumps({"context": {"a": [1, 2]}, "batch": [event] * 20}).encode()
    for auth, count in ((f"{KEY}:", {("shop", "payload_too_large"): 20}), (None, {("", "payload_too_large"): 1})):
        before = api.counts
        sent = gzip.compress(raw) if compressed else [raw[:400_000], raw[400_000:]]
        encoding = "gzip" if compressed else "identity"
        answer = await api.ask("/v1/batch", raw=sent, auth=auth, content_encoding=encoding)
        assert (answer.status, answer.code) == (400, "payload_too_large")
        assert api.counts - before == count
    assert (await api.ask("/v1/batch", raw=b"[" * MAX_COUNTED_BYTES)).code == "payload_too_large"


@pytest.mark.parametrize("value", ["9" * 9_000, "1e999", '{"a": 1}', "[[1]]", '"soon"', "NaN", "nonsense"])
async def test_a_batch_whose_sent_at_is_no_time_is_stored(api: Api, value: str) -> None:
    raw = b'{"batch":[%s],"sentAt":%s}' % (json.dumps({**TRACK, "type": "track"}).encode(), value.encode())
    assert (await api.ask("/v1/batch", raw=raw)).status == 200
    assert len(api.stored) == 1


@pytest.mark.parametrize("field", ["sentAt", "writeKey", "context", "integrations", "batch"])
async def test_an_envelope_that_nests_deep_is_no_error_of_ours(api: Api, field: str) -> None:
    for levels in (900, 100_000):
        deep = b"[" * levels + b"]" * levels
        answer = await api.ask("/v1/batch", raw=b'{"batch":[{}],"%s":%s}' % (field.encode(), deep))
        assert answer.status in {400, 401}


async def test_a_path_that_is_not_known_is_404_and_says_which_are(api: Api) -> None:
    answer = await api.ask("/v1/nothing")
    assert (answer.status, answer.code) == (404, "not_found")
    assert "/v1/track" in answer.message
    assert api.counts == {}


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
async def test_only_post_is_taken(api: Api, method: str) -> None:
    answer = await api.ask(method=method)
    assert (answer.status, answer.code) == (405, "method_not_allowed")
    assert answer.headers["allow"] == "POST, OPTIONS"
    assert api.counts == {}


async def test_browsers_are_told_that_they_may_send(api: Api) -> None:
    answer = await api.ask(method="OPTIONS", raw=b"", auth=None, origin="https://club.example")
    assert (answer.status, answer.body) == (204, b"")
    assert answer.headers["access-control-allow-methods"] == "POST, OPTIONS"
    for header in ("authorization", "content-type", "content-encoding"):
        assert header in answer.headers["access-control-allow-headers"]


async def test_a_browser_may_send_all_headers_that_it_asks_for(api: Api) -> None:
    rudder = "anonymousid,authorization,content-type,rsa-retry-attempt,sentat"
    for asked, missing in ((rudder, set()), ("x-of-the-next-version", set()), ("a\nb: c", {"a", "b"})):
        answer = await api.ask(method="OPTIONS", raw=b"", auth=None, access_control_request_headers=asked)
        allowed = {name.strip() for name in answer.headers["access-control-allow-headers"].split(",")}
        wanted = set(asked.split(",")) if not missing else {"anonymousid", "sentat"}
        assert wanted <= allowed
        assert not missing & allowed


async def test_a_beacon_of_rudderstacks_browser_client_has_its_key_in_the_query(api: Api) -> None:
    batch = {"batch": [{**TRACK, "type": "track"}], "sentAt": "2026-11-24T10:00:00.000Z"}
    answer = await api.ask(f"/beacon/v1/batch?writeKey={KEY}", batch, auth=None, content_type="text/plain")
    assert (answer.status, len(api.stored)) == (200, 1)
    assert (await api.ask("/beacon/v1/batch?writeKey=other", batch, auth=None)).status == 401
    assert (await api.ask(f"/v1/batch?writeKey={KEY}", batch, auth=None)).status == 401, "addresses are logged"


async def test_a_client_that_goes_away_early_leaves_nothing_but_a_count(api: Api) -> None:
    answer = await api.ask(raw=json.dumps(TRACK).encode(), leaves=True)
    assert answer.code == "client_disconnected"
    assert api.stored == []
    assert api.counts == {("", "client_disconnected"): 1}


async def test_a_client_that_goes_away_while_its_events_are_written_loses_none(api: Api) -> None:
    api.log.gate.clear()
    asking = asyncio.create_task(api.ask())
    assert await asyncio.to_thread(api.log.entered.wait, 10)
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    api.log.gate.set()
    assert (await api.ask(body={**TRACK, "userId": "bo"})).status == 200
    assert [event["userId"] for event in api.stored] == ["ada", "bo"]


async def test_a_full_queue_is_429_with_the_time_to_wait_and_stores_nothing(api: Api) -> None:
    api.log.gate.clear()
    writing = asyncio.create_task(api.ask(body={**TRACK, "messageId": "1"}))
    assert await asyncio.to_thread(api.log.entered.wait, 10)
    queued = [asyncio.create_task(api.ask(body={**TRACK, "messageId": str(number)})) for number in (2, 3)]
    await asyncio.sleep(0)
    for refused in (await api.ask(body={**TRACK, "messageId": "4"}), await api.ask(raw=b"{")):
        assert (refused.status, refused.code) == (429, "too_many_requests")
        assert int(refused.headers["retry-after"]) >= 1
    api.log.gate.set()
    assert [(await each).status for each in (writing, *queued)] == [200] * 3
    assert [event["messageId"] for event in api.stored] == ["1", "2", "3"]
    assert api.counts == {("shop", "received"): 3}


@pytest.mark.parametrize("raw", [json.dumps(TRACK).encode(), b"{"], ids=["good", "bad"])
async def test_a_log_that_refuses_is_503_with_the_time_to_wait_until_it_takes_again(api: Api, raw: bytes) -> None:
    api.log.trouble = Transient("The disk is full.", retry_after_s=7.4)
    answer = await api.ask(raw=raw)
    assert (answer.status, answer.code, answer.headers["retry-after"]) == (503, "unavailable", "8")
    assert answer.message == "The disk is full."
    assert (api.stored, api.counts) == ([], {})
    api.log.trouble = None
    assert (await api.ask()).status == 200
    assert len(api.stored) == 1


async def test_a_catalog_that_is_out_of_reach_is_503(api: Api) -> None:
    api.catalog_trouble = Transient("The state cannot be read.", retry_after_s=0.1)
    answer = await api.ask()
    assert (answer.status, answer.headers["retry-after"]) == (503, "1")
    assert (api.stored, api.counts) == ([], {})


async def test_a_stopping_tifo_asks_to_send_again(api: Api) -> None:
    await api.commits.close()
    answer = await api.ask()
    assert (answer.status, answer.code) == (503, "unavailable")
    assert "stopping" in answer.message


def mixed() -> Iterator[tuple[dict[str, Any], int]]:
    """What is sent, with how many messages it holds (1 for a request that cannot be read)."""
    one = {**TRACK, "type": "track"}
    yield {"body": {**TRACK, "messageId": "twice"}}, 1
    yield {"body": {**TRACK, "messageId": "twice"}}, 1
    yield {"path": "/v1/batch", "body": {"batch": [one, {"type": "track"}, 7, {**one, "messageId": "twice"}]}}, 4
    yield {"path": "/v1/batch", "body": {"batch": [one] * 2_502}}, 2_502
    yield {"raw": b"{"}, 1
    yield {"body": {"userId": "ada"}}, 1
    yield {"path": "/v1/batch", "raw": b'{"batch":[{"type":"track","userId":"a","event":"\\ud83d"},{"a":NaN},7'}, 3
    yield {"path": "/v1/batch", "body": {"batch": [one] * 3}, "auth": "wrong:"}, 3
    yield {"auth": "wrong:"}, 1
    yield {"auth": f"{DISABLED_KEY}:"}, 1
    yield {"content_encoding": "br"}, 1
    yield {"raw": b"{", "leaves": True}, 1


async def test_what_was_sent_is_stored_or_counted_as_a_duplicate_or_with_its_refusal(api: Api) -> None:
    sent = 0
    for asked, messages in mixed():
        await api.ask(**asked)
        sent += messages
    counts = Counter[str]()
    for (_, code), total in api.counts.items():
        counts[code] += total
    assert counts["received"] == len(api.stored) == 2_503
    assert counts["duplicate"] == 2
    refused = counts.total() - counts["received"] - counts["duplicate"]
    assert len(api.stored) + counts["duplicate"] + refused == sent


async def test_a_source_over_its_rate_is_told_when_to_come_again_and_another_is_not(api: Api) -> None:
    api.app = api.limited
    batch = {"batch": [{"type": "track", **TRACK}] * 25}
    assert (await api.ask("/v1/batch", batch)).status == 200, "a batch may overdraw: the next one waits for it"
    for refused in (
        await api.ask(),
        await api.ask(body={**TRACK, "writeKey": KEY}, auth=None),
        await api.ask(raw=b"{"),
    ):
        assert (refused.status, refused.code) == (429, "too_many_requests")
        assert (refused.headers["retry-after"], refused.headers["x-ratelimit-reset"]) == ("2", "2")
        assert "x-ratelimit-reset" in refused.headers["access-control-expose-headers"]
    assert (await api.ask(auth="unknown:")).status == 401
    assert (await api.ask(auth=f"{DISABLED_KEY}:")).code == "source_disabled"
    api.seconds = 1.7
    assert (await api.ask()).status == 200
    assert len(api.stored) == 26
    assert api.counts["shop", "received"] == 26, "what was told to come again is neither stored nor counted as refused"


@pytest.mark.parametrize("path", ["/v1/t", "/v1/t/", "/v1/i", "/v1/p", "/v1/s", "/v1/g", "/v1/a"])
async def test_segments_browser_client_writes_its_calls_short(api: Api, path: str) -> None:
    whole = {**TRACK, "groupId": "g", "previousId": "p", "name": "Home"}
    assert (await api.ask(path, whole, auth=None)).status == 401
    answer = await api.ask(path, {**whole, "writeKey": KEY}, auth=None, content_type="text/plain")
    assert (answer.status, answer.body) == (200, b'{"success": true}')
    [event] = api.stored
    assert event["type"].startswith(path[4])
