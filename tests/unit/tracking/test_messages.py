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
        ({"userId": 7}, "id_not_string"),
        ({"event": "absent"}, "event_not_defined"),
        ({"event": ""}, "event_not_defined"),
        ({"event": 7}, "event_not_string"),
        ({"properties": [1]}, "properties_not_object"),
        ({"type": "identify", "traits": "x"}, "traits_not_object"),
        ({"type": "page", "name": 7}, "name_not_string"),
        ({"type": "group"}, "id_required"),
        ({"type": "dance"}, "bad_request"),
        ({"messageId": "x" * 101}, "bad_request"),
        ({"timestamp": "yesterday"}, "bad_request"),
        ({"context": 7}, "bad_request"),
        ({"properties": {"n": 10**40}}, "bad_request"),
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


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'{"a":NaN}', b'{"userId":"\\ud800"}', b'"x"'])
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
