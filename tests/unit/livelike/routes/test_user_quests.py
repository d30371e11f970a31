"""Changes of a fan's run of a quest."""

from tests.unit.livelike.clients import Club


async def test_tasks_are_set_and_rewards_claimed_together_or_not_at_all(club: Club) -> None:
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


async def test_a_run_that_is_removed_can_be_started_anew_but_a_completed_one_stays(club: Club) -> None:
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
