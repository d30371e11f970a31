"""Producers define the game in LiveLike's shapes."""

from typing import Any

import pytest

ROOT = "https://fans.example.com/api/v1/"


async def test_a_reward_item_has_livelikes_shape(world: Any) -> None:
    sent = {"name": "Points", "attributes": [{"key": "kind", "value": "coin"}]}
    item = await world.make("reward-items/", client_id=world.client_id, **sent)
    assert item == {
        "id": item["id"],
        "url": f"{ROOT}reward-items/{item['id']}/",
        "client_id": world.client_id,
        "key": None,
        "created_at": "2026-11-24T10:00:00.000Z",
        **sent,
        "images": [],
        "prizeout_conversion_rate": None,
        "prizeout_points": None,
        "prizeout_status": None,
        "reward_item_points": None,
    }
    assert await world.get(f"reward-items/{item['id']}/") == item


async def test_reward_items_are_found_by_attribute(world: Any) -> None:
    await world.make("reward-items/", name="A", attributes=[{"key": "kind", "value": "hard coin"}])
    await world.make("reward-items/", name="B")
    listed = await world.get(f"reward-items/?client_id={world.client_id}&attributes=kind:hard%20coin")
    assert [item["name"] for item in listed["results"]] == ["A"]


async def test_a_reward_action_has_livelikes_shape_and_a_unique_key(world: Any) -> None:
    action = await world.make("reward-actions/", client_id=world.client_id, name="Vote", key="vote", description="d")
    assert {k: v for k, v in action.items() if k not in {"id", "url"}} == {
        "client_id": world.client_id,
        "key": "vote",
        "name": "Vote",
        "description": "d",
        "type": "custom",
    }
    assert action["url"] == f"{ROOT}reward-actions/{action['id']}/"
    assert await world.get(f"reward-actions/{action['id']}/") == action
    again = await world.call("POST", "reward-actions/", {"name": "Vote", "key": "vote"})
    assert (again.status, list(again.body)) == (409, ["detail"])


async def test_a_reward_table_shows_its_entries_with_their_items(stage: Any) -> None:
    table = stage.table
    assert table["action_choices"] == [{"action": "vote", "action_display": "Vote"}]
    assert table["program_ids"] == [stage.world.program_id]
    [entry] = table["entries"]
    assert (entry["action"], entry["action_display"], entry["reward_item_amount"]) == ("vote", "Vote", 5)
    assert entry["reward_item"] == stage.item
    assert entry["rate_limit"]["is_enabled"] is entry["reward_limit"]["is_enabled"] is False
    assert await stage.world.get(f"reward-tables/{table['id']}/") == table


async def test_entries_are_added_read_and_removed(stage: Any) -> None:
    world, path = stage.world, f"reward-tables/{stage.table['id']}/entries/"
    body = {"reward_item_id": stage.item["id"], "reward_item_amount": 7, "action": "vote"}
    entry = await world.make(path, **body)
    assert entry["reward_item_amount"] == 7
    assert await world.get(f"{path}{entry['id']}/") == entry
    assert (await world.get(path))["count"] == 2
    removed = await world.call("DELETE", f"{path}{entry['id']}/")
    assert (removed.status, removed.body) == (204, None)
    assert (await world.get(path))["count"] == 1
    assert (await world.call("DELETE", f"{path}{entry['id']}/")).status == 404
    assert (await world.call("GET", f"{path}{entry['id']}/")).status == 404


async def test_a_table_is_linked_to_other_programs(stage: Any) -> None:
    world = stage.world
    program = await world.make("programs/", name="Cup")
    linked = await world.call("PATCH", f"reward-tables/{stage.table['id']}/", {"program_ids": [program["id"]]})
    assert (linked.status, linked.body["program_ids"]) == (200, [program["id"]])


async def test_a_badge_shows_its_image_and_threshold(stage: Any) -> None:
    badge = stage.badge
    assert badge["badge_icon_url"] == badge["file"] == "https://x/y.png"
    assert (badge["reward_item"]["id"], badge["reward_item_threshold"]) == (stage.item["id"], 5)
    assert (badge["registered_links"], badge["mimetype"]) == ([], None)
    assert await stage.world.get(f"badges/{badge['id']}/") == badge
    plain = stage.plain_badge
    assert (plain["reward_item"], plain["reward_item_threshold"], plain["progressions"]) == (None, None, [])
    listed = await stage.world.get(f"applications/{stage.world.client_id}/badges/")
    assert [b["id"] for b in listed["results"]] == [badge["id"], plain["id"]]


async def test_a_badge_has_several_progressions(stage: Any) -> None:
    progression = {"reward_item_id": stage.item["id"], "reward_item_threshold": 9}
    badge = await stage.world.make("badges/", name="B", progressions=[progression])
    assert badge["progressions"] == [{**progression, "reward_item_name": "Points"}]


@pytest.mark.parametrize(
    ("sent", "field"),
    [
        ({"reward_item_threshold": 5}, "reward_item_id"),
        ({"reward_item_id": "x"}, "reward_item_threshold"),
        ({"reward_item_id": "x", "reward_item_threshold": 5, "progressions": [None]}, "progressions"),
    ],
)
async def test_half_a_threshold_is_refused(stage: Any, sent: dict[str, Any], field: str) -> None:
    if "progressions" in sent:
        sent = {**sent, "progressions": [{"reward_item_id": "x", "reward_item_threshold": 5}]}
    answer = await stage.world.call("POST", "badges/", {"name": "B", **sent})
    assert (answer.status, list(answer.body)) == (400, [field])


async def test_a_quest_shows_its_tasks_and_rewards(stage: Any) -> None:
    quest = stage.quest
    assert (quest["status"], quest["timeout"], quest["started_at"]) == ("active", "PT3600S", None)
    assert quest["quest_rewards_url"] == f"{ROOT}quest-rewards/"
    vote, watch = quest["quest_tasks"]
    assert (vote, watch) == (stage.vote_task, stage.watch_task)
    assert (float(vote["target_value"]), vote["reward_action_key"]) == (1, "vote")
    assert float(watch["default_progress_increment"]) == 0.5
    [reward] = quest["quest_rewards"]
    assert (reward["reward_item_name"], reward["reward_item_amount"]) == ("Points", 10)
    world = stage.world
    assert (await world.get(f"quest-rewards/?quest_id={quest['id']}"))["results"] == [reward]
    assert (await world.get(f"quest-tasks/?client_id={world.client_id}"))["results"] == [vote, watch]
    assert await world.get(f"quest-tasks/{vote['id']}/") == vote


async def test_quests_are_found_by_id_status_and_attribute(world: Any) -> None:
    await world.make("quests/", name="now", attributes=[{"key": "team", "value": "red"}])
    later = await world.make("quests/", name="later", started_at="2027-01-01T00:00:00+01:00")
    await world.make("quests/", name="over", started_at="2020-01-01T00:00:00Z", stopped_at="2020-02-01T00:00:00")

    async def names(query: str) -> list[str]:
        found = await world.get(f"quests/?client_id={world.client_id}&{query}")
        return [quest["name"] for quest in found["results"]]

    assert later["started_at"] == "2026-12-31T23:00:00.000Z"
    assert await names("status=active") == ["now"]
    assert await names("status=not_started") == ["later"]
    assert await names("status=expired") == ["over"]
    assert await names(f"id={later['id']}") == ["later"]
    assert await names("attributes=team:red") == ["now"]
    assert (await world.call("GET", "quests/?status=lost")).body == {
        "status": ["'lost' is not one of active, not_started, expired."]
    }


async def test_every_resource_is_found_at_its_url(stage: Any) -> None:
    world = stage.world
    fan = await world.fan()
    run = await world.make("user-quests/", quest_id=stage.quest["id"], profile_id=fan["id"])
    program = await world.get(f"programs/{world.program_id}/")
    award = await world.make(f"profiles/{fan['id']}/badges/", badge_id=stage.plain_badge["id"])
    quest = stage.quest
    made = [stage.item, stage.action, stage.table, stage.badge, quest, *quest["quest_tasks"], *quest["quest_rewards"]]
    addresses = [each["url"] for each in (*made, fan, run, program)] + [award["earned_badge_url"]]
    answers = [await world.call("GET", address.removeprefix("https://fans.example.com")) for address in addresses]
    assert [(a, b.status) for a, b in zip(addresses, answers, strict=True) if b.status != 200] == []


@pytest.mark.parametrize(
    "path",
    [
        "reward-items/x/",
        "reward-actions/x/",
        "reward-tables/x/",
        "programs/x/",
        "badges/x/",
        "quests/x/",
        "quest-tasks/x/",
        "quest-rewards/?quest_id=x",
        "quest-rewards/x/",
        "user-quests/x/",
        "profiles/x/",
        "no-such-collection/",
        "reward-items/%00/",
        "reward-items/%ED%A0%80/",
    ],
)
async def test_what_is_not_there_is_404_with_a_detail(world: Any, path: str) -> None:
    answer = await world.call("GET", path)
    assert (answer.status, list(answer.body)) == (404, ["detail"])


async def test_a_wrong_method_is_405_with_a_detail(world: Any) -> None:
    answer = await world.call("DELETE", "quests/")
    assert (answer.status, list(answer.body)) == (405, ["detail"])
