"""Leaderboards over HTTP, as LiveLike's SDK reads them: from the program or by id, without a token."""

from typing import Any

import pytest

BASE = "https://fans.example.com"


async def _board(stage: Any, *amounts: int, **fields: Any) -> tuple[Any, list[Any]]:
    """A leaderboard, and fans named by letters who have so much."""
    world = stage.world
    board = await world.make("leaderboards/", name="Best", reward_item_id=stage.item["id"], **fields)
    fans = []
    for letter, amount in zip("ABCDEFG", amounts, strict=False):
        fan = await world.fan(letter)
        credit = {"reward_item_id": stage.item["id"], "reward_item_amount": amount}
        answer = await world.call("POST", f"profiles/{fan['id']}/reward-item-credits/", credit)
        assert answer.status == 200
        fans.append(fan)
    return board, fans


async def _public(world: Any, address: str) -> Any:
    return await world.get(address.removeprefix(BASE), token="")


async def test_a_program_shows_its_leaderboards_and_the_addresses_lead_on_without_a_token(stage: Any) -> None:
    world = stage.world
    board, fans = await _board(stage, 3, 9, 3)
    found = await world.get(f"applications/{world.client_id}/", token="")
    address = found["program_detail_url_template"].replace("{program_id}", world.program_id)
    assert (await _public(world, address))["leaderboards"] == [board]
    read = await _public(world, found["leaderboard_detail_url_template"].replace("{leaderboard_id}", board["id"]))
    assert read == board
    assert (read["reward_item"]["name"], read["is_locked"], "?" in read["entries_url"]) == ("Points", False, False)
    entries = await _public(world, f"{read['entries_url']}?page_size=2")
    assert [(e["profile_nickname"], e["rank"], e["score"]) for e in entries["results"]] == [("B", 1, 9), ("A", 2, 3)]
    rest = await _public(world, entries["next"])
    assert [(e["profile_nickname"], e["rank"], e["percentile_rank"]) for e in rest["results"]] == [("C", 2, "66.67")]
    own = await _public(world, read["entry_detail_url_template"].replace("{profile_id}", fans[2]["id"]))
    assert own == rest["results"][0]


async def test_entries_tell_the_public_no_more_than_nickname_rank_and_score(stage: Any) -> None:
    board, fans = await _board(stage, 3)
    assert (await _public(stage.world, board["entries_url"]))["results"] == [
        {
            "profile_id": fans[0]["id"],
            "profile_nickname": "A",
            "profile": {"id": fans[0]["id"], "nickname": "A"},
            "rank": 1,
            "score": 3,
            "percentile_rank": "100.00",
        }
    ]


async def test_entries_of_named_fans_with_the_trailing_ampersand_of_the_sdk(stage: Any) -> None:
    board, fans = await _board(stage, 3, 9, 5)
    found = await _public(stage.world, f"{board['entries_url']}?profile_id={fans[0]['id']}&profile_id={fans[1]['id']}&")
    assert [(e["profile_nickname"], e["rank"]) for e in found["results"]] == [("B", 1), ("A", 3)]
    assert found["count"] == 2


@pytest.mark.parametrize(
    "path", ["leaderboards/nothing/", "leaderboards/nothing/entries/", "leaderboards/{id}/entries/nobody/"]
)
async def test_what_is_not_there_is_404(stage: Any, path: str) -> None:
    board, _ = await _board(stage, 1)
    assert (await stage.world.call("GET", path.format(id=board["id"]), token="")).status == 404


async def test_a_fan_sees_the_leaderboards_she_is_on_and_no_other_fans(stage: Any) -> None:
    world = stage.world
    board, (a, b) = await _board(stage, 3, 9)
    other = await world.make("reward-items/", name="Coins")
    await world.make("leaderboards/", name="Rich", reward_item_id=other["id"])
    found = await world.get(f"profiles/{a['id']}/leaderboards/", token=a["access_token"])
    [row] = found["results"]
    assert (row["profile_nickname"], row["entry"]["rank"], row["leaderboard"]) == ("A", 2, board)
    [view] = (await world.get(f"profiles/{a['id']}/leaderboard-views/", token=a["access_token"]))["results"]
    assert view == {"id": board["id"], "name": "Best", **row}
    assert (await world.call("GET", f"profiles/{b['id']}/leaderboards/", token=a["access_token"])).status == 403


async def test_a_producer_changes_links_locks_and_deletes(stage: Any) -> None:
    world = stage.world
    board, _ = await _board(stage, 3, custom_id="season", attributes=[{"key": "k", "value": "v"}])
    cup = await world.make("programs/", name="Cup")
    change = {"name": "Top", "is_locked": True, "program_ids": [cup["id"]]}
    changed = await world.call("PATCH", f"leaderboards/{board['id']}/", change)
    assert changed.body == board | change
    assert (await world.get(f"programs/{world.program_id}/"))["leaderboards"] == []
    listed = await world.get("leaderboards/")
    assert listed["results"] == [changed.body]
    assert (await world.call("DELETE", f"leaderboards/{board['id']}/")).status == 204
    assert (await world.call("GET", f"leaderboards/{board['id']}/")).status == 404
    assert (await world.get(f"programs/{cup['id']}/"))["leaderboards"] == []
    again = {"name": "Best", "reward_item_id": stage.item["id"], "custom_id": "season"}
    await world.make("leaderboards/", **again)
    assert (await world.call("POST", "leaderboards/", again)).status == 409


async def test_only_the_applications_own_producer_writes(stage: Any) -> None:
    world = stage.world
    board, (fan,) = await _board(stage, 3)
    new = {"name": "Best", "reward_item_id": stage.item["id"]}
    assert (await world.call("POST", "leaderboards/", new, token=fan["access_token"])).status == 403
    assert (await world.call("POST", "leaderboards/", new, token="")).status == 401
    assert (await world.call("POST", "leaderboards/", new, token=world.rival)).status == 404
    for method in ("PATCH", "DELETE"):
        path = f"leaderboards/{board['id']}/"
        assert (await world.call(method, path, {}, token=world.rival)).status == 404
        assert (await world.call(method, path, {}, token=fan["access_token"])).status == 403


async def test_wrong_input_is_told_by_its_field(stage: Any) -> None:
    for body, field in (
        ({"name": "x"}, "reward_item_id"),
        ({"reward_item_id": stage.item["id"]}, "name"),
        ({"name": " ", "reward_item_id": stage.item["id"]}, "name"),
    ):
        answer = await stage.world.call("POST", "leaderboards/", body)
        assert (answer.status, list(answer.body)) == (400, [field])
    body = {"name": "x", "reward_item_id": stage.item["id"], "program_ids": ["nothing"]}
    assert (await stage.world.call("POST", "leaderboards/", body)).status == 404
