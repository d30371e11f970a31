"""Changes of quests."""

from tests.unit.livelike.clients import Club


async def test_a_change_leaves_alone_what_it_does_not_name(club: Club) -> None:
    quest = await club.make("quests/", name="Derby", description="Home", timeout="PT1H")
    changed = await club.call("PATCH", f"quests/{quest['id']}/", {"name": "Cup", "description": None})
    assert changed.status_code == 200
    assert changed.json() == {**quest, "name": "Cup", "description": None}
    assert (await club.call("PATCH", f"quests/{quest['id']}/", {"name": ""})).status_code == 400
    assert await club.get(f"quests/{quest['id']}/") == changed.json()
