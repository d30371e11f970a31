"""Profiles: sign-up as the SDK does it, tokens that integrators make, the integrator's own ids."""

from typing import Any
from urllib.parse import unquote

import pytest

URLS = {
    "url": "",
    "badges_url": "badges/",
    "badge_progress_url": "badge-progress/",
    "reward_item_balances_url": "reward-item-balances/",
    "reward_item_credit_url": "reward-item-credits/",
    "reward_item_debit_url": "reward-item-debits/",
    "reward_item_transfer_url": "reward-item-transfers/",
}


async def test_the_sdk_signs_up_with_an_empty_bearer_and_no_body(world: Any) -> None:
    answer = await world.call("POST", f"applications/{world.client_id}/profile/", raw=b"", token="")
    assert answer.status == 201
    assert answer.headers["content-type"] == "application/json"
    profile = answer.body
    assert profile["client_id"] == world.client_id
    assert (profile["custom_id"], profile["custom_data"], profile["attributes"]) == (None, None, [])
    assert profile["created_at"] == "2026-11-24T10:00:00.000Z"
    root = f"https://fans.example.com/api/v1/profiles/{profile['id']}/"
    assert {name: profile[name] for name in URLS} == {name: root + path for name, path in URLS.items()}
    own = await world.get(f"applications/{world.client_id}/profile/", token=profile["access_token"])
    assert own == {k: v for k, v in profile.items() if k != "access_token"}


async def test_a_fan_changes_her_own_nickname_and_data(world: Any) -> None:
    fan = await world.fan()
    body = {"nickname": "Ana", "custom_data": "x"}
    path = f"applications/{world.client_id}/profile/"
    answer = await world.call("PATCH", path, body, token=fan["access_token"])
    assert (answer.status, answer.body["nickname"], answer.body["custom_data"]) == (200, "Ana", "x")


async def test_only_a_producer_sets_a_custom_id(world: Any) -> None:
    fan = await world.fan()
    sign_up = f"applications/{world.client_id}/profile/"
    assert (await world.call("POST", sign_up, {"custom_id": "vip"}, token="")).status == 403
    assert (await world.call("PATCH", sign_up, {"custom_id": "vip"}, token=fan["access_token"])).status == 403
    changed = await world.call("PATCH", f"profiles/{fan['id']}/", {"custom_id": "vip"})
    assert (changed.status, changed.body["custom_id"]) == (200, "vip")


async def test_a_profile_by_custom_id_is_made_once(world: Any) -> None:
    path = f"profile-by-custom-id/{world.client_id}/fan-1/"
    made = await world.make(path, nickname="Zoë", attributes=[{"key": "seat", "value": "12"}])
    assert (made["custom_id"], made["attributes"]) == ("fan-1", [{"key": "seat", "value": "12"}])
    again = await world.call("POST", path, {"nickname": "Other"})
    assert (again.status, list(again.body)) == (409, ["detail"])
    found = await world.get(path)
    assert found == {k: v for k, v in made.items() if k != "access_token"}
    assert (await world.get(path, token=made["access_token"]))["id"] == made["id"]
    assert (await world.call("GET", f"profile-by-custom-id/{world.client_id}/nobody/")).status == 404


async def test_a_fan_cannot_probe_which_custom_ids_there_are(world: Any) -> None:
    await world.make(f"profile-by-custom-id/{world.client_id}/taken/")
    token = (await world.fan())["access_token"]
    paths = [f"profile-by-custom-id/{world.client_id}/{custom_id}/" for custom_id in ("taken", "free")]
    taken, free = [await world.call("GET", path, token=token) for path in paths]
    assert (taken.status, taken.body) == (free.status, free.body)
    assert taken.status == 403


@pytest.mark.parametrize("custom_id", ["auth0%7C12", "ana@example.com", "نیم‌فاصله", "👩‍🚀", "a%20b"])
async def test_a_custom_id_may_be_any_text(world: Any, custom_id: str) -> None:
    made = await world.make(f"profile-by-custom-id/{world.client_id}/{custom_id}/")
    assert made["custom_id"] == unquote(custom_id)


async def test_a_custom_id_of_256_characters_is_refused(world: Any) -> None:
    answer = await world.call("POST", f"profile-by-custom-id/{world.client_id}/{'x' * 256}/")
    assert (answer.status, list(answer.body)) == (400, ["custom_id"])


async def test_an_integrators_token_makes_the_fan_on_first_sight_and_finds_her_later(world: Any) -> None:
    token = world.signed(custom_profile_id="fan-7")
    quests = await world.call("GET", "user-quests/", token=token)
    assert quests.status == 404
    first = await world.get(f"applications/{world.client_id}/profile/", token=token)
    second = await world.get(f"applications/{world.client_id}/profile/", token=token)
    assert first["custom_id"] == "fan-7"
    assert first == second
    assert (await world.get("user-quests/", token=token))["count"] == 0


@pytest.mark.parametrize("nickname", [7, "", "x" * 256, None, ["a"]])
async def test_a_nickname_is_a_text_of_1_to_255_characters(world: Any, nickname: object) -> None:
    answer = await world.call("POST", f"applications/{world.client_id}/profile/", {"nickname": nickname}, token="")
    assert (answer.status, "nickname" in answer.body) == ((201, True) if nickname is None else (400, True))


async def test_attributes_are_replaced_as_a_whole_and_otherwise_kept(world: Any) -> None:
    seat, row = {"key": "seat", "value": "12"}, {"key": "row", "value": "A"}
    fan = await world.make(f"profile-by-custom-id/{world.client_id}/fan-1/", attributes=[seat])
    path = f"profiles/{fan['id']}/"
    assert (await world.call("PATCH", path, {"nickname": "Zoë"})).body["attributes"] == [seat]
    assert (await world.call("PATCH", path, {"attributes": [row]})).body["attributes"] == [row]
    assert (await world.call("PATCH", path, {"attributes": []})).body["attributes"] == []
    assert (await world.get(path))["attributes"] == []
