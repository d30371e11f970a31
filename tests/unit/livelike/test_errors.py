"""The engine's errors become answers, and a write that is sent twice is done once."""

from typing import Any

import pytest

from tifo.kernel.errors import Conflict, Overloaded, Rejected, TooLarge, Transient

FIELD = {"Idempotency-Key": "k-1"}
SIGN_UP_KEY = {"Idempotency-Key": "3f0e8c1a-5b9d-4a77-9d55-000000000001"}


@pytest.mark.parametrize(
    ("error", "status", "body", "retry_after"),
    [
        (Rejected("m"), 400, {"detail": "m"}, None),
        (Rejected("m", field="name"), 400, {"name": ["m"]}, None),
        (Conflict("m", field="name"), 409, {"detail": "m"}, None),
        (TooLarge("m"), 413, {"detail": "m"}, None),
        (Overloaded("m", retry_after_s=0.2), 429, {"detail": "m"}, "1"),
        (Transient("m", retry_after_s=2.5), 503, {"detail": "m"}, "3"),
    ],
)
async def test_an_error_becomes_its_status(
    world: Any, error: Exception, status: int, body: Any, retry_after: str | None
) -> None:
    world.twin.raises = error
    answer = await world.call("POST", "reward-items/", {"name": "a"})
    assert (answer.status, answer.body, answer.headers.get("retry-after")) == (status, body, retry_after)


async def test_a_crash_is_500_without_its_text(world: Any) -> None:
    world.twin.raises = KeyError("a secret")
    answer = await world.call("POST", "reward-items/", {"name": "a"})
    assert answer.status == 500
    assert "secret" not in str(answer.body)


async def test_the_same_write_with_the_same_key_gives_the_first_answer(stage: Any) -> None:
    world = stage.world
    fan = await world.fan()
    path = f"profiles/{fan['id']}/reward-item-credits/"
    body = {"reward_item_id": stage.item["id"], "reward_item_amount": 3}
    first = await world.call("POST", path, body, headers=FIELD)
    again = await world.call("POST", path.rstrip("/"), body, headers=FIELD)
    assert (first.status, again.status, first.body) == (200, 200, again.body)
    other_body = await world.call("POST", path, {**body, "reward_item_amount": 4}, headers=FIELD)
    other_path = await world.call("POST", path.replace("credits", "debits"), body, headers=FIELD)
    assert (other_body.status, other_path.status) == (409, 409)
    [balance] = (await world.get(f"profiles/{fan['id']}/reward-item-balances/"))["results"]
    assert balance["reward_item_balance"] == 3


async def test_one_fans_key_never_meets_anothers(world: Any) -> None:
    ana, ben = await world.fan("Ana"), await world.fan("Ben")
    path, body = f"applications/{world.client_id}/profile/", {"nickname": "New"}
    answers = [await world.call("PATCH", path, body, token=f["access_token"], headers=FIELD) for f in (ana, ben)]
    assert [answer.body["id"] for answer in answers] == [ana["id"], ben["id"]]


async def test_a_sign_up_sent_twice_makes_one_fan_but_not_with_a_key_that_is_guessed(world: Any) -> None:
    path = f"applications/{world.client_id}/profile/"
    first = await world.call("POST", path, token="", headers=SIGN_UP_KEY)
    again = await world.call("POST", path, token="", headers=SIGN_UP_KEY)
    assert (first.status, first.body) == (201, again.body)
    assert (await world.call("POST", path, token="", headers=FIELD)).status == 400


async def test_completing_and_claiming_in_one_request_can_be_repeated(stage: Any) -> None:
    world = stage.world
    fan = await world.fan()
    run = await world.make("user-quests/", token=fan["access_token"], quest_id=stage.quest["id"])
    tasks = [{"id": task["id"], "status": "completed"} for task in run["user_quest_tasks"]]
    body = {"user_quest_tasks": tasks, "rewards_status": "claimed"}
    path = f"user-quests/{run['id']}/"
    first = await world.call("PATCH", path, body, token=fan["access_token"], headers=FIELD)
    again = await world.call("PATCH", path, body, token=fan["access_token"], headers=FIELD)
    assert (first.status, first.body["rewards_status"]) == (200, "claimed")
    assert again.body == first.body


@pytest.mark.parametrize("key", ["", "x" * 256])
async def test_a_key_has_1_to_255_characters(world: Any, key: str) -> None:
    answer = await world.call("POST", "reward-items/", {"name": "a"}, headers={"Idempotency-Key": key})
    assert (answer.status, list(answer.body)) == (400, ["detail"])
