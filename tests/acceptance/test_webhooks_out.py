"""Tifo's outgoing webhooks feed another source of Tifo's, whose events are those that the relay sends."""

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

import pytest
import yaml

from tests.commands import command
from tifo.app.demo.local import LocalTifo
from tifo.app.settings import Settings
from tifo.source import events
from tifo.source.webhooks.outgoing import ALL_EVENTS

Call = Callable[..., Any]
SPEC = yaml.safe_load(Path(events.__file__).with_name("events.yaml").read_text())["events"]
EXPECTED = {
    "reward_item_rewarded": 2,
    "badge_rewarded": 1,
    "user_quest_task_progressed": 2,
    "quest_task_completed": 1,
    "user_quest_completed": 1,
    "quest_reward_awarded": 1,
}


class Listener:
    """A subscriber of someone's own: it fails the first time, then takes everything."""

    def __init__(self) -> None:
        self.came: list[tuple[bytes, str]] = []
        listener = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                listener.came.append((body, self.headers["X-Webhook-Signature"]))
                self.send_response(503 if len(listener.came) == 1 else 200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                """Not to the test's output."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"http://127.0.0.1:{self.server.server_port}/hook?team=ä".replace("ä", "%C3%A4")
        threading.Thread(target=self.server.serve_forever, daemon=True).start()


@pytest.fixture
def listener() -> Iterator[Listener]:
    listener = Listener()
    yield listener
    listener.server.shutdown()
    listener.server.server_close()


def test_webhooks_out_and_in_again_give_the_relays_events_field_by_field(
    tmp_path: Path, call: Call, rows_of: Callable[..., dict[str, int]], listener: Listener
) -> None:
    tifo = LocalTifo(tmp_path / "data")
    settings = Settings(data=tifo.data)
    with tifo.up("--flush-s", "0.3", "--egress-allow", "127.0.0.0/8"):
        app = tifo.command("app", "create", "Club")
        client_id, token, base = app["client_id"], app["producer_token"], f"{tifo.address}/api/v1"
        relayed = tifo.command("source", "create", "Relayed", "--type", "livelike")
        tifo.command("app", "connect", client_id, "--write-key", relayed["write_key"])
        tifo.command("source", "create", "Hooked", "--type", "livelike")
        words = ("--secret", app["client_secret"], "--api", base, "--token", token)
        path = tifo.command("source", "webhooks-in", "hooked", *words)["path"]
        inward = tifo.command("app", "webhook", "add", client_id, f"{tifo.address}{path}")
        outward = tifo.command("app", "webhook", "add", client_id, listener.address)
        assert [each["id"] for each in tifo.command("app", "webhook", "list", client_id)] == [
            inward["id"],
            outward["id"],
        ]
        _play(call, base, app)
        assert rows_of(tifo, "relayed", EXPECTED) == EXPECTED
        assert rows_of(tifo, "hooked", EXPECTED) == EXPECTED, tifo.command("source", "webhooks", "hooked")
        for event in SPEC.values():
            # Not `timestamp`, which is corrected by the time of sending.
            names = [*event["properties"], "user_id", "anonymous_id", "id", "event_text"]
            table = event["warehouse_table"]
            one, other = (
                [
                    {name: row.get(name) for name in [*names, "original_timestamp"]}
                    for row in command(settings, "sql", f"select * from {schema}.{table} order by id")
                ]
                for schema in ("relayed", "hooked")
            )
            assert one == other, table
            assert all(row["user_id"] == "fän-1" for row in one)

        shown: dict[str, Any] = {}
        deadline = time.monotonic() + 30
        while shown.get("delivered") != sum(EXPECTED.values()):
            assert time.monotonic() < deadline, shown
            shown = command(settings, "app", "webhook", "show", client_id, outward["id"])
            time.sleep(0.1)
        assert (shown["to_send"], shown["waiting"], shown["aside"], shown["late"]) == (0, 0, 0, [])
        assert tifo.command("app", "webhook", "show", client_id, outward["id"]) == shown
        assert tifo.command("app", "webhook", "retry", client_id, outward["id"]) == {"tried_again": 0}
        _check_listener(listener, app["client_secret"])
        assert tifo.command("app", "webhook", "remove", client_id, outward["id"]) == {"removed": outward["id"]}


def _check_listener(listener: Listener, secret: str) -> None:
    """Each fact came, the first one twice; all signed over what came; one fan's facts in causal order."""
    for body, signature in listener.came:
        # Computed over the received bytes by the standard library alone.
        expected = base64.b64encode(hmac.new(secret.encode(), body, hashlib.sha1).digest()).decode()
        assert signature == expected
    hooks = [json.loads(body) for body, _ in listener.came]
    assert hooks[0]["id"] == hooks[1]["id"]
    assert {each["event"] for each in hooks} == set(ALL_EVENTS)
    ids = [each["id"] for each in hooks[1:]]
    assert len(set(ids)) == len(ids) == sum(EXPECTED.values())
    assert ids == sorted(ids), "ids grow with time"
    assert {each["data"]["nickname"] for each in hooks} == {"Zoë ⚽"}
    [custom] = [each for each in hooks if each["data"].get("custom_increment") is not None]
    assert custom["data"]["custom_increment"] == 1.5
    assert "Zoë ⚽".encode() in listener.came[0][0]


def _play(call: Call, base: str, app: dict[str, str]) -> None:
    def create(path: str, **body: object) -> Any:
        answer = call("POST", f"{base}/{path}", {"client_id": app["client_id"], **body}, token=app["producer_token"])
        assert answer.status == 201, answer
        return answer.body

    points = create("reward-items/", name="Punkte 🎯")
    create("reward-actions/", key="vote", name="Vote")
    entry = {"reward_item_id": points["id"], "reward_item_amount": 5, "action": "vote"}
    create("reward-tables/", name="Match", entries=[entry])
    create("badges/", name="Стандарт 🏅", reward_item_id=points["id"], reward_item_threshold=10)
    quest = create("quests/", name="Matchday Ω")
    create("quest-tasks/", quest_id=quest["id"], name="Drei", target_value=2.5, reward_action_key="vote")
    reward = {"reward_item_id": points["id"], "reward_item_amount": 10}
    create("quest-rewards/", quest_id=quest["id"], quest_rewards=[reward])
    fan = create(f"profile-by-custom-id/{app['client_id']}/f%C3%A4n-1/", nickname="Zoë ⚽")
    asked = {"quest_id": quest["id"], "profile_id": fan["id"]}
    run = call("POST", f"{base}/user-quests/", asked, token=fan["access_token"]).body
    program = app["program_id"]
    create("invoked-actions/", program_id=program, profile_id=fan["id"], reward_action_key="vote", code="1")
    task = run["user_quest_tasks"][0]["id"]
    step = {"user_quest_task_id": task, "custom_increment": 1.5}
    progressed = call("POST", f"{base}/user-quest-task-progress/", step, token=fan["access_token"])
    assert progressed.status in {200, 201}, progressed
    create("invoked-actions/", program_id=program, profile_id=fan["id"], reward_action_key="vote", code="2")
    claim = {"rewards_status": "claimed"}
    claimed = call("PATCH", f"{base}/user-quests/{run['id']}/", claim, token=fan["access_token"])
    assert claimed.status == 200, claimed
