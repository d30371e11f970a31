"""Three videos watched are a quest: tracked events are actions, on the real `tifo up`."""

import sqlite3
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tifo.app.demo.local import LocalTifo

Call = Callable[..., Any]


class Club:
    def __init__(self, tifo: LocalTifo, call: Call) -> None:
        self.tifo, self.call = tifo, call
        self.app = tifo.command("app", "create", "Club")
        self.client_id = self.app["client_id"]
        self.own = tifo.command("source", "create", "LiveLike_Demo", "--type", "livelike")
        self.video = tifo.command("source", "create", "Video", "--type", "http")
        tifo.command("app", "connect", self.client_id, "--write-key", self.own["write_key"])
        self.base = f"{tifo.address}/api/v1"

    def post(self, path: str, *, status: int = 201, **body: object) -> Any:
        sent = {"client_id": self.client_id, **body}
        answer = self.call("POST", f"{self.base}/{path}", sent, token=self.app["producer_token"])
        assert answer.status == status, answer
        return answer.body

    def get(self, path: str) -> Any:
        return self.call("GET", f"{self.base}/{path}", token=self.app["producer_token"]).body

    def track(self, message_id: str, user: str, seconds: int) -> None:
        body = {
            "messageId": message_id,
            "userId": user,
            "event": "Video Watched",
            "properties": {"video": {"seconds": seconds}},
        }
        answer = self.call("POST", f"{self.tifo.address}/v1/track", body, write_key=self.video["write_key"])
        assert answer.status == 200, answer

    def action(self, source: str, **more: object) -> dict[str, Any]:
        segment = {
            "source": source,
            "event": "Video Watched",
            "properties": [{"property": "video.seconds", "operator": ">=", "value": 60}],
            **more,
        }
        return {"name": "Watch", "key": "watch", "type": "segment", "segment": segment}


@pytest.fixture
def club(tmp_path: Path, call: Call) -> Any:
    tifo = LocalTifo(tmp_path / "data")
    with tifo.up("--flush-s", "0.3"):
        yield Club(tifo, call)


def until(holds: Callable[[], Any]) -> Any:
    deadline = time.monotonic() + 20
    while not (held := holds()):
        assert time.monotonic() < deadline, "it did not come to hold within 20 s"
        time.sleep(0.05)
    return held


def test_watching_three_videos_completes_a_quest_once_though_sent_again(tmp_path: Path, call: Call) -> None:
    tifo = LocalTifo(tmp_path / "data")
    with tifo.up("--flush-s", "0.3"):
        club = Club(tifo, call)
        settings = {"automatic_quest_processing": True, "auto_claim_quest_rewards": True}
        patched = call(
            "PATCH", f"{club.base}/applications/{club.client_id}/", settings, token=club.app["producer_token"]
        )
        assert patched.status == 200, patched
        points = club.post("reward-items/", name="Points")
        made = club.post("reward-actions/", **club.action("video"))
        assert (made["type"], made["segment"]["source"]) == ("segment", club.video["id"])
        assert club.get("reward-actions/")["results"] == [made]
        entry = {"reward_item_id": points["id"], "reward_item_amount": 1, "action": "watch"}
        club.post("reward-tables/", name="Videos", entries=[entry])
        quest = club.post("quests/", name="Watch three")
        club.post("quest-tasks/", quest_id=quest["id"], name="Watch", target_value=3, reward_action_key="watch")
        reward = {"reward_item_id": points["id"], "reward_item_amount": 10}
        club.post("quest-rewards/", quest_id=quest["id"], quest_rewards=[reward])
        fan = club.post(f"profile-by-custom-id/{club.client_id}/ada/", nickname="Ada")
        for message_id in ("v-1", "v-1", "v-2", "v-2", "v-3", "v-3"):
            club.track(message_id, "ada", 90)
        club.track("v-4", "ada", 59)
        club.track("v-5", "stranger", 90)

        def shown() -> Any:
            return tifo.command("app", "show", club.client_id)["segment_actions"]

        until(lambda: shown()["skipped"])
        [skipped] = shown()["skipped"]
        assert (skipped["reason"], skipped["count"], skipped["message_id"]) == ("unknown_user", 1, "v-5")
        assert shown()["actions"] == [{"key": "watch", "source": "video", "event": "Video Watched"}]

        def balance() -> int:
            paid = club.get(f"reward-transactions/?client_id={club.client_id}&profile_id={fan['id']}")
            return sum(each["reward_item_amount"] for each in paid["results"])

        until(lambda: balance() == 13)
        [run] = club.get(f"user-quests/?profile_id={fan['id']}")["results"]
        assert run["status"] == "completed"
    with sqlite3.connect(tifo.data / "tifo.db") as state:
        assert state.execute("update action_cursor set position = 0").rowcount == 1
    state.close()
    with tifo.up("--flush-s", "0.3"):
        club.track("v-6", "stranger", 90)
        until(lambda: [each["count"] for each in shown()["skipped"]] == [3])
        assert balance() == 13
        codes = [each["code"] for each in club.get(f"invoked-actions/?client_id={club.client_id}")["results"]]
        assert sorted(codes) == ["v-1", "v-2", "v-3"]
        page = call("GET", f"{tifo.address}/metrics").body.decode()
        assert "tifo_actions_lag_events" in page
        assert until(lambda: tifo.audit()["ok"])


def test_an_action_on_the_applications_own_events_or_on_nothing_there_is_is_refused_by_name(club: Club) -> None:
    own = club.post("reward-actions/", status=400, **club.action("livelike_demo"))
    assert "could trigger itself" in str(own)
    assert "nowhere" in str(club.post("reward-actions/", status=404, **club.action("nowhere")))
    plain = {**club.action("video"), "type": "custom"}
    assert "segment" in str(club.post("reward-actions/", status=400, **plain))
    wrong = club.action("video", properties=[{"property": "a", "operator": "~", "value": 1}])
    assert "operator" in str(club.post("reward-actions/", status=400, **wrong))
    valueless = club.action("video", properties=[{"property": "a", "operator": ">"}])
    assert "value" in str(club.post("reward-actions/", status=400, **valueless))
