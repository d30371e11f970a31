"""Bad input gets a clear 4xx, and nothing of it is stored."""

import gzip
import json
import time
from collections.abc import Callable
from typing import Any

import pytest

from tifo.app.demo.local import LocalTifo

Call = Callable[..., Any]
NOTED_WITHIN_S = 30.0
GOOD: dict[str, Any] = {"event": "Seen", "userId": "u"}


def _deep(levels: int) -> bytes:
    return b'{"event":"Seen","userId":"u","properties":' + b'{"a":' * levels + b"1" + b"}" * (levels + 1)


BAD_TRACKS = {
    "malformed JSON": b'{"event": "Seen", "userId": ',
    "not an object": b'["Seen"]',
    "no event name": json.dumps({"userId": "u"}).encode(),
    "event of a wrong type": json.dumps({**GOOD, "event": 7}).encode(),
    "userId of a wrong type": json.dumps({**GOOD, "userId": {"a": 1}}).encode(),
    "nobody": json.dumps({"event": "Seen"}).encode(),
    "properties of a wrong type": json.dumps({**GOOD, "properties": [1]}).encode(),
    "a messageId that is too long": json.dumps({**GOOD, "messageId": "x" * 101}).encode(),
    "over 32 KB": json.dumps({**GOOD, "properties": {"text": "x" * 33_000}}).encode(),
    "over 500 KB": json.dumps({**GOOD, "properties": {"text": "x" * 600_000}}).encode(),
    "too deep": _deep(2_000),
    "NaN": b'{"event":"Seen","userId":"u","properties":{"a":NaN}}',
    "a number beyond doubles": b'{"event":"Seen","userId":"u","properties":{"a":1e999}}',
    "an empty body": b"",
}


@pytest.fixture(scope="module")
def source(tifo: LocalTifo) -> dict[str, str]:
    made: dict[str, str] = tifo.command("source", "create", "Bad input", "--type", "http")
    return made


@pytest.mark.parametrize("body", BAD_TRACKS.values(), ids=BAD_TRACKS.keys())
def test_a_bad_track_call_gets_a_clear_4xx(tifo: LocalTifo, source: dict[str, str], call: Call, body: bytes) -> None:
    answer = call("POST", f"{tifo.address}/v1/track", raw=body, write_key=source["write_key"])
    assert 400 <= answer.status < 500
    assert answer.body["success"] is False
    assert answer.body["code"]
    assert len(answer.body["message"]) > 10


REPAIRED = {
    "half a surrogate pair": (rb'{"event":"Cut \ud83d","userId":"u"}', "Cut \ufffd"),
    "no UTF-8": (b'{"event":"Latin \xe9","userId":"u"}', "Latin \ufffd"),
    "an integer of 400 digits": (
        b'{"event":"Wide","userId":"u","properties":{"n":%s}}' % (b"9" * 400),
        "Wide",
    ),
    "a time that is none": (b'{"event":"Late","userId":"u","timestamp":"soon","sentAt":[]}', "Late"),
    "numbers as ids": (b'{"event":"Seven","userId":7,"anonymousId":1.0}', "Seven"),
    "empty arrays of PHP": (
        b'{"event":"Empty","userId":"u","context":[],"integrations":[],"properties":[]}',
        "Empty",
    ),
}


@pytest.fixture(scope="module")
def lenient(tifo: LocalTifo) -> dict[str, str]:
    made: dict[str, str] = tifo.command("source", "create", "Lenient", "--type", "http")
    return made


def test_what_can_be_repaired_is_stored_and_noted(
    tifo: LocalTifo, lenient: dict[str, str], call: Call, rows_of: Callable[..., dict[str, int]]
) -> None:
    for body, _ in REPAIRED.values():
        answer = call("POST", f"{tifo.address}/v1/track", raw=body, write_key=lenient["write_key"])
        assert (answer.status, answer.body) == (200, {"success": True})
    rows_of(tifo, lenient["schema"], {"tracks": len(REPAIRED)})
    rows = tifo.command("sql", f"SELECT event_text, user_id, anonymous_id FROM {lenient['schema']}.tracks")
    assert {row["event_text"] for row in rows} == {event for _, event in REPAIRED.values()}
    assert ("7", "1.0") in [(row["user_id"], row["anonymous_id"]) for row in rows]
    wide = tifo.command("sql", f"SELECT n FROM {lenient['schema']}.wide")
    assert wide == [{"n": "9" * 400}]
    expected = {
        ("Cut \ufffd", "Repaired Text", "event"),
        ("Latin \ufffd", "Repaired Text", "event"),
        ("Wide", "Large Integer", "properties.n"),
        ("Late", "Unreadable Time", "timestamp"),
        ("Late", "Unreadable Time", "sentAt"),
    }
    deadline = time.monotonic() + NOTED_WITHIN_S
    while (noted := _noted(tifo, lenient["slug"])) != expected:
        assert time.monotonic() < deadline, noted


def _noted(tifo: LocalTifo, slug: str) -> set[tuple[str, str, str]]:
    listed = tifo.command("plan", "violations", slug)
    return {(each["event"], each["violation"], each["field"]) for each in listed}


def test_failed_on_ingest_counts_events_and_shows_what_was_sent(tifo: LocalTifo, call: Call) -> None:
    source = tifo.command("source", "create", "Counted", "--type", "http")
    odd = b'{"type":"track","userId":"u","event":"Odd","properties":{"price":NaN}}'
    batch = b",".join([b'{"type":"track","userId":"u","event":"Seen"}'] * 18 + [odd, odd])
    answer = call("POST", f"{tifo.address}/v1/batch", raw=b'{"batch":[%s]}' % batch, write_key=source["write_key"])
    assert answer.status == 200
    errors = [each for each in tifo.command("delivery", "errors") if each["source"] == source["slug"]]
    assert [(each["code"], each["count"]) for each in errors] == [("invalid_json", 2)]
    assert errors[0]["sample"] == odd.decode()
    assert "properties.price is NaN" in errors[0]["detail"]


def test_a_gzip_bomb_is_refused(tifo: LocalTifo, source: dict[str, str], call: Call) -> None:
    bomb = gzip.compress(b" " * 50_000_000)
    headers = {"Content-Encoding": "gzip"}
    answer = call("POST", f"{tifo.address}/v1/batch", raw=bomb, write_key=source["write_key"], headers=headers)
    assert answer.status == 400
    broken = call("POST", f"{tifo.address}/v1/batch", raw=b"no gzip", write_key=source["write_key"], headers=headers)
    assert broken.status == 400


def test_an_unknown_write_key_is_401_and_is_not_echoed(tifo: LocalTifo, call: Call) -> None:
    answer = call("POST", f"{tifo.address}/v1/track", GOOD, write_key="no-such-key-0123456789")
    assert answer.status == 401
    assert "no-such-key" not in json.dumps(answer.body)
    assert call("POST", f"{tifo.address}/v1/track", GOOD).status == 401


def test_nothing_bad_was_stored_and_good_neighbours_were(
    tifo: LocalTifo, source: dict[str, str], call: Call, rows_of: Callable[..., dict[str, int]]
) -> None:
    good = {"type": "track", **GOOD}
    batch = {
        "batch": [{**good, "messageId": "good-1"}, {"type": "track", "userId": "u"}, {**good, "messageId": "good-2"}]
    }
    answer = call("POST", f"{tifo.address}/v1/batch", batch, write_key=source["write_key"])
    assert (answer.status, answer.body) == (200, {"success": True})
    assert rows_of(tifo, source["schema"], {"seen": 2}) == {"seen": 2}
    assert {r["id"] for r in tifo.query(f"select id from {source['schema']}.seen")} == {"good-1", "good-2"}
    refused = {e["code"]: e["count"] for e in tifo.command("delivery", "errors") if e["source"] == "bad_input"}
    assert refused["event_not_defined"] == 2
    assert refused["no_user_anon_id"] == 1


@pytest.fixture(scope="module")
def app(tifo: LocalTifo) -> dict[str, str]:
    made: dict[str, str] = tifo.command("app", "create", "Club")
    return made


@pytest.fixture(scope="module")
def other(tifo: LocalTifo) -> dict[str, str]:
    made: dict[str, str] = tifo.command("app", "create", "Rival")
    return made


def test_bad_commands_get_a_clear_4xx_and_change_nothing(
    tifo: LocalTifo, app: dict[str, str], other: dict[str, str], call: Call
) -> None:
    base, token = f"{tifo.address}/api/v1", app["producer_token"]

    def post(path: str, body: object, token: str = token) -> Any:
        return call("POST", f"{base}/{path}", body, token=token)

    client = {"client_id": app["client_id"]}
    item = post("reward-items/", {**client, "name": "Points"}).body
    quest = post("quests/", {**client, "name": "Quest"}).body
    fan = call("POST", f"{base}/applications/{app['client_id']}/profile/", {"nickname": "F"}, token="").body
    rival = call("POST", f"{base}/applications/{other['client_id']}/profile/", {"nickname": "R"}, token="").body
    credit = f"profiles/{fan['id']}/reward-item-credits/"
    debit = f"profiles/{fan['id']}/reward-item-debits/"
    amount = {"reward_item_id": item["id"], "reward_item_amount": 3}
    assert post(credit, amount).status == 200
    refused = {
        "an amount of 0": post(credit, {**amount, "reward_item_amount": 0}),
        "an amount below 0": post(credit, {**amount, "reward_item_amount": -3}),
        "an amount of a wrong type": post(credit, {**amount, "reward_item_amount": "3"}),
        "a huge amount": post(credit, {**amount, "reward_item_amount": 10**30}),
        "an unknown item": post(credit, {**amount, "reward_item_id": "no-such-item"}),
        "more than the balance": post(debit, {**amount, "reward_item_amount": 4}),
        "an unknown profile": post("profiles/no-such-profile/reward-item-credits/", amount),
        "an unknown action": post(
            "invoked-actions/",
            {"program_id": app["program_id"], "profile_id": fan["id"], "reward_action_key": "nope"},
        ),
        "a negative target": post("quest-tasks/", {"quest_id": quest["id"], "name": "T", "target_value": -1}),
        "another application's token": post(credit, amount, token=other["producer_token"]),
        "a fan's token": post(credit, amount, token=fan["access_token"]),
        "another application's fan": post(credit, amount, token=rival["access_token"]),
        "no token": post(credit, amount, token=""),
        "malformed JSON": call("POST", f"{base}/{credit}", raw=b"{", token=token),
        "a lone surrogate": call("POST", f"{base}/reward-items/", raw=b'{"name":"\\ud800"}', token=token),
    }
    for what, answer in refused.items():
        assert 400 <= answer.status < 500, (what, answer)
        assert isinstance(answer.body, dict), (what, answer)
    assert "3" in json.dumps(refused["more than the balance"].body)
    balances = call("GET", f"{base}/profiles/{fan['id']}/reward-item-balances/", token=token).body["results"]
    assert [b["reward_item_balance"] for b in balances] == [3]
