"""A fan's action becomes a warehouse row, as the README shows it."""

import json
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

import pytest

from tifo.app.demo.local import LocalTifo

Call = Callable[..., Any]


@pytest.fixture(scope="module")
def app(tifo: LocalTifo) -> dict[str, str]:
    made: dict[str, str] = tifo.command("app", "create", "Club")
    return made


@pytest.fixture(scope="module")
def source(tifo: LocalTifo, app: dict[str, str]) -> dict[str, str]:
    made: dict[str, str] = tifo.command("source", "create", "LiveLike_Demo", "--type", "livelike")
    tifo.command("app", "connect", app["client_id"], "--write-key", made["write_key"])
    return made


def test_commands_print_what_scripts_rely_on(app: dict[str, str], source: dict[str, str]) -> None:
    assert app.keys() == {"client_id", "client_secret", "producer_token", "program_id"}
    assert source.keys() == {"id", "slug", "schema", "write_key"}
    assert (source["slug"], source["schema"]) == ("livelike_demo", "livelike_demo")


def test_an_action_becomes_rows_with_every_property(
    tifo: LocalTifo, app: dict[str, str], source: dict[str, str], call: Call, rows_of: Callable[..., dict[str, int]]
) -> None:
    base, client = f"{tifo.address}/api/v1", app["client_id"]

    def create(path: str, **body: object) -> Any:
        answer = call("POST", f"{base}/{path}", {"client_id": client, **body}, token=app["producer_token"])
        assert answer.status == 201, answer
        return answer.body

    points = create("reward-items/", name="Points")
    create("reward-actions/", key="vote", name="Vote")
    create(
        "reward-tables/",
        name="Match",
        entries=[{"reward_item_id": points["id"], "reward_item_amount": 5, "action": "vote"}],
    )
    badge = create("badges/", name="Voter", reward_item_id=points["id"], reward_item_threshold=5)
    quest = create("quests/", name="Matchday")
    task = create("quest-tasks/", quest_id=quest["id"], name="Vote once", target_value=1, reward_action_key="vote")
    create(
        "quest-rewards/",
        quest_id=quest["id"],
        quest_rewards=[{"reward_item_id": points["id"], "reward_item_amount": 10}],
    )
    fan = create(f"profile-by-custom-id/{client}/fan-1/", nickname="Zoë")
    started = call(
        "POST",
        f"{base}/user-quests/",
        {"quest_id": quest["id"], "profile_id": fan["id"]},
        token=fan["access_token"],
    )
    assert started.status == 201
    invoked = create(
        "invoked-actions/", program_id=app["program_id"], profile_id=fan["id"], reward_action_key="vote", code="v1"
    )
    assert invoked["rewards"] == [
        {"reward_item_id": points["id"], "reward_item_name": "Points", "reward_item_amount": 5}
    ]
    claimed = call(
        "PATCH",
        f"{base}/user-quests/{started.body['id']}/",
        {"rewards_status": "claimed"},
        token=fan["access_token"],
    )
    assert (claimed.status, claimed.body["rewards_status"]) == (200, "claimed")

    expected = {
        "reward_item_rewarded": 1,
        "badge_rewarded": 1,
        "user_quest_task_progressed": 1,
        "quest_task_completed": 1,
        "user_quest_completed": 1,
        "quest_reward_awarded": 1,
    }
    assert rows_of(tifo, source["schema"], expected) == expected
    assert tifo.rows(source["schema"], ["tracks"]) == {"tracks": 6}
    schema = source["schema"]
    [badge_row] = tifo.query(f"select * from {schema}.badge_rewarded")
    assert badge_row["user_id"] == "fan-1"
    assert badge_row["livelike_profile_id"] == fan["id"]
    assert badge_row["badge_id"] == badge["id"]
    assert badge_row["reward_item_threshold"] == 5
    assert badge_row["event_text"] == "Badge Rewarded"
    assert "image_url" not in badge_row
    [progress] = tifo.query(f"select * from {schema}.user_quest_task_progressed")
    assert (progress["quest_task_id"], progress["user_quest_task_progress"]) == (task["id"], 1)
    [paid] = tifo.query(f"select * from {schema}.quest_reward_awarded")
    assert (paid["reward_item_amount"], paid["reward_item_balance"]) == (10, 15)
    verdict = tifo.audit()
    assert verdict == {"ok": True, "ledger": 6, "events": 6, "rows": 6, "problems": [], "notes": []}
    tifo.command("source", "sync", source["slug"], "--off", "tracks")
    verdict = tifo.audit()
    assert (verdict["ok"], verdict["ledger"], len(verdict["notes"])) == (True, 0, 1)
    tifo.command("source", "sync", source["slug"], "--on", "tracks")


def test_a_fan_without_a_custom_id_is_anonymous_in_the_event(
    tifo: LocalTifo, app: dict[str, str], source: dict[str, str], call: Call
) -> None:
    base, token = f"{tifo.address}/api/v1", app["producer_token"]
    fan = call("POST", f"{base}/applications/{app['client_id']}/profile/", raw=b"", token="").body
    body = {"client_id": app["client_id"], "name": "Welcome"}
    badge = call("POST", f"{base}/badges/", body, token=token).body
    call("POST", f"{base}/profiles/{fan['id']}/badges/", {"badge_id": badge["id"]}, token=token)
    query = f"select * from {source['schema']}.badge_rewarded where badge_id = '{badge['id']}'"
    deadline = time.monotonic() + 20
    while not (rows := tifo.query(query)):
        assert time.monotonic() < deadline, "the row did not arrive"
        time.sleep(0.1)
    assert rows[0]["anonymous_id"] == fan["id"]
    assert rows[0].get("user_id") is None
    assert rows[0]["reward_item_id"] is None


def test_the_official_python_client_delivers_all_properties(tifo: LocalTifo, rows_of: Callable[..., Any]) -> None:
    source = tifo.command("source", "create", "Website", "--type", "http")
    program = f"""
from datetime import datetime, timezone
from segment.analytics.client import Client
client = Client({source["write_key"]!r}, host={tifo.address!r})
at = datetime(2026, 1, 2, 3, 4, 5, tzinfo=timezone.utc)
for n in range(250):
    client.track(f"user-{{n}}", "Order Completed", {{
        "n": n, "total": n / 2, "ok": True, "name": "Zoë", "list": [1, "a"], "nested": {{"deep": {{"er": n}}}},
        "at": at,
    }})
client.flush()
client.join()
"""
    subprocess.run([sys.executable, "-W", "ignore", "-c", program], check=True, timeout=60)
    schema = source["schema"]
    assert rows_of(tifo, schema, {"order_completed": 250, "tracks": 250}) == {"order_completed": 250, "tracks": 250}
    [sums] = tifo.query(
        f"select sum(n)::bigint n, sum(total) total, bool_and(ok) ok, min(name) name, sum(nested_deep_er)::bigint deep,"
        f' count(distinct id)::bigint ids, min("at")::varchar as t, any_value(list) list, min(context_library_name) lib'
        f" from {schema}.order_completed"
    )
    assert (sums["n"], sums["total"], sums["ok"], sums["name"]) == (31125, 15562.5, True, "Zoë")
    assert (sums["deep"], sums["ids"], sums["lib"]) == (31125, 250, "analytics-python")
    assert json.loads(sums["list"]) == [1, "a"]
    assert sums["t"].startswith("2026-01-02 03:04:05")


def test_sql_and_audit_work_while_tifo_is_down(tmp_path_factory: pytest.TempPathFactory) -> None:
    tifo = LocalTifo(tmp_path_factory.mktemp("down") / "data")
    source = tifo.command("source", "create", "Quiet", "--type", "http")
    assert tifo.audit() == {"ok": True, "ledger": 0, "events": 0, "rows": 0, "problems": [], "notes": []}
    shown = {**source, "name": "Quiet", "type": "http", "enabled": True, "write_keys": 1}
    assert tifo.command("source", "list") == [shown]
    with pytest.raises(subprocess.CalledProcessError) as refused:
        tifo.query("select 1 as one")
    assert refused.value.returncode == 2, "there is no warehouse before the first load, which is no crash"
