"""Definitions are changed, linked and archived; limits hold, batches answer for each action; badges of quests."""

import asyncio
from typing import Any

import pytest


@pytest.fixture
async def club(match: Any) -> Any:
    match.points = (await match.make("reward-items/", name="Points", key="points"))["id"]
    match.action = (await match.make("reward-actions/", name="Vote", key="vote"))["id"]
    match.program_id = match.made.application.default_program_id
    match.fan = (await match.make(f"profile-by-custom-id/{match.client_id}/ada/"))["id"]
    return match


def entry(club: Any, amount: int = 5, **more: Any) -> dict[str, Any]:
    return {"reward_item_id": club.points, "reward_item_amount": amount, "action": "vote", **more}


async def vote(club: Any) -> list[int]:
    body = {"program_id": club.program_id, "profile_id": club.fan, "reward_action_key": "vote"}
    invoked = await club.make("invoked-actions/", **body)
    return [reward["reward_item_amount"] for reward in invoked["rewards"]]


async def test_a_change_leaves_alone_what_it_does_not_name(club: Any) -> None:
    quest = await club.make("quests/", name="Derby", description="Home", timeout="PT1H")
    changed = await club.call("PATCH", f"quests/{quest['id']}/", {"name": "Cup", "description": None})
    assert changed.status_code == 200
    assert changed.json() == {**quest, "name": "Cup", "description": None}
    assert (await club.call("PATCH", f"quests/{quest['id']}/", {"name": ""})).status_code == 400
    assert await club.get(f"quests/{quest['id']}/") == changed.json()


async def test_what_is_in_use_is_not_archived_and_what_is_archived_is_in_no_list(club: Any) -> None:
    table = await club.make("reward-tables/", name="Match", entries=[entry(club)])
    refused = await club.call("DELETE", f"reward-items/{club.points}/")
    assert (refused.status_code, "'Match'" in refused.json()["detail"]) == (409, True)
    assert await vote(club) == [5]
    for path in (f"reward-tables/{table['id']}", f"reward-items/{club.points}", f"reward-actions/{club.action}"):
        assert (await club.call("DELETE", f"{path}/")).status_code == 204
        assert (await club.get(f"{path.split('/')[0]}/"))["count"] == 0
    assert (await club.get(f"reward-items/{club.points}/"))["name"] == "Points"
    balances = await club.get(f"profiles/{club.fan}/reward-item-balances/")
    assert [each["reward_item_balance"] for each in balances["results"]] == [5]
    body = {"program_id": club.program_id, "profile_id": club.fan, "reward_action_key": "vote"}
    assert (await club.call("POST", "invoked-actions/", body)).status_code == 404
    assert (await club.get("reward-transactions/"))["count"] == 1


async def test_an_entry_pays_within_its_limits_also_after_it_was_changed(club: Any) -> None:
    limit = {"is_enabled": True, "action_limit_count": 2, "duration": "all_time"}
    table = await club.make("reward-tables/", name="Match", entries=[entry(club, reward_limit=limit), entry(club, 1)])
    assert table["entries"][0]["reward_limit"] == {**limit, "timezone": "UTC"}
    assert [await vote(club), await vote(club), await vote(club)] == [[5, 1], [5, 1], [1]]
    path = f"reward-tables/{table['id']}/entries/{table['entries'][0]['id']}/"
    wider = {**limit, "action_limit_count": 3}
    assert (await club.call("PATCH", path, entry(club, 7, reward_limit=wider))).status_code == 200
    assert [await vote(club), await vote(club)] == [[7, 1], [1]]
    bad = {"is_enabled": True, "action_limit_count": 1, "duration": "day", "timezone": "Mars/Base"}
    refused = await club.call("PATCH", path, entry(club, 7, reward_limit=bad))
    assert (refused.status_code, [*refused.json()]) == (400, ["reward_limit"])


async def test_an_entrys_id_counts_only_where_a_tables_entries_are_replaced(club: Any) -> None:
    table = await club.make("reward-tables/", name="Match", entries=[entry(club)])
    [first] = table["entries"]
    path = f"reward-tables/{table['id']}/"
    kept = entry(club, 1, id=first["id"])
    changed = (await club.call("PATCH", path, {"entries": [entry(club, 2), kept]})).json()["entries"]
    assert [(each["reward_item_amount"], each["id"] == first["id"]) for each in changed] == [(2, False), (1, True)]
    twice = await club.call("PATCH", path, {"entries": [kept, kept]})
    assert (twice.status_code, [*twice.json()]) == (400, ["entries"])
    assert (await club.get(path))["entries"] == changed
    assert (await club.make(f"{path}entries/", **kept))["id"] != first["id"]
    other = await club.make("reward-tables/", name="Other", entries=[kept])
    assert other["entries"][0]["id"] != first["id"]
    elsewhere = await club.call("PATCH", f"reward-tables/{other['id']}/", {"entries": [kept]})
    assert elsewhere.status_code == 404


async def test_a_table_pays_in_the_programs_that_it_is_linked_to(club: Any) -> None:
    cup = await club.make("programs/", name="Cup")
    table = await club.make("reward-tables/", name="Match", entries=[entry(club)])
    links = f"reward-tables/{table['id']}/programs/"
    assert (await club.make(links, program_id=cup["id"]))["program_ids"] == [club.program_id, cup["id"]]
    assert (await club.call("DELETE", f"{links}{club.program_id}/")).status_code in {200, 204}
    assert [each["id"] for each in (await club.get(links))["results"]] == [cup["id"]]
    assert await vote(club) == []
    assert (await club.call("DELETE", f"{links}{club.program_id}/")).status_code == 404


async def test_links_that_are_made_at_once_are_all_kept(club: Any) -> None:
    programs = [(await club.make("programs/", name=f"Cup {n}"))["id"] for n in range(8)]
    table = await club.make("reward-tables/", name="Match")
    links = f"reward-tables/{table['id']}/programs/"
    await asyncio.gather(*(club.make(links, program_id=each) for each in programs))
    assert {each["id"] for each in (await club.get(links))["results"]} == {club.program_id, *programs}
    await asyncio.gather(*(club.call("DELETE", f"{links}{each}/") for each in programs))
    assert [each["id"] for each in (await club.get(links))["results"]] == [club.program_id]


async def test_in_a_batch_each_action_answers_for_itself(club: Any) -> None:
    await club.make("reward-tables/", name="Match", entries=[entry(club)])
    updates = [
        {"profile_id": club.fan, "reward_actions": ["vote", {"reward_action_key": "vote", "code": "1"}]},
        {"custom_profile_id": "nobody", "reward_actions": ["vote"]},
        {"custom_profile_id": "ada", "reward_actions": [{"reward_action_key": "vote", "code": "1"}, "unknown"]},
    ]
    body = {"program_id": club.program_id, "updates": updates}
    answer = (await club.call("POST", "batch-invoked-actions/", body, **{"Idempotency-Key": "once"})).json()
    assert [update["status"] for update in answer["updates"]] == ["success", "failed", "failed"]
    first, _, third = answer["updates"]
    assert [action["rewards"][0]["amount"] for action in first["reward_actions"]] == [5, 5]
    assert [action["reason"] for action in third["reward_actions"]] == [
        "code already used.",
        "There is no reward action with the key 'unknown'.",
    ]
    again = (await club.call("POST", "batch-invoked-actions/", body, **{"Idempotency-Key": "once"})).json()
    assert again == answer
    balances = await club.get(f"profiles/{club.fan}/reward-item-balances/")
    assert balances["results"][0]["reward_item_balance"] == 10


async def test_a_revoked_badge_is_not_seen_nor_earned_and_an_award_gives_it_back(club: Any) -> None:
    badge = await club.make("badges/", name="First", reward_item_id=club.points, reward_item_threshold=5)
    await club.make("reward-tables/", name="Match", entries=[entry(club)])
    await vote(club)
    (earned,) = (await club.get(f"earned-badges/?profile_id={club.fan}"))["results"]
    path = f"earned-badges/{earned['id']}/"
    assert (await club.get(path))["badge"]["id"] == badge["id"]
    assert (await club.call("DELETE", path)).status_code == 204
    await vote(club)
    assert (await club.get(f"profiles/{club.fan}/badges/"))["count"] == 0
    assert (await club.call("GET", path)).status_code == 404
    again = await club.make(f"profiles/{club.fan}/badges/", badge_id=badge["id"])
    assert again["earned_badge_id"] == earned["id"]
    assert (await club.get(path))["awarded_at"] == earned["awarded_at"]


async def test_a_quest_gives_its_badges_when_they_are_claimed(club: Any) -> None:
    quest = await club.make("quests/", name="Derby")
    await club.make("quest-tasks/", quest_id=quest["id"], name="Watch")
    badges = [(await club.make("badges/", name=f"Badge {n}"))["id"] for n in range(6)]
    too_many = await club.call("POST", f"quests/{quest['id']}/badges/", {"badge_ids": badges})
    assert too_many.json() == {"badge_ids": ["Quest can't have more than 5 Badges"]}
    await club.make(f"quests/{quest['id']}/badges/", badge_ids=badges[:2])
    run = await club.make("user-quests/", quest_id=quest["id"], profile_id=club.fan)
    claim = f"user-quests/{run['id']}/badges/"
    assert (await club.call("PATCH", claim, {})).status_code == 400
    done = {"user_quest_tasks": [{"id": run["user_quest_tasks"][0]["id"], "status": "completed"}]}
    assert (await club.call("PATCH", f"user-quests/{run['id']}/", done)).json()["status"] == "completed"
    first = (await club.call("PATCH", claim, {"claim_badges": [badges[1], badges[5]]})).json()
    assert [each["badge"]["id"] for each in first["claimed_badges"]] == [badges[1]]
    body = {"user_quest_id": run["id"]}
    rest = (await club.call("PATCH", f"quests/{quest['id']}/badges/", body)).json()
    assert [each["badge"]["id"] for each in rest["claimed_badges"]] == badges[:2]
    assert (await club.get(f"profiles/{club.fan}/badges/"))["count"] == 2


async def test_tasks_are_set_and_rewards_claimed_together_or_not_at_all(club: Any) -> None:
    quest = await club.make("quests/", name="Derby")
    for name in ("One", "Two"):
        await club.make("quest-tasks/", quest_id=quest["id"], name=name, target_value=3)
    run = await club.make("user-quests/", quest_id=quest["id"], profile_id=club.fan)
    one, two = (task["id"] for task in run["user_quest_tasks"])
    path = f"user-quests/{run['id']}/"
    too_early = {"user_quest_tasks": [{"id": one, "status": "completed"}], "rewards_status": "claimed"}
    assert (await club.call("PATCH", path, too_early)).status_code == 400
    assert [task["status"] for task in (await club.get(path))["user_quest_tasks"]] == ["incomplete"] * 2
    done = await club.call("PATCH", path, {"user_quest_tasks": [{"id": one, "status": "completed"}]})
    assert [task["progress"] for task in done.json()["user_quest_tasks"]] == [3, 0]
    undone = await club.call("PATCH", path, {"user_quest_tasks": [{"id": one, "status": "incomplete"}]})
    assert [task["progress"] for task in undone.json()["user_quest_tasks"]] == [0, 0]
    both = {"user_quest_tasks": [{"id": each, "status": "completed"} for each in (one, two)]}
    assert (await club.call("PATCH", path, {**both, "rewards_status": "claimed"})).json()["rewards_status"] == "claimed"
    late = await club.call("PATCH", path, {"user_quest_tasks": [{"id": one, "status": "incomplete"}]})
    assert late.status_code == 409


async def test_a_run_that_is_removed_can_be_started_anew_but_a_completed_one_stays(club: Any) -> None:
    quest = await club.make("quests/", name="Derby")
    await club.make("quest-tasks/", quest_id=quest["id"], name="Watch", target_value=2)
    run = await club.make("user-quests/", quest_id=quest["id"], profile_id=club.fan)
    assert (await club.call("DELETE", f"user-quests/{run['id']}/")).status_code == 204
    assert (await club.get(f"user-quests/?profile_id={club.fan}"))["count"] == 0
    task = {"user_quest_task_id": run["user_quest_tasks"][0]["id"]}
    assert (await club.call("POST", "user-quest-task-progress/", task)).status_code == 404
    again = await club.make("user-quests/", quest_id=quest["id"], profile_id=club.fan)
    assert again["id"] != run["id"]
    await club.make(
        "user-quest-task-progress/", user_quest_task_id=again["user_quest_tasks"][0]["id"], custom_progress=2
    )
    assert (await club.call("DELETE", f"user-quests/{again['id']}/")).status_code == 409
