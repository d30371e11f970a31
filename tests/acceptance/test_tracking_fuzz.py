"""Whatever is sent to the Tracking API: no 5xx, no stall, no neighbour lost, and the counts add up: what was sent is
stored or counted. With `--long` each test sends 100,000 inputs.
"""

import base64
import gzip
import http.client
import json
import math
import time
from typing import Any, NamedTuple

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tifo.app.demo.local import LocalTifo
from tifo.tracking.limits import MAX_BODY_BYTES, MAX_COUNTED_BYTES

EXAMPLES = 150
LONG_ROUNDS, LONG_EXAMPLES = 100, 1_000
"""Several rounds, as a test of more than five minutes counts as hanging."""
STALLED_S = 30
LANDS_WITHIN_S = 120.0
TABLES = ["tracks", "identifies", "pages", "screens", "groups", "aliases"]
CALLS = ["track", "identify", "page", "screen", "group", "alias"]

texts = st.text(max_size=8)  # half surrogate pairs too, which `json` writes as JavaScript does
numbers = st.integers(-(2**70), 2**70) | st.floats(allow_nan=False) | st.sampled_from([10**400, math.nan])
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
    """As how many messages it is counted."""
    compressed: bool = False


def _document(value: object) -> bytes:
    return json.dumps(value).encode()


def _batch(items: list[Any]) -> Request:
    body = _document({"batch": items})
    return Request("/v1/batch", body, len(items) or 1)


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
    st.just(_batch([{"type": "track", "userId": "ada", "event": "Seen", "messageId": "same"}] * 2)),
)


GOOD = b'{"type":"track","userId":"ada","event":"Neighbour","messageId":"%d"}'
HEAD = b'{"type":"track","userId":"ada","event":"Odd","properties":'
ODD_VALUES = [
    rb'"\ud83d"',
    rb'"\ude00\ud83d"',
    b'"\xff\xf0\x9f"',
    b'"\x01\n"',
    rb'"\x"',
    rb'"\u12"',
    b"NaN",
    b"-Infinity",
    b"1e999",
    b"01",
    b"9" * 5_000,
    b"[" * 3_000 + b"]" * 3_000,
    b'{"a":1,"a":2}',
    b'{"a":}',
    b"{,}",
    b"[1,,2]",
    b"undefined",
    b"'x'",
    b'"' + b"x" * 40_000 + b'"',
]
odd_values = st.sampled_from(ODD_VALUES)
odd_items = st.one_of(
    odd_values,
    odd_values.map(lambda value: HEAD + b'{"a":' + value + b"}}"),
    odd_values.map(lambda value: HEAD + b"{" + value + b":1}}"),
    st.tuples(st.sampled_from(sorted(MESSAGE)), odd_values).map(
        lambda named: b'{"type":"track","event":"Odd","userId":"u","%s":%s}' % (named[0].encode(), named[1])
    ),
    messages.map(_document),
)
odd_batches = st.lists(odd_items, min_size=1, max_size=8)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    is_long = metafunc.config.getoption("--long")
    metafunc.parametrize("number", range(LONG_ROUNDS if is_long else 1))
    metafunc.parametrize("examples", [LONG_EXAMPLES if is_long else EXAMPLES])


class Client:
    def __init__(self, port: int) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=STALLED_S)

    def send(self, request: Request, key: str) -> tuple[int, Any]:
        headers = {"Authorization": f"Basic {base64.b64encode(f'{key}:'.encode()).decode()}"}
        if request.compressed:
            headers["Content-Encoding"] = "gzip"
        self._connection.request("POST", request.path, request.body, headers)
        answer = self._connection.getresponse()
        content = json.loads(answer.read())
        assert content.keys() == ({"success"} if answer.status == 200 else {"success", "code", "message"})
        return answer.status, content

    def close(self) -> None:
        self._connection.close()


def test_whatever_is_sent_is_stored_or_counted(tifo: LocalTifo, number: int, examples: int) -> None:
    sent = {"messages": 0}
    names = (f"one{number}", f"two{number}")
    keys = {name: tifo.command("source", "create", name, "--type", "http")["write_key"] for name in names}
    before = sum(row["count"] for row in tifo.command("delivery", "errors") if row["source"] not in names)
    client = Client(tifo.port)

    @settings(max_examples=examples, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(request=requests, key=st.sampled_from([*keys.values(), "no such key"]))
    def send(request: Request, key: str) -> None:
        status, content = client.send(request, key)
        # Of a stranger's body, and of one that is larger still, the messages are not read.
        readable = MAX_COUNTED_BYTES if key in keys.values() else MAX_BODY_BYTES
        sent["messages"] += request.counts if len(request.body) <= readable else 1
        assert status in ({200, 400} if key in keys.values() else {400, 401}), content

    send()
    client.close()
    errors = tifo.command("delivery", "errors")
    assert {row["code"] for row in errors if row["source"] in names} >= {"duplicate", "bad_request", "invalid_json"}
    stored = sent["messages"] - sum(row["count"] for row in errors) + before
    deadline = time.monotonic() + LANDS_WITHIN_S
    while (rows := sum(sum(tifo.rows(schema, TABLES).values()) for schema in keys)) != stored:
        assert time.monotonic() < deadline, f"{rows} rows of {stored}"


def test_no_odd_event_costs_a_neighbour(tifo: LocalTifo, number: int, examples: int) -> None:
    source = tifo.command("source", "create", f"odd{number}", "--type", "http")
    sent = {"messages": 0, "neighbours": 0}
    client = Client(tifo.port)

    @settings(max_examples=examples, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(batch=odd_batches, compressed=st.booleans())
    def send(batch: list[bytes], compressed: bool) -> None:
        neighbours = [GOOD % (sent["neighbours"] + place) for place in range(len(batch))]
        items = [item for pair in zip(batch, neighbours, strict=True) for item in pair]
        body = b'{"batch":[' + b",".join(items) + b"]}"
        if len(body) > MAX_BODY_BYTES:
            return
        sent["messages"] += len(items)
        sent["neighbours"] += len(neighbours)
        content = gzip.compress(body, 1) if compressed else body
        status, answer = client.send(Request("/v1/batch", content, len(items), compressed), source["write_key"])
        assert status == 200, answer

    send()
    client.close()
    counted = sum(row["count"] for row in tifo.command("delivery", "errors") if row["source"] == source["slug"])
    deadline = time.monotonic() + LANDS_WITHIN_S
    while (rows := _landed(tifo, source["schema"])) != (sent["neighbours"], sent["messages"] - counted):
        assert time.monotonic() < deadline, f"{rows} rows of {sent}, {counted} counted"


def _landed(tifo: LocalTifo, schema: str) -> tuple[int, int]:
    """Counts the good neighbours, and all rows."""
    rows = tifo.rows(schema, ["neighbour", *TABLES])
    return rows.get("neighbour", 0), sum(rows.get(table, 0) for table in TABLES)
