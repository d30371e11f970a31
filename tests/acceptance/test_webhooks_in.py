"""LiveLike's webhooks, in the shape that its page shows, become the events of the spec in the warehouse."""

import base64
import hashlib
import hmac
import json
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import yaml

from tifo.app.demo.local import LocalTifo
from tifo.source import events

Call = Callable[..., Any]
SPEC = yaml.safe_load(Path(events.__file__).with_name("events.yaml").read_text())["events"]
RECORDED = Path(__file__).parents[1] / "unit/source/webhooks/recorded.json"
SECRET = "geheim-ä"
EXPECTED = {
    "badge_rewarded": 1,
    "user_quest_task_progressed": 1,
    "quest_task_completed": 1,
    "user_quest_completed": 1,
    "quest_reward_awarded": 2,
    "reward_item_rewarded": 1,
}
PAID = {
    "livelike_profile_id": "p-1",
    "reward_item_name": "Punkte 🎯",
    "reward_item_amount": 10,
    "reward_item_balance": 30,
    "reward_item_id": "i-1",
    "reward_item_transaction_id": "t-1",
}
TASK = {
    "livelike_profile_id": "p-1",
    "quest_id": "q-1",
    "quest_name": "Matchday Ω",
    "quest_task_id": "qt-1",
    "quest_task_name": "Drei Fragen täglich",
    "user_quest_id": "uq-1",
    "user_quest_task_id": "uqt-1",
}
VALUES: dict[str, dict[str, Any]] = {
    "Badge Rewarded": {
        "livelike_profile_id": "p-1",
        "badge_id": "b-1",
        "badge_title": "Стандарт 🏅",
        "description": "Käm oft",
        "earned_badge_id": "eb-1",
        "image_url": "https://cdn.example.com/b.png",
        "reward_item_id": "i-1",
        "reward_item_name": "Punkte für Fans",
        "reward_item_threshold": 30,
    },
    "User Quest Task Progressed": {**TASK, "quest_task_target_value": 3, "user_quest_task_progress": 2.5},
    "Quest Task Completed": TASK,
    "User Quest Completed": {
        "livelike_profile_id": "p-1",
        "quest_id": "q-1",
        "quest_name": "Matchday Ω",
        "user_quest_id": "uq-1",
    },
    "Quest Reward Awarded": {**PAID, "quest_id": "q-1", "quest_name": "Matchday Ω"},
    "Reward Item Rewarded": PAID,
}


class LiveLike:
    """Stands in for LiveLike's API, as its reference shows it; `is_down` for a while."""

    def __init__(self) -> None:
        self.is_down = True
        self.asked = 0
        self.tokens: set[str | None] = set()
        livelike = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                livelike.asked += 1
                livelike.tokens.add(self.headers["Authorization"])
                answer = None if livelike.is_down else livelike.resource(self.path)
                body = json.dumps(answer).encode()
                self.send_response(503 if livelike.is_down else 404 if answer is None else 200)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                """Not to the test's output."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"http://127.0.0.1:{self.server.server_port}/api/v1/"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    @staticmethod
    def resource(path: str) -> Any:
        parts = urlsplit(path)
        task = {"id": "qt-1", "name": "Drei Fragen täglich", "target_value": 3.0}
        run = {"id": "uq-1", "quest_id": "q-1", "user_quest_tasks": [{"id": "uqt-1", "progress": 2.5}]}
        is_asked_for = parse_qs(parts.query).get("id") == ["uq-1"]
        return {
            "/api/v1/profiles/p-1/": {"id": "p-1", "custom_id": "ada"},
            "/api/v1/quests/q-1/": {"id": "q-1", "name": "Matchday Ω", "quest_tasks": [task]},
            "/api/v1/reward-items/i-1/": {"id": "i-1", "name": "Punkte 🎯"},
            "/api/v1/user-quests/": {"results": [run] if is_asked_for else []},
            "/api/v1/reward-transactions/": {"results": [{"id": "t-1", "user_quest_id": "uq-1"}], "next": None},
        }.get(parts.path)


@pytest.fixture
def livelike() -> Iterator[LiveLike]:
    livelike = LiveLike()
    yield livelike
    livelike.server.shutdown()
    livelike.server.server_close()


def signed(hook: dict[str, Any], secret: str = SECRET) -> tuple[bytes, dict[str, str]]:
    body = json.dumps(hook, separators=(",", ":"), ensure_ascii=False).encode()
    mark = base64.b64encode(hmac.new(secret.encode(), body, hashlib.sha1).digest()).decode()
    return body, {"X-Webhook-Signature": mark}


def test_all_six_webhooks_become_the_events_of_the_spec_though_the_api_is_down_for_a_while(
    tmp_path: Path, call: Call, rows_of: Callable[..., dict[str, int]], livelike: LiveLike
) -> None:
    recorded = json.loads(RECORDED.read_text())
    tifo = LocalTifo(tmp_path / "data")
    with tifo.up("--flush-s", "0.3", "--egress-allow", "127.0.0.0/8"):
        tifo.command("source", "create", "Fans", "--type", "livelike")
        words = ("--secret", SECRET, "--api", livelike.address, "--token", "their-token")
        url = tifo.address + tifo.command("source", "webhooks-in", "fans", *words)["path"]
        for hook in recorded:
            body, headers = signed(hook, "not the secret")
            refused = call("POST", url, raw=body, headers=headers)
            assert (refused.status, refused.body["code"]) == (401, "wrong_signature")
        for is_again in (False, True):
            for hook in recorded:
                body, headers = signed(hook)
                answer = call("POST", url, raw=body, headers=headers)
                assert (answer.status, answer.body) == (200, {"success": True, "duplicate": is_again})

        deadline = time.monotonic() + 20
        while len((told := tifo.command("source", "webhooks", "fans"))["held"]) < 6:
            assert time.monotonic() < deadline, told
            time.sleep(0.05)
        assert all("503" in each["reason"] for each in told["held"])
        assert rows_of(tifo, "fans", {"badge_rewarded": 1}) == {"badge_rewarded": 1}, "it lacks nothing"
        assert tifo.rows("fans", ["tracks"]) == {"tracks": 1}, "nothing is sent incomplete"
        livelike.is_down = False
        tifo.command("source", "webhooks-retry", "fans")
        assert rows_of(tifo, "fans", EXPECTED) == EXPECTED
        assert livelike.tokens == {"Bearer their-token"}
        _check_rows(tifo, recorded)
        for hook in recorded:  # replayed once more, after all was sent
            body, headers = signed(hook)
            assert call("POST", url, raw=body, headers=headers).body["duplicate"] is True
        assert tifo.rows("fans", ["tracks"]) == {"tracks": 7}
        told = tifo.command("source", "webhooks", "fans")
        assert (told["sent"], told["held"]) == (7, [])


def _check_rows(tifo: LocalTifo, recorded: list[dict[str, Any]]) -> None:
    assert VALUES.keys() == SPEC.keys()
    ids: set[str] = set()
    for name, event in SPEC.items():
        assert VALUES[name].keys() == event["properties"].keys(), name
        for row in tifo.query(f"select * from fans.{event['warehouse_table']}"):
            assert {each: row[each] for each in event["properties"]} == VALUES[name]
            assert row["event_text"] == name
            ids.add(row["id"])
            # LiveLike says of one that the profile has no custom id: then it is anonymous.
            is_anonymous = name == "Reward Item Rewarded"
            who = (row.get("user_id"), row.get("anonymous_id"))
            assert who == ((None, "p-1") if is_anonymous else ("ada", None)), name
    assert ids == {each["id"] for each in recorded}
