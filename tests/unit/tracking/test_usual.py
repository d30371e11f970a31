"""The quick way and the close look must agree: on what is good, and on what becomes of it."""

from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tifo.tracking.envelope import Envelope, Message
from tifo.tracking.messages import canonical_by_rules
from tifo.tracking.requests import read_messages, read_request
from tifo.tracking.times import receipt
from tifo.tracking.usual import usual

NOW = datetime(2026, 11, 24, 10, 0, 10, 123_000, tzinfo=UTC)
SENT = (NOW - timedelta(seconds=3)).isoformat()

texts = st.text(st.characters(codec="utf-8"), max_size=6)
numbers = st.integers(-(2**64), 2**65) | st.floats(allow_nan=False, allow_infinity=False)
leaves = st.none() | st.booleans() | numbers | texts
values = st.recursive(leaves, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3))
objects = st.dictionaries(texts, values, max_size=4)
times = st.sampled_from(
    [
        "",
        "soon",
        "0000-01-01T00:00:00Z",
        "2026-11-24T10:00:00.123Z",
        "2026-11-24",
        "2026-11-24T10:00:00+02:00",
        "9999-12-31T23:59:59Z",
    ]
)
FIELDS: dict[str, st.SearchStrategy[Any]] = {
    "type": st.sampled_from(["track", "identify", "page", "screen", "group", "alias"]),
    "userId": texts,
    "anonymousId": texts,
    "event": texts,
    "name": texts,
    "category": texts,
    "groupId": texts,
    "previousId": texts,
    "messageId": texts,
    "timestamp": times,
    "originalTimestamp": times,
    "sentAt": times,
    "receivedAt": times,
    "properties": objects | st.fixed_dictionaries({"name": texts | leaves}),
    "traits": objects,
    "context": objects | st.fixed_dictionaries({"traits": objects | leaves | st.just([])}),
    "integrations": objects,
    "channel": values,
    "version": values,
    "_metadata": objects,
    "writeKey": texts,
    "more": values,
}
messages = st.fixed_dictionaries(
    {"type": FIELDS["type"], "userId": st.just("u"), "event": st.just("Seen")},
    optional={name: each | st.none() for name, each in FIELDS.items() if name not in {"type", "userId", "event"}},
)


def envelope(call: str | None = None) -> Envelope:
    return Envelope(call, receipt(NOW, SENT), {"ip": "shared", "app": {"name": "x"}}, {"All": True})


def content(message: Message) -> tuple[str, Any]:
    return message.message_id, msgspec.json.decode(message.body)


@settings(max_examples=300)
@given(message=messages)
@example(message={"type": "track", "userId": "u", "event": "Seen", "timestamp": "9999-12-31T23:59:59Z"})
def test_what_the_quick_way_takes_comes_out_as_the_close_look_has_it(message: dict[str, Any]) -> None:
    raw = msgspec.json.encode(message)
    quick = usual(raw, envelope(), lambda: "made")
    if quick is not None:
        close = canonical_by_rules(raw, envelope(), lambda: "made")
        assert content(quick) == content(close)
        assert close.verdict is None, "the quick way repairs nothing"


@given(batch=st.lists(messages, max_size=4), place=st.integers(0, 4))
def test_a_good_message_comes_out_the_same_beside_a_broken_one(batch: list[dict[str, Any]], place: int) -> None:
    items = [msgspec.json.encode(message) for message in batch]
    odd = [*items[:place], b'{"a":NaN}', *items[place:]]
    strict, lenient = (
        read_messages(read_request("batch", b'{"batch":[' + b",".join(each) + b"]}"), NOW, lambda: "made")
        for each in (items or [b"7"], odd)
    )
    assert lenient.good == strict.good
    assert len(lenient.refused) == len(strict.refused) + bool(items)


@pytest.mark.parametrize(
    "message",
    [
        {"type": "track", "event": "Seen", "userId": "u", "properties": {"n": 1, "list": [{"a": 1.5}]}},
        {"type": "identify", "userId": "u", "traits": {"name": "é"}, "context": {"page": {"url": "x"}}},
        {"type": "identify", "userId": "u", "traits": None, "context": {"traits": {"name": "é"}}},
        {"type": "group", "userId": "u", "groupId": "g", "context": {"traits": {"name": "é"}}},
        {"type": "page", "anonymousId": "a", "name": "Home", "properties": None},
        {"type": "page", "anonymousId": "a", "userId": "", "properties": {"name": "Home"}},
        {"type": "screen", "anonymousId": "a", "name": None, "_metadata": {"bundled": ["x"]}},
        {"type": "group", "userId": "u", "groupId": "g", "writeKey": "k"},
        {"type": "alias", "userId": "u", "previousId": "p", "sentAt": "2026-11-24T10:00:00.123Z"},
    ],
)
def test_every_usual_message_goes_the_quick_way(message: dict[str, Any]) -> None:
    raw = msgspec.json.encode(message)
    quick = usual(raw, envelope(), lambda: "made")
    assert quick is not None
    assert content(quick) == content(canonical_by_rules(raw, envelope(), lambda: "made"))
    single = {key: value for key, value in message.items() if key != "type"}
    assert usual(msgspec.json.encode(single), envelope(message["type"]), lambda: "made") is not None


@pytest.mark.parametrize(
    "changes",
    [
        {"event": ""},
        {"event": 7},
        {"userId": ""},
        {"userId": 7},
        {"messageId": "x" * 101},
        {"properties": {"n": 2**70}},
        {"properties": []},
        {"context": {"library": []}},
        {"timestamp": "soon"},
        {"sentAt": "soon"},
        {"context": "x"},
        {"type": "dance"},
        {"more": 1},
    ],
)
def test_what_may_be_wrong_is_left_to_the_close_look(changes: dict[str, Any]) -> None:
    raw = msgspec.json.encode({"type": "track", "event": "Seen", "userId": "u"} | changes)
    assert usual(raw, envelope(), lambda: "made") is None
