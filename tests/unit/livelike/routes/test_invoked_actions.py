"""Batches of invoked actions."""

from tests.unit.livelike.clients import Club


async def test_in_a_batch_each_action_answers_for_itself(club: Club) -> None:
    await club.make("reward-tables/", name="Match", entries=[club.entry()])
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
