"""Definitions leave play and lists when they are archived."""

from tests.unit.livelike.clients import Club


async def test_what_is_in_use_is_not_archived_and_what_is_archived_is_in_no_list(club: Club) -> None:
    table = await club.make("reward-tables/", name="Match", entries=[club.entry()])
    refused = await club.call("DELETE", f"reward-items/{club.points}/")
    assert (refused.status_code, "'Match'" in refused.json()["detail"]) == (409, True)
    assert await club.vote() == [5]
    for path in (f"reward-tables/{table['id']}", f"reward-items/{club.points}", f"reward-actions/{club.action}"):
        assert (await club.call("DELETE", f"{path}/")).status_code == 204
        assert (await club.get(f"{path.split('/')[0]}/"))["count"] == 0
    assert (await club.get(f"reward-items/{club.points}/"))["name"] == "Points"
    balances = await club.get(f"profiles/{club.fan}/reward-item-balances/")
    assert [each["reward_item_balance"] for each in balances["results"]] == [5]
    body = {"program_id": club.program_id, "profile_id": club.fan, "reward_action_key": "vote"}
    assert (await club.call("POST", "invoked-actions/", body)).status_code == 404
    assert (await club.get("reward-transactions/"))["count"] == 1
