"""Whatever is sent to the Tracking API: no 5xx, no stall, and the counts add up: what was sent is stored or counted."""

import base64
import gzip
import http.client
import json
import time
from typing import Any, NamedTuple

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tifo.app.demo.local import LocalTifo
from tifo.tracking.limits import MAX_BODY_BYTES

EXAMPLES = 150
STALLED_S = 10
LANDS_WITHIN_S = 30.0
TABLES = ["tracks", "identifies", "pages", "screens", "groups", "aliases"]
CALLS = ["track", "identify", "page", "screen", "group", "alias"]

texts = st.text(st.characters(codec="utf-8"), max_size=8)
numbers = st.integers(-(2**70), 2**70) | st.floats(allow_nan=False, allow_infinity=False)
leaves = st.none() | st.booleans() | numbers | texts | st.just("\0") | st.just("x" * 40_000)
values = st.recursive(leaves, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3))
objects = st.dictionaries(texts | st.sampled_from(["id", "user_id", "Total", "total", "__proto__"]), values, max_size=5)
anything = values | objects
moments = st.sampled_from(["2026-11-24T10:00:00.123Z", "2026-11-24", "0001-01-01T00:00:00+14:00", "soon"]) | anything
ids = st.sampled_from(["ada", "", "x" * 300]) | st.none() | anything
MESSAGE = {
    "type": st.sampled_from(CALLS) | anything,
    "userId": ids,
    "anonymousId": ids,
    "event": st.sampled_from(["Seen", "tracks", "Überraschung", "投票", "$$$"]) | anything,
    "name": texts | anything,
    "category": texts | anything,
    "groupId": ids,
    "previousId": ids,
    "messageId": st.uuids().map(str) | st.sampled_from(["again", "once more"]) | anything,
    "timestamp": moments,
    "sentAt": moments,
    "properties": objects | anything,
    "traits": objects | anything,
    "context": objects | anything,
    "integrations": objects | anything,
    "writeKey": st.none(),
}
good = st.fixed_dictionaries(
    {"type": st.sampled_from(CALLS), "userId": st.just("ada"), "event": st.just("Seen"), "groupId": st.just("g")}
    | {"previousId": st.just("before")},
    optional={"properties": objects, "traits": objects, "context": objects, "messageId": st.sampled_from("abcdefgh")},
)
messages = good | st.fixed_dictionaries({}, optional=MESSAGE)


class Request(NamedTuple):
    path: str
    body: bytes
    counts: int
    """As how many messages it is counted when its write key is known."""
    compressed: bool = False


def _document(value: object) -> bytes:
    return json.dumps(value).encode()


def _batch(items: list[Any]) -> Request:
    body = _document({"batch": items})
    return Request("/v1/batch", body, len(items) if items and len(body) <= MAX_BODY_BYTES else 1)


requests = st.one_of(
    st.lists(messages | anything, max_size=8).map(_batch),
    st.builds(lambda call, item: Request(f"/v1/{call}", _document(item), 1), st.sampled_from(CALLS), messages),
    st.builds(lambda item: Request("/v1/t", _document(item), 1), anything),
    st.builds(lambda item: Request("/v1/import", _document(item)[:-1] + b"?", 1), messages),
    st.builds(lambda noise: Request("/v1/batch", b"{" + noise, 1), st.binary(max_size=200)),
    st.builds(lambda shape: Request("/v1/batch", _document({"batch": shape}), 1), st.none() | texts | objects),
    st.builds(lambda item: Request("/v1/page", gzip.compress(_document(item)), 1, compressed=True), messages),
    st.builds(lambda noise: Request("/v1/page", noise, 1, compressed=True), st.binary(max_size=200)),
    st.just(Request("/v1/batch", _document({"batch": ["x" * 600_000]}), 1)),
    st.just(_batch([{"type": "track", "userId": "ada", "event": "Many"}] * 2_600)),
)


def test_whatever_is_sent_is_stored_or_counted(tifo: LocalTifo) -> None:
    sent = {"messages": 0}
    keys = {name: tifo.command("source", "create", name, "--type", "http")["write_key"] for name in ("one", "two")}
    connection = http.client.HTTPConnection("127.0.0.1", tifo.port, timeout=STALLED_S)

    @settings(max_examples=EXAMPLES, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(request=requests, key=st.sampled_from([*keys.values(), "no such key"]))
    def send(request: Request, key: str) -> None:
        headers = {"Authorization": f"Basic {base64.b64encode(f'{key}:'.encode()).decode()}"}
        if request.compressed:
            headers["Content-Encoding"] = "gzip"
        connection.request("POST", request.path, request.body, headers)
        answer = connection.getresponse()
        content = json.loads(answer.read())
        sent["messages"] += request.counts if key in keys.values() else 1
        if key in keys.values():
            assert answer.status in {200, 400}, content
        else:
            assert answer.status in {400, 401}, content
        assert content.keys() == ({"success"} if answer.status == 200 else {"success", "code", "message"})

    send()
    connection.close()
    counted = {(row["source"], row["code"]): row["count"] for row in tifo.command("delivery", "errors")}
    assert counted.keys() >= {("one", "duplicate"), ("one", "bad_request"), ("two", "invalid_json")}
    stored = sent["messages"] - sum(counted.values())
    deadline = time.monotonic() + LANDS_WITHIN_S
    while (rows := sum(sum(tifo.rows(schema, TABLES).values()) for schema in keys)) != stored:
        assert time.monotonic() < deadline, f"{rows} rows of {stored}"
