"""Fans act and are rewarded: actions, the ledger, badges, quests."""

from decimal import Decimal
from typing import Any

import pytest


async def _invoke(stage: Any, profile_id: str, **more: object) -> Any:
    world = stage.world
    body = {"program_id": world.program_id, "profile_id": profile_id, "reward_action_key": "vote", **more}
    return await world.make("invoked-actions/", **body)


async def test_an_invoked_action_shows_what_it_paid(stage: Any) -> None:
    fan = await stage.world.fan()
    invoked = await _invoke(stage, fan["id"], code="c1", attributes=[{"key": "k", "value": "v"}], description="d")
    assert invoked == {
        "id": invoked["id"],
        "created_at": "2026-11-24T10:00:00.000Z",
        "client_id": stage.world.client_id,
        "program_id": stage.world.program_id,
        "profile_id": fan["id"],
        "profile_nickname": "Zoë",
        "reward_action_key": "vote",
        "code": "c1",
        "rewards": [{"reward_item_id": stage.item["id"], "reward_item_name": "Points", "reward_item_amount": 5}],
        "attributes": [{"key": "k", "value": "v"}],
        "description": "d",
    }
    listed = await stage.world.get(f"invoked-actions/?client_id={stage.world.client_id}&profile_id={fan['id']}")
    assert listed["results"] == [invoked]


async def test_a_code_is_used_once(stage: Any) -> None:
    fan = await stage.world.fan()
    await _invoke(stage, fan["id"], code="c1")
    body = {"program_id": stage.world.program_id, "profile_id": fan["id"], "reward_action_key": "vote", "code": "c1"}
    again = await stage.world.call("POST", "invoked-actions/", body)
    assert (again.status, again.body) == (409, {"detail": "code already used."})


async def test_an_action_names_its_fan_in_one_way(stage: Any) -> None:
    world = stage.world
    fan = await world.make(f"profile-by-custom-id/{world.client_id}/fan-1/", nickname="Ana")
    body = {"program_id": world.program_id, "reward_action_key": "vote"}
    by_custom_id = await world.make("invoked-actions/", **body, custom_profile_id="fan-1")
    assert (by_custom_id["profile_id"], by_custom_id["profile_nickname"]) == (fan["id"], "Ana")
    both = {**body, "profile_id": fan["id"], "custom_profile_id": "fan-1"}
    assert (await world.call("POST", "invoked-actions/", body)).status == 400
    assert (await world.call("POST", "invoked-actions/", both)).status == 400
    nobody = {**body, "profile_id": "nobody"}
    assert (await world.call("POST", "invoked-actions/", nobody)).status == 404


async def test_a_changed_nickname_is_shown(stage: Any) -> None:
    fan = await stage.world.fan()
    await stage.world.call("PATCH", f"profiles/{fan['id']}/", {"nickname": "Ana"})
    assert (await _invoke(stage, fan["id"]))["profile_nickname"] == "Ana"


async def test_credits_and_debits_answer_200_with_the_new_balance(stage: Any) -> None:
    world = stage.world
    root = f"profiles/{(await world.fan())['id']}/reward-item-"
    body = {"reward_item_id": stage.item["id"], "reward_item_amount": 8, "reason": "r", "custom_data": "{}"}
    credited = await world.call("POST", f"{root}credits/", {**body, "description": "d"})
    assert credited.status == 200
    assert credited.body == {
        "id": credited.body["id"],
        "new_balance": 8,
        "created_at": "2026-11-24T10:00:00.000Z",
        "reason": "r",
        "description": "d",
        "custom_data": "{}",
        "prizeout_balance": None,
        "attributes": [],
    }
    debited = await world.call("POST", f"{root}debits/", {**body, "reward_item_amount": 3})
    assert (debited.status, debited.body["new_balance"]) == (200, 5)
    over = await world.call("POST", f"{root}debits/", {**body, "reward_item_amount": 6})
    assert over.status == 400
    assert "5" in str(over.body)
    assert "6" in str(over.body)


async def test_balances_are_listed_and_single(stage: Any) -> None:
    world = stage.world
    fan = await world.fan()
    await world.make("reward-items/", name="Coins")
    await _invoke(stage, fan["id"])
    path = f"profiles/{fan['id']}/reward-item-balances/"
    points = {
        "reward_item_id": stage.item["id"],
        "reward_item_name": "Points",
        "reward_item_balance": 5,
        "prizeout_balance": None,
    }
    listed = await world.get(path, token=fan["access_token"])
    assert [(b["reward_item_name"], b["reward_item_balance"]) for b in listed["results"]] == [
        ("Points", 5),
        ("Coins", 0),
    ]
    assert (await world.get(f"{path}?reward_item_id={stage.item['id']}"))["results"] == [points]
    assert await world.get(f"{path}{stage.item['id']}/") == {"profile_id": fan["id"], **points}
    assert (await world.call("GET", f"{path}nothing/")).status == 404


async def test_a_fan_transfers_what_is_hers(stage: Any) -> None:
    world = stage.world
    ana, ben = await world.fan("Ana"), await world.fan("Ben")
    await _invoke(stage, ana["id"])
    body = {"reward_item_id": stage.item["id"], "reward_item_amount": 2, "recipient_profile_id": ben["id"]}
    sent = await world.make(f"profiles/{ana['id']}/reward-item-transfers/", token=ana["access_token"], **body)
    assert sent == {
        **body,
        "id": sent["id"],
        "created_at": "2026-11-24T10:00:00.000Z",
        "reward_item_name": "Points",
        "sender_profile_id": ana["id"],
        "sender_profile_name": "Ana",
        "recipient_profile_name": "Ben",
    }
    assert sent["id"]


async def test_reward_transactions_list_what_was_earned(stage: Any) -> None:
    world = stage.world
    fan = await world.fan()
    invoked = await _invoke(stage, fan["id"])
    body = {"reward_item_id": stage.item["id"], "reward_item_amount": 1}
    await world.call("POST", f"profiles/{fan['id']}/reward-item-credits/", body)
    [earned] = (await world.get("reward-transactions/?"))["results"]
    assert (earned["profile_nickname"], earned["reward_item_name"], earned["reward_item_amount"]) == (
        "Zoë",
        "Points",
        5,
    )
    assert (earned["reward_action_key"], earned["reward_action_name"]) == ("vote", "Vote")
    assert earned["reward_action_id"] == stage.action["id"]
    assert earned["invoked_action_id"] == invoked["id"]
    assert (earned["source"], earned["widget_id"], earned["user_quest_id"]) == (None, None, None)


@pytest.mark.parametrize(
    ("query", "count"),
    [
        ("created_since=2026-11-24T10:00:00.000Z", 1),
        ("created_since=2026-11-24T10:00:00.001Z", 0),
        ("created_until=2026-11-24T11:00:00.000+01:00", 1),
        ("reward_action_key=vote&reward_action_key=other", 1),
        ("reward_action_key=other", 0),
        ("widget_kind=poll", 0),
        ("reward_item_id=other", 0),
    ],
)
async def test_reward_transactions_are_filtered(stage: Any, query: str, count: int) -> None:
    await _invoke(stage, (await stage.world.fan())["id"])
    assert (await stage.world.get(f"reward-transactions/?{query}"))["count"] == count


@pytest.mark.parametrize("query", ["created_since=yesterday", "created_since=0001-01-01T00:00:00%2B23:00"])
async def test_a_time_that_is_none_names_its_parameter(world: Any, query: str) -> None:
    answer = await world.call("GET", f"reward-transactions/?{query}")
    assert (answer.status, list(answer.body)) == (400, ["created_since"])


async def test_badges_are_earned_awarded_and_listed(stage: Any) -> None:
    world = stage.world
    fan = await world.fan()
    await _invoke(stage, fan["id"])
    awarded = await world.make(f"profiles/{fan['id']}/badges/", badge_id=stage.plain_badge["id"])
    assert (awarded["awarded_at"], awarded["badge"]) == ("2026-11-24T10:00:00.000Z", stage.plain_badge)
    listed = await world.get(f"profiles/{fan['id']}/badges/", token=fan["access_token"])
    assert {b["badge"]["name"] for b in listed["results"]} == {"Voter", "Guest"}
    path = listed["results"][0]["earned_badge_url"].removeprefix("https://fans.example.com")
    [earned] = (await world.get(path))["results"]
    assert earned["badge"] == listed["results"][0]["badge"]
    assert earned["profile"]["id"] == fan["id"]
    [holder] = (await world.get(f"badge-profiles/?badge_id={stage.badge['id']}"))["results"]
    assert (holder["profile"]["nickname"], holder["badge_id"]) == ("Zoë", stage.badge["id"])


async def test_badge_progress_is_a_bare_array_and_not_capped(stage: Any) -> None:
    world = stage.world
    fan = await world.fan()
    for _ in range(3):
        await _invoke(stage, fan["id"])
    asked = f"?badge_id={stage.badge['id']}&badge_id={stage.plain_badge['id']}"
    assert await world.get(f"profiles/{fan['id']}/badge-progress/{asked}", token=fan["access_token"]) == [
        {
            "badge": stage.badge,
            "badge_progression": [
                {
                    "reward_item_id": stage.item["id"],
                    "reward_item_name": "Points",
                    "reward_item_threshold": 5,
                    "current_reward_amount": 15,
                }
            ],
        }
    ]


async def _start(stage: Any) -> tuple[Any, Any]:
    fan = await stage.world.fan()
    body = {"quest_id": stage.quest["id"], "profile_id": fan["id"]}
    return fan, await stage.world.make("user-quests/", token=fan["access_token"], **body)


async def test_a_started_quest_has_livelikes_shape_and_starts_once(stage: Any) -> None:
    fan, run = await _start(stage)
    assert run["quest"] == stage.quest
    assert (run["status"], run["rewards_status"], run["timer_expired"]) == ("incomplete", "unclaimed", False)
    assert run["active_until"] == "2026-11-24T11:00:00.000Z"
    assert (run["completed_at"], run["rewards_claimed_at"]) == (None, None)
    assert run["user_quest_rewards_url"] == "https://fans.example.com/api/v1/user-quest-rewards/"
    vote, watch = run["user_quest_tasks"]
    assert (vote["quest_task"], watch["quest_task"]) == (stage.vote_task, stage.watch_task)
    assert (vote["user_quest_id"], vote["status"], vote["progress"]) == (run["id"], "incomplete", 0)
    again = await stage.world.call("POST", "user-quests/", {"quest_id": stage.quest["id"]}, token=fan["access_token"])
    assert again.status == 409
    assert await stage.world.get(f"user-quests/{run['id']}/", token=fan["access_token"]) == run
    stage.world.clock.tick(3_601)
    assert (await stage.world.get(f"user-quests/{run['id']}/"))["timer_expired"] is True


@pytest.mark.parametrize(
    ("sent", "progress"),
    [
        ({}, "0.5"),
        ({"custom_increment": 0.25}, "0.25"),
        ({"custom_increment": "0.25"}, "0.25"),
        ({"custom_progress": "0.75"}, "0.75"),
        ({"custom_progress": 0}, "0"),
        ({"custom_increment": 0.1}, "0.1"),
    ],
)
async def test_task_progress_takes_numbers_and_numeric_strings_exactly(
    stage: Any, sent: dict[str, Any], progress: str
) -> None:
    fan, run = await _start(stage)
    task = run["user_quest_tasks"][1]
    body = {"user_quest_task_id": task["id"], **sent}
    answer = await stage.world.make("user-quest-task-progress/", token=fan["access_token"], **body)
    assert answer["user_quest_task_id"] == task["id"]
    assert answer["user_quest"]["id"] == run["id"]
    assert answer["user_quest_task"] == answer["user_quest"]["user_quest_tasks"][1]
    assert Decimal(answer["user_quest_task"]["progress"]) == Decimal(progress)
    assert answer["id"]


async def test_a_quest_is_completed_and_claimed(stage: Any) -> None:
    world = stage.world
    fan, run = await _start(stage)
    path, token = f"user-quests/{run['id']}/", fan["access_token"]
    early = await world.call("PATCH", path, {"rewards_status": "claimed"}, token=token)
    assert early.status == 400
    tasks = [{"id": task["id"], "status": "completed"} for task in run["user_quest_tasks"]]
    done = await world.call("PATCH", path, {"user_quest_tasks": tasks}, token=token)
    assert (done.status, done.body["status"], done.body["rewards_status"]) == (200, "completed", "unclaimed")
    rewards = f"user-quest-rewards/?user_quest_id={run['id']}&&reward_status=unclaimed"
    [reward] = (await world.get(rewards, token=token))["results"]
    assert (reward["user_quest_id"], reward["quest_reward"]["reward_item_amount"]) == (run["id"], 10)
    claimed = await world.call("PATCH", path, {"rewards_status": "claimed"}, token=token)
    assert (claimed.status, claimed.body["rewards_status"]) == (200, "claimed")
    assert claimed.body["rewards_claimed_at"] == "2026-11-24T10:00:00.000Z"
    assert (await world.get(rewards, token=token))["count"] == 0
    [after] = (await world.get(f"user-quest-rewards/?user_quest_id={run['id']}", token=token))["results"]
    assert after == {**reward, "reward_status": "claimed"}
    [paid] = (await world.get(f"reward-transactions/?profile_id={fan['id']}", token=token))["results"]
    assert (paid["source"], paid["user_quest_id"]) == ("quest-completed", run["id"])


@pytest.mark.parametrize(
    ("query", "count"),
    [
        ("", 1),
        ("&status=incomplete", 1),
        ("&status=completed", 0),
        ("&rewards_status=unclaimed", 1),
        ("&rewards_status=claimed", 0),
        ("&quest_id={quest}", 1),
        ("&quest_id=other", 0),
        ("&id={run}&id=other", 1),
        ("&id=other", 0),
    ],
)
async def test_user_quests_are_filtered(stage: Any, query: str, count: int) -> None:
    fan, run = await _start(stage)
    path = f"user-quests/?profile_id={fan['id']}{query.format(quest=stage.quest['id'], run=run['id'])}"
    assert (await stage.world.get(path, token=fan["access_token"]))["count"] == count


async def test_a_producer_starts_a_quest_for_a_fan_it_names(stage: Any) -> None:
    nameless = await stage.world.call("POST", "user-quests/", {"quest_id": stage.quest["id"]})
    assert (nameless.status, nameless.body) == (400, {"profile_id": ["This field is required."]})
    assert (await stage.world.call("GET", "user-quests/")).body == {"profile_id": ["This query parameter is required."]}


async def test_invoked_actions_are_found_by_code_attributes_and_time_in_either_order(stage: Any) -> None:
    world = stage.world
    fan = await world.fan()
    for n in range(3):
        await world.make(
            "invoked-actions/",
            program_id=world.program_id,
            profile_id=fan["id"],
            reward_action_key="vote",
            code=f"c{n}",
            attributes=[{"key": "match", "value": f"final:{n}"}, {"key": "tv", "value": "yes"}],
        )
        world.clock.tick(60)

    async def codes(query: str) -> list[str]:
        found = await world.get(f"invoked-actions/?client_id={world.client_id}&{query}")
        return [action["code"] for action in found["results"]]

    assert await codes("") == ["c2", "c1", "c0"]
    assert await codes("ordering=created_at") == ["c0", "c1", "c2"]
    assert await codes("ordering=-created_at&code=c0&code=c1") == ["c1", "c0"]
    assert await codes("attributes=match:final:1&attributes=tv:yes") == ["c1"]
    assert await codes("attributes=match:final:1&attributes=tv:no") == []
    assert await codes("since=2026-11-24T10:01:00Z") == ["c2", "c1"]
    assert await codes("until=2026-11-24T10:01:00Z") == ["c1", "c0"]
    bad = await world.call("GET", "invoked-actions/?ordering=code")
    assert (bad.status, list(bad.body)) == (400, ["ordering"])


async def test_transfers_are_listed_from_both_sides(stage: Any) -> None:
    world, item = stage.world, stage.item["id"]
    ann, bob = await world.fan("Ann"), await world.fan("Bob")
    credit = {"reward_item_id": item, "reward_item_amount": 10}
    await world.call("POST", f"profiles/{ann['id']}/reward-item-credits/", credit)
    path = f"profiles/{ann['id']}/reward-item-transfers/"
    there = {"reward_item_id": item, "reward_item_amount": 4, "recipient_profile_id": bob["id"]}
    sent = await world.make(path, token=ann["access_token"], **there)
    back = {"reward_item_id": item, "reward_item_amount": 1, "recipient_profile_id": ann["id"]}
    received = await world.make(f"profiles/{bob['id']}/reward-item-transfers/", token=bob["access_token"], **back)
    both = await world.get(path, token=ann["access_token"])
    assert (both["count"], both["results"]) == (2, [received, sent])
    assert (await world.get(f"{path}?transfer_type=sent"))["results"] == [sent]
    assert (await world.get(f"{path}?transfer_type=received"))["results"] == [received]
    assert (received["sender_profile_name"], received["recipient_profile_name"]) == ("Bob", "Ann")
    assert (await world.call("GET", path, token=bob["access_token"])).status == 403
    assert (await world.call("GET", f"{path}?transfer_type=lent")).status == 400
