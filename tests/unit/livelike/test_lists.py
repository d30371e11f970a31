"""The list envelope, and following `next` as the SDK does."""

from typing import Any

import pytest

BASE = "https://fans.example.com"


async def _items(world: Any, number: int) -> None:
    for n in range(number):
        await world.make("reward-items/", name=f"Item {n}")


async def test_next_and_previous_are_absolute_and_lead_through_the_list(world: Any) -> None:
    await _items(world, 45)
    address = f"{BASE}/api/v1/reward-items/?client_id={world.client_id}"
    pages = []
    while address:
        assert address.startswith(f"{BASE}/api/v1/reward-items/?client_id={world.client_id}")
        page = await world.get(address.removeprefix(BASE))
        assert page["count"] == 45
        pages.append(page)
        address = page["next"]
    assert [len(page["results"]) for page in pages] == [20, 20, 5]
    names = [item["name"] for page in pages for item in page["results"]]
    assert names == [f"Item {n}" for n in range(45)]
    assert pages[0]["previous"] is None
    back = await world.get(pages[2]["previous"].removeprefix(BASE))
    assert back["results"] == pages[1]["results"]


async def test_filters_are_kept_in_next(stage: Any) -> None:
    world = stage.world
    fan = await world.fan()
    for _ in range(3):
        body = {"program_id": world.program_id, "profile_id": fan["id"], "reward_action_key": "vote"}
        await world.make("invoked-actions/", **body)
    path = f"reward-transactions/?profile_id={fan['id']}&created_since=2026-01-01T00:00:00.000Z&page_size=2"
    first = await world.get(path)
    assert (first["count"], len(first["results"])) == (3, 2)
    assert f"profile_id={fan['id']}" in first["next"]
    assert "page_size=2" in first["next"]
    second = await world.get(first["next"].removeprefix(BASE))
    assert (len(second["results"]), second["next"]) == (1, None)
    by_offset = await world.get(f"{path}&offset=2")
    assert by_offset["results"] == second["results"]


async def test_a_page_holds_at_most_100(world: Any) -> None:
    await _items(world, 101)
    assert len((await world.get("reward-items/?page_size=1000"))["results"]) == 100


@pytest.mark.parametrize(
    "query", ["page=0", "page=-1", "page=x", "page=1e3", "page=²", "page=99999999999", "page_size=0", "offset=7"]
)
async def test_an_invalid_page_is_404(world: Any, query: str) -> None:
    answer = await world.call("GET", f"reward-items/?{query}")
    assert (answer.status, answer.body["detail"].startswith("Invalid")) == (404, True)
