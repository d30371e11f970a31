"""What strict decoders refuse is repaired where the sender's meaning is certain, and refused alone where it is not."""

import json
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tifo.tracking.envelope import Message, Refused
from tifo.tracking.lenient import UnreadableEvent, decode_leniently, repaired
from tifo.tracking.limits import MAX_DEPTH, SAMPLE_BYTES
from tifo.tracking.requests import Read, read_messages, read_request

NOW = datetime(2026, 11, 24, 10, 0, 10, tzinfo=UTC)
GOOD = b'{"type":"track","userId":"u","event":"Seen"}'
DEEP = b'{"type":"track","userId":"u","event":"Deep","properties":{"a":' + b"[" * 9_000 + b"]" * 9_000 + b"}}"

leaves = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(codec="utf-8"), max_size=8)
)
values = st.recursive(
    leaves,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(st.characters(codec="utf-8"), max_size=5), inner)
    ),
)


def read(items: list[bytes], head: bytes = b"") -> Read:
    body = b"{" + head + b'"batch":[' + b",".join(items) + b"]}"
    return read_messages(read_request("batch", body), NOW, lambda: "made")


def content(message: Message) -> dict[str, Any]:
    decoded: dict[str, Any] = msgspec.json.decode(message.body)
    return decoded


def track(properties: bytes) -> bytes:
    return b'{"type":"track","userId":"u","event":"Odd","properties":' + properties + b"}"


def stored(properties: bytes) -> tuple[Any, list[tuple[str, str]]]:
    """Returns the stored properties and the violations of the one odd event between two good ones."""
    found = read([GOOD, track(properties), GOOD])
    assert (len(found.good), found.refused) == (3, [])
    verdict = found.good[1].verdict
    assert found.unplanned == ([] if verdict is None else [found.good[1]])
    return content(found.good[1])["properties"], [each[:2] for each in verdict.violations] if verdict else []


def refused(item: bytes) -> Refused:
    found = read([GOOD, item, GOOD])
    assert len(found.good) == 2
    [fault] = found.refused
    return fault


@pytest.mark.parametrize(
    ("sent", "repaired_to"),
    [
        (rb'"\ud83d"', "\ufffd"),
        (rb'"a\ude00b"', "a\ufffdb"),
        (rb'"\ud83d\ud83d\ude00"', "\ufffd😀"),
        (rb'"\\ud83d \ud83d"', "\\ud83d \ufffd"),
        (b'"\xff"', "\ufffd"),
        (b'"\xf0\x9f\x98"', "\ufffd\ufffd\ufffd"),  # as Go's decoder: one for each byte
        (b'"\xed\xa0\xbd"', "\ufffd\ufffd\ufffd"),
    ],
)
def test_half_a_character_becomes_the_replacement_character_and_is_noted(sent: bytes, repaired_to: str) -> None:
    assert stored(b'{"a":{"b":' + sent + b"}}") == (
        {"a": {"b": repaired_to}},
        [("Repaired Text", "properties.a.b")],
    )


def test_half_a_character_in_a_key_or_an_event_name_is_repaired_too() -> None:
    assert stored(rb'{"a\ud83d":1}') == ({"a\ufffd": 1}, [("Repaired Text", "properties")])
    found = read([rb'{"type":"track","userId":"\ud83d","event":"Seen \ud83d"}'])
    [message] = found.good
    assert (content(message)["event"], content(message)["userId"]) == ("Seen \ufffd", "\ufffd")
    assert message.verdict is not None
    assert message.verdict.name == "Seen \ufffd"


def test_control_characters_that_were_not_escaped_are_read() -> None:
    assert stored(b'{"a":"x\ty\nz\x00"}') == ({"a": "x\ty\nz\0"}, [])


@pytest.mark.parametrize("number", ["18446744073709551616", "-9223372036854775809", "9" * 400, "9" * 20_000])
def test_an_integer_beyond_64_bits_is_stored_as_the_text_that_was_sent(number: str) -> None:
    properties, violations = stored(b'{"list":[{"n":%s}]}' % number.encode())
    assert properties == {"list": [{"n": number}]}
    assert violations == [("Large Integer", "properties.list.0.n")]


def test_integers_beyond_64_bits_are_found_wherever_they_stand() -> None:
    huge = b'{"n":18446744073709551616}'
    [message] = read([b'{"type":"identify","userId":"u","traits":' + huge + b',"context":' + huge + b"}"]).good
    assert (content(message)["traits"], content(message)["context"]) == ({"n": str(2**64)}, {"n": str(2**64)})
    [message] = read([GOOD], b'"context":' + huge + b",").good
    assert content(message)["context"] == {"n": str(2**64)}
    assert message.verdict is not None
    assert [each.field for each in message.verdict.violations] == ["context.n"]


@pytest.mark.parametrize("number", [2**63, 2**64 - 1, -(2**63)])
def test_an_integer_of_64_bits_stays_a_number(number: int) -> None:
    assert stored(b'{"n":%d}' % number) == ({"n": number}, [])


@pytest.mark.parametrize("token", [b"NaN", b"Infinity", b"-Infinity", b"1e999", b"-1e999"])
def test_a_number_that_is_not_finite_costs_its_own_event_only(token: bytes) -> None:
    fault = refused(track(b'{"price":[1.5,' + token + b"]}"))
    assert (fault.code, fault.events) == ("invalid_json", 1)
    assert "properties.price.1" in fault.detail
    assert token.decode() in fault.detail
    assert token in fault.sample


@pytest.mark.parametrize("item", [b"7", b"[]", b"null", b'"x"', b'{"type":"track",}', b"{'a':1}", b"nonsense", DEEP])
def test_a_broken_event_costs_nobody_but_itself(item: bytes) -> None:
    fault = refused(item)
    assert fault.sample == item[:SAMPLE_BYTES]
    assert fault.code in {"bad_request", "invalid_json"}


def test_the_sample_of_a_long_event_shows_the_place_at_fault() -> None:
    padding = b"x" * 20_000
    fault = refused(track(b'{"a":"%s","before":1,"price":NaN,"after":2,"b":"%s"}' % (padding[:9_000], padding)))
    assert b'"before":1,"price":NaN,"after":2' in fault.sample
    assert fault.sample.startswith(b'{"type":"track"')
    assert len(fault.sample) <= SAMPLE_BYTES


def test_an_event_that_nests_deep_is_refused_alone_even_where_half_a_character_is_beside_it() -> None:
    assert "64 levels" in refused(DEEP).detail
    found = read([DEEP, track(rb'{"a":"\ud83d"}')])
    assert (len(found.good), len(found.refused)) == (1, 1)
    levels = b'{"a":' * MAX_DEPTH + b"1" + b"}" * MAX_DEPTH
    assert "64 levels" in refused(track(rb'{"b":"\ud83d","a":' + levels + b"}")).detail


def test_a_batch_that_ends_early_loses_what_is_missing_only() -> None:
    found = read_messages(read_request("batch", b'{"batch":[' + GOOD + b"," + GOOD[:-9]), NOW, lambda: "made")
    assert (len(found.good), [each.code for each in found.refused]) == (1, ["invalid_json"])


@pytest.mark.parametrize("tail", [b'{"batch":[]}', b"?", b"\0"])
def test_what_stands_behind_a_batch_is_not_dropped_in_silence(tail: bytes) -> None:
    body = b'{"batch":[' + GOOD + b"]}" + tail
    found = read_messages(read_request("batch", body), NOW, lambda: "made")
    assert (len(found.good), len(found.refused)) == (1, 1)


@pytest.mark.parametrize(
    "body", [b'{"batch":[%s,]}', b"\xef\xbb\xbf" + b'{"batch":[%s]}', b' {"batch" : [ %s , ] , } ']
)
def test_a_byte_order_mark_and_commas_too_many_harm_nothing(body: bytes) -> None:
    found = read_messages(read_request("batch", body % GOOD), NOW, lambda: "made")
    assert (len(found.good), found.refused) == (1, [])


def test_the_envelope_is_read_where_a_message_is_broken() -> None:
    head = rb'"writeKey":"k\u0065y","context":{"ip":"\ud83d"},'
    head += b'"sentAt":"2026-11-24T10:00:00Z","integrations":{"All":false},'
    request = read_request("batch", b"{" + head + b'"batch":[' + GOOD + b",NaN]}")
    assert request.key == "key"
    found = read_messages(request, NOW, lambda: "made")
    [message] = found.good
    item = content(message)
    assert (item["context"], item["integrations"]) == ({"ip": "\ufffd"}, {"All": False})
    assert item["sentAt"] == "2026-11-24T10:00:00Z"
    assert message.verdict is not None
    assert [each[:2] for each in message.verdict.violations] == [("Repaired Text", "context.ip")]


@given(item=st.dictionaries(st.text(st.characters(codec="utf-8"), max_size=5), values, max_size=5))
def test_good_json_comes_out_the_same_strictly_and_leniently(item: dict[str, Any]) -> None:
    for raw in (msgspec.json.encode(item), json.dumps(item, indent=1).encode()):
        assert repaired(decode_leniently(raw), raw) == (msgspec.json.decode(raw), [])


@given(raw=st.binary(max_size=60) | st.text('"\\{}[],:0e.-NaInfinityud83ctrlse \n', max_size=60).map(str.encode))
def test_whatever_is_read_can_be_written_as_json(raw: bytes) -> None:
    try:
        value, _ = repaired(decode_leniently(raw), raw)
    except UnreadableEvent:
        return
    assert msgspec.json.decode(msgspec.json.encode(value)) == value
