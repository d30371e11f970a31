"""Bad input gets a clear 4xx that names the field, and reaches no engine."""

import json
from typing import Any

import pytest

FAN = {"reward_item_id": "i", "reward_item_amount": 1}
ITEM, QUESTS, TASKS, CREDITS = "reward-items/", "quests/", "quest-tasks/", "profiles/p/reward-item-credits/"
PROGRESS, ENTRIES, TABLES = "user-quest-task-progress/", "reward-tables/t/entries/", "reward-tables/"


def _raw(**fields: object) -> bytes:
    return json.dumps(fields).encode()


BAD: dict[str, tuple[str, bytes, str]] = {
    "malformed JSON": (ITEM, b'{"name": ', "detail"),
    "an empty body": (ITEM, b"", "detail"),
    "something after the end": (ITEM, b'{"name":"a"} x', "detail"),
    "an array": (ITEM, b"[]", "detail"),
    "null": (ITEM, b"null", "detail"),
    "no UTF-8": (ITEM, b'{"name":"\xff"}', "detail"),
    "a lone surrogate": (ITEM, b'{"name":"\\ud800"}', "detail"),
    "a lone surrogate in a key": (ITEM, b'{"name":"a","\\udc00":1}', "detail"),
    "a NUL": (ITEM, b'{"name":"a\\u0000b"}', "detail"),
    "a depth bomb": (ITEM, b'{"name":"a","x":' + b"[" * 200_000 + b"]" * 200_000 + b"}", "detail"),
    "NaN": (CREDITS, b'{"reward_item_id":"i","reward_item_amount":NaN}', "detail"),
    "a missing field": (ITEM, _raw(), "name"),
    "a name of a wrong type": (ITEM, _raw(name=7), "name"),
    "an empty name": (ITEM, _raw(name=""), "name"),
    "a name that is null": (ITEM, _raw(name=None), "name"),
    "a long name": (ITEM, _raw(name="x" * 256), "name"),
    "attributes of a wrong type": (ITEM, _raw(name="a", attributes={"k": "v"}), "attributes"),
    "an attribute without a value": (ITEM, _raw(name="a", attributes=[{"key": "k"}]), "attributes"),
    "an attribute with a number": (ITEM, _raw(name="a", attributes=[{"key": "k", "value": 1}]), "attributes"),
    "an id of a wrong type": (CREDITS, _raw(reward_item_id=7, reward_item_amount=1), "reward_item_id"),
    "an amount in text form": (CREDITS, _raw(**{**FAN, "reward_item_amount": "3"}), "reward_item_amount"),
    "a fractional amount": (CREDITS, _raw(**{**FAN, "reward_item_amount": 1.5}), "reward_item_amount"),
    "a whole float": (CREDITS, _raw(**{**FAN, "reward_item_amount": 1.0}), "reward_item_amount"),
    "a bool": (CREDITS, _raw(**{**FAN, "reward_item_amount": True}), "reward_item_amount"),
    "a huge amount": (CREDITS, _raw(**{**FAN, "reward_item_amount": 10**30}), "reward_item_amount"),
    "an amount of 400 digits": (CREDITS, _raw(**{**FAN, "reward_item_amount": 10**399}), "reward_item_amount"),
    "an amount beyond doubles": (CREDITS, b'{"reward_item_id":"i","reward_item_amount":1e999}', "reward_item_amount"),
    "an entry without an amount": (TABLES, _raw(name="t", entries=[{"reward_item_id": "i", "action": "a"}]), "entries"),
    "a time that is none": (QUESTS, _raw(name="q", started_at="soon"), "started_at"),
    "a time beyond the years": (QUESTS, _raw(name="q", started_at="0001-01-01T00:00:00+23:00"), "started_at"),
    "a timeout that is none": (QUESTS, _raw(name="q", timeout="1 hour"), "timeout"),
    "a target that is no number": (TASKS, _raw(quest_id="q", name="t", target_value="many"), "target_value"),
    "an infinite target": (TASKS, _raw(quest_id="q", name="t", target_value="Infinity"), "target_value"),
    "a huge target": (TASKS, _raw(quest_id="q", name="t", target_value=1e300), "target_value"),
    "progress that is no number": (PROGRESS, _raw(user_quest_task_id="t", custom_progress="NaN"), "custom_progress"),
    "progress of a wrong type": (PROGRESS, _raw(user_quest_task_id="t", custom_progress=True), "custom_progress"),
    "progress of many digits": (
        PROGRESS,
        _raw(user_quest_task_id="t", custom_progress="0." + "1" * 50),
        "custom_progress",
    ),
    "tiny progress": (PROGRESS, _raw(user_quest_task_id="t", custom_increment="1e-999999"), "custom_increment"),
    "huge progress": (PROGRESS, b'{"user_quest_task_id":"t","custom_increment":1e999}', "custom_increment"),
    "no rewards": ("quest-rewards/", _raw(quest_id="q", quest_rewards=[]), "quest_rewards"),
    "no program ids": ("reward-tables/", _raw(name="T", program_ids=7), "program_ids"),
}


@pytest.mark.parametrize("what", BAD)
async def test_bad_input_is_400_and_names_the_field(world: Any, what: str) -> None:
    path, raw, field = BAD[what]
    method = "PATCH" if path == "reward-tables/t/" else "POST"
    answer = await world.call(method, path, raw=raw)
    assert (answer.status, list(answer.body)) == (400, [field])
    told = answer.body[field]
    message = told if field == "detail" else told[0]
    assert len(message) > 10
    assert "at `$" not in message
    assert world.twin.handled == []


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"rewards_status": "unclaimed"}, "rewards_status"),
        ({"user_quest_tasks": [{"id": "x", "status": "incomplete"}]}, "user_quest_tasks"),
        ({"user_quest_tasks": [{"id": "x", "status": "completed"}]}, "user_quest_tasks"),
    ],
)
async def test_a_user_quest_is_changed_in_known_ways_only(stage: Any, body: Any, field: str) -> None:
    fan = await stage.world.fan()
    run = await stage.world.make("user-quests/", token=fan["access_token"], quest_id=stage.quest["id"])
    answer = await stage.world.call("PATCH", f"user-quests/{run['id']}/", body, token=fan["access_token"])
    assert (answer.status, list(answer.body)) == (400, [field])


async def test_a_body_over_1_mib_is_413(world: Any) -> None:
    answer = await world.call("POST", ITEM, raw=b'{"name":"' + b"x" * (1 << 20) + b'"}')
    assert (answer.status, list(answer.body)) == (413, ["detail"])
    fits = b'{"name":"a","ignored":"' + b"x" * ((1 << 20) - 30) + b'"}'
    assert (await world.call("POST", ITEM, raw=fits)).status == 201


async def test_unknown_fields_are_ignored_and_an_escaped_backslash_is_no_nul(world: Any) -> None:
    item = await world.make(ITEM, name="a\\u0000", unknown={"deep": [1]})
    assert item["name"] == "a\\u0000"


@pytest.mark.parametrize("query", ["&".join(f"id={n}" for n in range(300)), "id=%00"])
async def test_a_query_string_has_bounds(world: Any, query: str) -> None:
    assert (await world.call("GET", f"quests/?{query}")).status == 400
