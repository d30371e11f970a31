from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from tifo.warehouses.messages import Converted, convert
from tifo.warehouses.ports import ColumnType

Line = Callable[..., bytes]


def rows(converted: Converted, table: str) -> list[dict[str, Any]]:
    return list(converted.tables[table].rows.to_pylist())


def test_a_track_call_is_a_row_of_tracks_and_one_of_its_event(line: Line) -> None:
    converted = convert(line("m1", anonymousId="anon", properties={"badgeId": "b", "amount": 3}))
    assert not converted.discards
    at = datetime(2026, 11, 24, 10, tzinfo=UTC)
    standard = {
        "id": "m1",
        "anonymous_id": "anon",
        "user_id": "fan-1",
        "event": "badge_rewarded",
        "event_text": "Badge Rewarded",
        "received_at": at,
        "sent_at": at,
        "timestamp": at,
        "original_timestamp": at,
        "context_library_name": "test",
    }
    assert rows(converted, "tracks") == [standard]
    assert rows(converted, "badge_rewarded") == [{**standard, "badge_id": "b", "amount": 3}]
    assert converted.tables["badge_rewarded"].types["amount"] is ColumnType.INTEGER


def test_tracks_keeps_the_logs_order_and_each_events_rows_their_own_properties(line: Line) -> None:
    events = [("m1", "B"), ("m2", "A"), ("m3", "B"), ("m4", "C"), ("m5", "A")]
    converted = convert(b"".join(line(i, event=e, properties={"x": i}) for i, e in events))
    assert [row["id"] for row in rows(converted, "tracks")] == ["m1", "m2", "m3", "m4", "m5"]
    for name in "abc":
        assert [(r["id"], r["x"]) for r in rows(converted, name)] == [(i, i) for i, e in events if e.lower() == name]


def test_events_whose_names_give_one_table_share_it(line: Line) -> None:
    converted = convert(line("m1", event="Sample Text") + line("m2", event="sampleText"))
    assert [row["event_text"] for row in rows(converted, "sample_text")] == ["Sample Text", "sampleText"]


def test_an_events_table_has_only_the_context_that_its_rows_have(line: Line) -> None:
    converted = convert(line("m1", event="A", context={"ip": "10.0.0.1"}) + line("m2", event="B", context={}))
    assert "context_ip" in converted.tables["a"].types
    assert "context_ip" not in converted.tables["b"].types
    assert [row["context_ip"] for row in rows(converted, "tracks")] == ["10.0.0.1", None]


def test_the_other_calls_have_their_tables(line: Line) -> None:
    converted = convert(
        line("m1", type="identify", event=None, properties=None, traits={"email": "a@b.c", "id": 7})
        + line("m2", type="page", event=None, name="Home", category="Web", properties={"url": "/", "name": "Home"})
        + line("m3", type="group", event=None, groupId="g", traits={"plan": "pro"})
        + line("m4", type="alias", event=None, previousId="old")
        + line("m5", type="screen", event=None, name="Main")
    )
    assert not converted.discards
    assert {name: len(table.rows) for name, table in converted.tables.items()} == {
        "identifies": 1,
        "pages": 1,
        "groups": 1,
        "aliases": 1,
        "screens": 1,
    }
    assert rows(converted, "identifies")[0]["trait_id"] == 7
    assert rows(converted, "pages")[0]["property_name"] == rows(converted, "pages")[0]["name"] == "Home"
    assert rows(converted, "groups")[0]["group_id"] == "g"
    assert rows(converted, "aliases")[0]["previous_id"] == "old"


def test_traits_of_a_track_call_are_kept_beside_a_property_of_that_name(line: Line) -> None:
    (row,) = rows(convert(line("m1", traits={"a": 1}, properties={"traits": 2})), "badge_rewarded")
    assert (row["traits_a"], row["traits"]) == (1, 2)


def test_a_broken_line_is_discarded_whole_and_its_neighbours_are_not(line: Line) -> None:
    converted = convert(line("m1") + b'{"messageId":"m2","receivedAt":"r","userId":5}\n' + b"\xff\n" + line("m3"))
    assert [row["id"] for row in rows(converted, "tracks")] == ["m1", "m3"]
    first, second = converted.discards
    assert (first.message_id, first.received_at) == ("m2", "r")
    assert "not a canonical message" in first.reason
    assert second.value == "\\xff"


def test_a_message_of_an_unknown_type_is_discarded_whole(line: Line) -> None:
    (discard,) = convert(line("m1", type="dance")).discards
    assert discard.message_id == "m1"
    assert "dance" in discard.reason


def test_a_wrong_time_is_named_and_the_row_is_kept(line: Line) -> None:
    converted = convert(line("m1", sentAt="yesterday") + line("m2", originalTimestamp="2026-11-24"))
    assert rows(converted, "tracks")[0]["sent_at"] is None
    assert rows(converted, "tracks")[1]["original_timestamp"] == datetime(2026, 11, 24, tzinfo=UTC)
    (discard,) = converted.discards
    assert (discard.table, discard.column, discard.value) == ("tracks", "sent_at", "yesterday")


def test_a_context_that_is_no_object_is_named_and_the_row_is_kept(line: Line) -> None:
    converted = convert(line("m1", context=[1]) + line("m2"))
    assert len(rows(converted, "tracks")) == 2
    (discard,) = converted.discards
    assert (discard.message_id, discard.column, discard.value) == ("m1", "context", "[1]")
