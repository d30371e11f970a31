from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tifo.kernel.errors import Rejected
from tifo.tracking.limits import MAX_BATCH_EVENTS, MAX_DEPTH
from tifo.tracking.requests import read_messages, read_request

NOW = datetime(2026, 11, 24, 10, 0, 10, tzinfo=UTC)
GOOD = {"type": "track", "userId": "u", "event": "Seen", "messageId": "m"}

leaves = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(codec="utf-8"), max_size=8)
)
values = st.recursive(leaves, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner))


def read(call: str, body: Any) -> tuple[list[dict[str, Any]], list[Any]]:
    raw = body if isinstance(body, bytes) else msgspec.json.encode(body)
    good, refused, _ = read_messages(read_request(call, raw), NOW, lambda: "made")
    return [msgspec.json.decode(message.body) for message in good], refused


def refusal(**changes: Any) -> str:
    item = {key: value for key, value in {**GOOD, **changes}.items() if value != "absent"}
    good, [refused] = read("batch", {"batch": [item]})
    assert good == []
    code: str = refused.code
    return code


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"userId": "absent"}, "no_user_anon_id"),
        ({"userId": None}, "no_user_anon_id"),
        ({"userId": ""}, "no_user_anon_id"),
        ({"userId": True}, "id_not_string"),
        ({"anonymousId": {"id": 7}}, "id_not_string"),
        ({"event": "absent"}, "event_not_defined"),
        ({"event": ""}, "event_not_defined"),
        ({"event": 7}, "event_not_string"),
        ({"properties": [1]}, "properties_not_object"),
        ({"type": "identify", "traits": "x"}, "traits_not_object"),
        ({"type": "page", "name": 7}, "name_not_string"),
        ({"type": "group"}, "id_required"),
        ({"type": "dance"}, "bad_request"),
        ({"messageId": "x" * 101}, "bad_request"),
        ({"context": 7}, "bad_request"),
        ({"context": [7]}, "bad_request"),
    ],
)
def test_what_is_wrong_has_segments_code(changes: dict[str, Any], code: str) -> None:
    assert refusal(**changes) == code


def test_a_bad_message_harms_no_neighbour() -> None:
    good, refused = read("batch", {"batch": [GOOD, {"type": "track"}, {**GOOD, "messageId": "n"}]})
    assert [item["messageId"] for item in good] == ["m", "n"]
    assert [item.code for item in refused] == ["no_user_anon_id"]


def test_the_clients_clock_is_corrected_by_its_skew() -> None:
    envelope = {"batch": [{**GOOD, "timestamp": "2026-11-24T09:00:00.000Z"}], "sentAt": "2026-11-24T09:00:05.000Z"}
    [item] = read("batch", envelope)[0]
    assert item["originalTimestamp"] == "2026-11-24T09:00:00.000Z"
    assert item["timestamp"] == "2026-11-24T10:00:05.000Z"
    assert item["sentAt"] == "2026-11-24T09:00:05.000Z"
    assert item["receivedAt"] == "2026-11-24T10:00:10.000Z"


UNREADABLE = [
    "yesterday",
    1795514400000,
    17.5,
    True,
    0,
    [],
    {"a": [1]},
    "0000-01-01T00:00:00Z",
    "10000-01-01T00:00:00Z",
]


def noted(item: dict[str, Any], **envelope: Any) -> tuple[dict[str, Any], list[tuple[str, str]]]:
    """Returns the stored message, and the type and field of each thing that was noted about it."""
    found = read_messages(read_request("batch", msgspec.json.encode({"batch": [item], **envelope})), NOW, lambda: "m")
    [message] = found.good
    violations = message.verdict.violations if message.verdict else []
    return msgspec.json.decode(message.body), [each[:2] for each in violations]


@pytest.mark.parametrize("value", UNREADABLE)
def test_a_timestamp_that_cannot_be_read_becomes_the_receipts_and_is_noted(value: Any) -> None:
    item, found = noted({**GOOD, "timestamp": value}, sentAt="2026-11-24T09:00:00.000Z")
    assert item["timestamp"] == item["originalTimestamp"] == item["receivedAt"]
    assert found == [("Unreadable Time", "timestamp")]


@pytest.mark.parametrize("value", UNREADABLE)
@pytest.mark.parametrize("place", ["message", "envelope"])
def test_a_sent_at_that_cannot_be_read_becomes_the_receipts_and_is_noted(value: Any, place: str) -> None:
    own, shared = ({"sentAt": value}, {}) if place == "message" else ({}, {"sentAt": value})
    item, found = noted({**GOOD, "timestamp": "2026-11-24T09:00:00.000Z", **own}, **shared)
    assert item["timestamp"] == "2026-11-24T09:00:00.000Z", "no skew is known"
    assert item["sentAt"] == item["receivedAt"]
    assert found == [("Unreadable Time", "sentAt")]


@pytest.mark.parametrize("value", [None, ""])
def test_an_empty_time_is_absent(value: Any) -> None:
    item, found = noted({**GOOD, "timestamp": value, "sentAt": value}, sentAt=value)
    assert item["timestamp"] == item["originalTimestamp"] == item["receivedAt"]
    assert "sentAt" not in item
    assert found == []


def test_another_time_of_the_message_stands_in_for_one_that_cannot_be_read() -> None:
    times = {"timestamp": "soon", "originalTimestamp": "2026-11-24T09:00:00.000Z", "sentAt": "now"}
    item, found = noted({**GOOD, **times}, sentAt="2026-11-24T10:00:00.000Z")
    assert (item["originalTimestamp"], item["timestamp"]) == ("2026-11-24T09:00:00.000Z", "2026-11-24T09:00:10.000Z")
    assert item["sentAt"] == "2026-11-24T10:00:00.000Z"
    assert [field for _, field in found] == ["timestamp", "sentAt"]


def test_a_time_that_the_skew_moves_beyond_the_calendar_becomes_the_receipts() -> None:
    item, found = noted({**GOOD, "timestamp": "9999-12-31T23:59:59.000Z"}, sentAt="2026-11-24T09:00:00.000Z")
    assert item["timestamp"] == item["originalTimestamp"] == item["receivedAt"]
    assert found == [("Unreadable Time", "timestamp")]


@pytest.mark.parametrize(("sent", "text"), [("7", "7"), ("-1.0", "-1.0"), ("1e21", "1e21"), ("9" * 30, "9" * 30)])
@pytest.mark.parametrize(
    ("field", "message"),
    [
        ("userId", {**GOOD}),
        ("anonymousId", {**GOOD}),
        ("messageId", {**GOOD}),
        ("groupId", {"type": "group", "userId": "u"}),
        ("previousId", {"type": "alias", "userId": "u"}),
    ],
)
def test_an_id_that_is_a_number_is_the_text_that_was_sent(
    sent: str, text: str, field: str, message: dict[str, Any]
) -> None:
    raw = msgspec.json.encode({**message, field: "here"}).replace(b'"here"', sent.encode())
    [item] = read("batch", b'{"batch":[' + raw + b"]}")[0]
    assert item[field] == text


def test_empty_ids_are_absent() -> None:
    empty = dict.fromkeys(("anonymousId", "groupId", "previousId", "messageId"), "")
    for more in ({}, {"elsewhere": 1}):
        [item] = read("track", {**GOOD, **empty, **more})[0]
        assert not {"anonymousId", "groupId", "previousId"} & item.keys()
        assert item["messageId"] == "made"
        [item] = read("track", {**GOOD, "userId": "", "anonymousId": "a", **more})[0]
        assert ("userId" in item, item["anonymousId"]) == (False, "a")
    assert refusal(type="group", groupId="") == "id_required"
    assert refusal(type="alias", previousId="") == "id_required"


def test_the_empty_arrays_of_php_are_empty_objects() -> None:
    empty: dict[str, Any] = {"context": [], "integrations": [], "properties": []}
    [item] = read("track", {**GOOD, **empty})[0]
    assert (item["context"], item["integrations"], item["properties"]) == ({}, {}, {})
    [item] = read("batch", {"batch": [{"type": "identify", "userId": "u", "traits": []}], **empty})[0]
    assert (item["traits"], item["context"], item["integrations"]) == ({}, {}, {})
    context = {"traits": [], "library": [], "page": {"a": []}, "own": []}
    [item] = read("track", {**GOOD, "context": context})[0]
    assert item["context"] == {"traits": {}, "library": {}, "page": {"a": []}, "own": []}
    [item] = read("batch", {"batch": [GOOD], "context": {"app": []}})[0]
    assert item["context"] == {"app": {}}


@pytest.mark.parametrize("kind", ["page", "screen"])
@pytest.mark.parametrize("more", [{}, {"elsewhere": 1}], ids=["usual", "unusual"])
@pytest.mark.parametrize("field", ["name", "category"])
def test_a_page_without_a_name_has_that_of_its_properties(field: str, kind: str, more: dict[str, Any]) -> None:
    call = {"type": kind, "userId": "u", **more}
    batch = [
        {**call, "properties": {field: "Home"}},
        {**call, field: "", "properties": {field: "Home"}},
        {**call, field: "Own", "properties": {field: "Home"}},
        {**call, "properties": {field: 7}},
    ]
    items, _ = read("batch", {"batch": batch})
    assert [item.get(field) for item in items] == ["Home", "Home", "Own", None]
    assert items[0]["properties"] == {field: "Home"}


def test_a_track_takes_no_name_from_its_properties() -> None:
    [item] = read("track", {**GOOD, "properties": {"name": "Home"}})[0]
    assert "name" not in item


@pytest.mark.parametrize("field", ["context", "integrations"])
@pytest.mark.parametrize("value", [7, "x", [1]])
def test_an_envelope_that_cannot_be_merged_is_refused(field: str, value: Any) -> None:
    with pytest.raises(Rejected, match=field):
        read("batch", {"batch": [GOOD], field: value})


def test_a_small_body_does_not_become_a_great_many_bytes_by_its_context() -> None:
    small = {"type": "track", "userId": "u", "event": "S"}
    shared = {"context": {"text": "x" * 30_000}}
    assert len(read("batch", {"batch": [small] * 100, **shared})[0]) == 100
    with pytest.raises(Rejected, match=r"part of each of its 2,500 messages") as refused:
        read("batch", {"batch": [small] * 2_500, **shared})
    assert refused.value.code == "payload_too_large"


def test_a_message_without_times_has_the_servers() -> None:
    [item] = read("track", GOOD)[0]
    assert item["timestamp"] == item["originalTimestamp"] == item["receivedAt"]


def test_a_batchs_context_is_each_messages_unless_it_says_otherwise() -> None:
    batch = [{**GOOD, "context": {"ip": "own"}}]
    [item] = read("batch", {"batch": batch, "context": {"ip": "shared", "app": 1}, "integrations": {"All": False}})[0]
    assert item["context"] == {"ip": "own", "app": 1}
    assert item["integrations"] == {"All": False}


@pytest.mark.parametrize("more", [{}, {"channel": "server"}, {"elsewhere": 1}], ids=["bare", "usual", "unusual"])
def test_the_traits_of_rudderstacks_identify_stand_in_its_context(more: dict[str, Any]) -> None:
    context = {"traits": {"plan": "gold"}}
    identify, own, group = read(
        "batch",
        {
            "batch": [
                {"type": "identify", "userId": "u", "context": context, **more},
                {"type": "identify", "userId": "u", "context": context, "traits": {"plan": "free"}, **more},
                {"type": "group", "userId": "u", "groupId": "g", "context": context, **more},
            ]
        },
    )[0]
    assert (identify["traits"], identify["context"]) == ({"plan": "gold"}, context)
    assert own["traits"] == {"plan": "free"}
    assert group["traits"] == {}


def test_a_message_id_is_made_where_there_is_none_and_the_write_key_is_taken_out() -> None:
    [item] = read("track", {"userId": "u", "event": "Seen", "writeKey": "secret"})[0]
    assert item["messageId"] == "made"
    assert "writeKey" not in item


def test_fields_that_no_rule_names_are_kept() -> None:
    [item] = read("track", {**GOOD, "_metadata": {"nodeVersion": "20"}, "channel": "server"})[0]
    assert (item["_metadata"], item["channel"]) == ({"nodeVersion": "20"}, "server")


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'"x"', b"NaN"])
def test_what_is_no_json_object_is_refused_whole(body: bytes) -> None:
    with pytest.raises(Rejected):
        read("track", body)


def test_an_empty_batch_is_refused() -> None:
    with pytest.raises(Rejected) as refused:
        read("batch", {"batch": []})
    assert refused.value.code == "empty_batch"


def test_messages_beyond_the_limit_are_refused_and_the_first_are_taken() -> None:
    small = {"type": "track", "userId": "u", "event": "S"}
    good, refused = read("batch", {"batch": [small] * (MAX_BATCH_EVENTS + 3)})
    assert (len(good), len(refused)) == (MAX_BATCH_EVENTS, 3)


def test_depth_is_judged_by_levels_not_by_brackets() -> None:
    wide: dict[str, list[list[int]]] = {"list": [[] for _ in range(5 * MAX_DEPTH)]}
    assert len(read("track", {**GOOD, "properties": wide})[0]) == 1
    deep: Any = 1
    for _ in range(MAX_DEPTH):
        deep = {"a": deep}
    assert refusal(properties=deep) == "bad_request"


@given(properties=st.dictionaries(st.text(st.characters(codec="utf-8"), max_size=8), values, max_size=4))
def test_any_properties_come_through_unchanged(properties: dict[str, Any]) -> None:
    [item] = read("track", {**GOOD, "properties": properties})[0]
    assert item["properties"] == properties
