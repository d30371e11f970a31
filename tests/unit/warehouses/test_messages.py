from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from tifo.warehouses.budgets import MAX_COLUMNS, MAX_CONTEXT, MAX_TABLES
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
        "users": 1,
        "accounts": 1,
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


def test_users_have_the_latest_traits_of_each_and_no_anonymous_id(line: Line) -> None:
    def identify(message_id: str, at: str, **fields: Any) -> bytes:
        received = f"2026-11-24T10:00:{at}.000Z"
        return line(message_id, type="identify", event=None, properties=None, receivedAt=received, **fields)

    users = convert(
        identify("m1", "03", traits={"club": "late", "id": 7})
        + identify("m2", "01", traits={"club": "early", "city": "Kyiv"}, context={"ip": "10.0.0.1"})
        + identify("m3", "02", userId=None, anonymousId="anon", traits={"club": "nobody"})
    ).tables["users"]
    assert users.latest is not None
    assert (users.latest.history, users.latest.key) == ("identifies", "user_id")
    assert [moment.second for moment in users.latest.since.to_pylist()] == [1]
    (row,) = users.rows.to_pylist()
    assert row.pop("received_at").second == 3
    assert row == {
        "id": "fan-1",
        "club": "late",
        "trait_id": 7,
        "city": "Kyiv",
        "context_ip": "10.0.0.1",
        "context_library_name": "test",
    }


def test_accounts_have_the_latest_traits_of_each_group(line: Line) -> None:
    def group(message_id: str, group_id: str, plan: str) -> bytes:
        return line(message_id, type="group", event=None, groupId=group_id, traits={"plan": plan})

    converted = convert(group("m1", "g", "free") + group("m2", "h", "free") + group("m3", "g", "pro"))
    assert {row["id"]: row["plan"] for row in rows(converted, "accounts")} == {"g": "pro", "h": "free"}


def test_events_beyond_the_limit_are_in_tracks_and_their_properties_are_kept(line: Line) -> None:
    messages = [line(f"m{n}", event=f"Event {n}", properties={"n": n}) for n in range(MAX_TABLES + 2)]
    last = f"event_{MAX_TABLES + 1}"
    converted = convert(b"".join(messages), known_tables=[last, "tracks", "users"])
    assert len(converted.tables["tracks"].rows) == MAX_TABLES + 2
    assert len(converted.tables) == 1 + MAX_TABLES
    assert rows(converted, last)[0]["n"] == MAX_TABLES + 1
    first, second = sorted(converted.discards, key=lambda discard: discard.message_id or "")
    assert (first.table, first.column, first.value) == ("event_1000", None, '{"n":1000}')
    assert second.message_id == "m999"
    assert f"{MAX_TABLES:,}" in second.reason


def test_properties_beyond_the_limit_are_named(line: Line) -> None:
    common = line("m1", properties={f"p{n}": n for n in range(MAX_COLUMNS + 1)}, context={})
    context = {f"c{n}": n for n in range(MAX_CONTEXT + 1)}
    converted = convert(common + line("m2", properties={"p5": "x"}, context=context))
    first, second = converted.discards
    assert (first.table, first.column, first.message_id) == ("tracks", f"context_c{MAX_CONTEXT}", "m2")
    assert (second.table, second.column, second.value) == ("badge_rewarded", f"p{MAX_COLUMNS}", str(MAX_COLUMNS))
