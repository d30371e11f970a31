"""Badges that are revoked, awarded again, and claimed from a quest."""

from tests.unit.livelike.clients import Club


async def test_a_revoked_badge_is_not_seen_nor_earned_and_an_award_gives_it_back(club: Club) -> None:
    badge = await club.make("badges/", name="First", reward_item_id=club.points, reward_item_threshold=5)
    await club.make("reward-tables/", name="Match", entries=[club.entry()])
    await club.vote()
    (earned,) = (await club.get(f"earned-badges/?profile_id={club.fan}"))["results"]
    path = f"earned-badges/{earned['id']}/"
    assert (await club.get(path))["badge"]["id"] == badge["id"]
    assert (await club.call("DELETE", path)).status_code == 204
    await club.vote()
    assert (await club.get(f"profiles/{club.fan}/badges/"))["count"] == 0
    assert (await club.call("GET", path)).status_code == 404
    again = await club.make(f"profiles/{club.fan}/badges/", badge_id=badge["id"])
    assert again["earned_badge_id"] == earned["id"]
    assert (await club.get(path))["awarded_at"] == earned["awarded_at"]


async def test_a_quest_gives_its_badges_when_they_are_claimed(club: Club) -> None:
    quest = await club.make("quests/", name="Derby")
    await club.make("quest-tasks/", quest_id=quest["id"], name="Watch")
    badges = [(await club.make("badges/", name=f"Badge {n}"))["id"] for n in range(6)]
    too_many = await club.call("POST", f"quests/{quest['id']}/badges/", {"badge_ids": badges})
    assert too_many.json() == {"badge_ids": ["Quest can't have more than 5 Badges"]}
    await club.make(f"quests/{quest['id']}/badges/", badge_ids=badges[:2])
    run = await club.make("user-quests/", quest_id=quest["id"], profile_id=club.fan)
    claim = f"user-quests/{run['id']}/badges/"
    assert (await club.call("PATCH", claim, {})).status_code == 400
    done = {"user_quest_tasks": [{"id": run["user_quest_tasks"][0]["id"], "status": "completed"}]}
    assert (await club.call("PATCH", f"user-quests/{run['id']}/", done)).json()["status"] == "completed"
    first = (await club.call("PATCH", claim, {"claim_badges": [badges[1], badges[5]]})).json()
    assert [each["badge"]["id"] for each in first["claimed_badges"]] == [badges[1]]
    body = {"user_quest_id": run["id"]}
    rest = (await club.call("PATCH", f"quests/{quest['id']}/badges/", body)).json()
    assert [each["badge"]["id"] for each in rest["claimed_badges"]] == badges[:2]
    assert (await club.get(f"profiles/{club.fan}/badges/"))["count"] == 2
