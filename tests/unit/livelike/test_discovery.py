"""The discovery document: clients find everything else from it."""

from typing import Any

import pytest
from litestar.testing import AsyncTestClient

from tifo.livelike.app import livelike_app, livelike_part

MUST_HOLD_A_QUERY = ("reward_items_url", "quests_url", "user_quests_url_template")
MUST_HOLD_NONE = (
    "reward_actions_url",
    "invoked_actions_url",
    "badge_profiles_url",
    "reward_transactions_url",
    "user_quest_rewards_url",
)


async def test_discovery_needs_no_token_and_every_address_is_absolute(world: Any) -> None:
    found = await world.get(f"applications/{world.client_id}/", token="")
    assert found["client_id"] == world.client_id
    addresses = {k: v for k, v in found.items() if k == "url" or ("_url" in k and v is not None)}
    assert len(addresses) > 15
    assert all(address.startswith("https://fans.example.com/api/v1/") for address in addresses.values())


async def test_addresses_hold_a_query_string_just_where_the_sdk_appends_to_one(world: Any) -> None:
    found = await world.get(f"applications/{world.client_id}/", token="")
    assert [name for name in MUST_HOLD_A_QUERY if "?" not in found[name]] == []
    assert [name for name in MUST_HOLD_NONE if "?" in found[name]] == []
    profile = await world.fan()
    names = ("reward_item_balances_url", "reward_item_transfer_url", "badge_progress_url", "badges_url")
    assert [name for name in names if "?" in profile[name]] == []


async def test_every_template_holds_one_variable(world: Any) -> None:
    found = await world.get(f"applications/{world.client_id}/", token="")
    templates = {name: value for name, value in found.items() if name.endswith("_template")}
    assert templates
    assert {name: value.count("{") for name, value in templates.items()} == dict.fromkeys(templates, 1)


async def test_without_a_public_url_addresses_follow_the_host_header(world: Any) -> None:
    async with AsyncTestClient(livelike_app(world.twin, world.twin, clock=world.clock)) as http:
        answer = await http.get(f"/api/v1/applications/{world.client_id}/", headers={"host": "tifo.local:8080"})
    assert answer.json()["profile_url"] == f"http://tifo.local:8080/api/v1/applications/{world.client_id}/profile/"


@pytest.mark.parametrize("ending", ["", "/"])
async def test_a_missing_trailing_slash_is_fine(world: Any, ending: str) -> None:
    answer = await world.call("GET", f"applications/{world.client_id}{ending}")
    assert answer.status == 200


async def test_an_unknown_application_is_404_with_a_detail(world: Any) -> None:
    answer = await world.call("GET", "applications/nobody/", token="")
    assert answer.status == 404
    assert answer.body["detail"]


async def test_a_producer_changes_the_settings(world: Any) -> None:
    path = f"applications/{world.client_id}/"
    answer = await world.call("PATCH", path, {"auto_claim_quest_rewards": True})
    assert (answer.status, answer.body["auto_claim_quest_rewards"]) == (200, True)
    assert (answer.body["automatic_quest_processing"], answer.body["name"]) == (False, "Club")
    assert (await world.get(path))["auto_claim_quest_rewards"] is True


async def test_a_program_is_read_without_a_token_by_the_address_that_discovery_gives(world: Any) -> None:
    template = (await world.get(f"applications/{world.client_id}/", token=""))["program_detail_url_template"]
    path = template.replace("{program_id}", world.program_id).removeprefix("https://fans.example.com")
    program = await world.get(path, token="")
    assert (program["id"], program["is_default"], program["leaderboards"]) == (world.program_id, True, [])
    assert (await world.call("GET", f"programs/{world.program_id}/", token="")).status == 401


async def test_programs_are_made_with_a_name_or_a_title(world: Any) -> None:
    first = await world.make("programs/", client_id=world.client_id, name="Cup")
    second = await world.make("programs/", title="League")
    listed = await world.get(f"programs/?client_id={world.client_id}")
    assert [p["name"] for p in listed["results"]] == ["Default", "Cup", "League"]
    assert (await world.get(f"programs/{first['id']}/"))["name"] == "Cup"
    assert second["title"] == "League"
    assert (await world.call("POST", "programs/", {})).body == {"name": ["This field is required."]}


async def test_openapi_describes_routes_and_bodies_and_health_answers(world: Any) -> None:
    body = livelike_part().paths["/api/v1/invoked-actions/"]["post"]["requestBody"]["content"]["application/json"]
    assert body["schema"]["required"] == ["program_id", "reward_action_key"]
    assert "$ref" not in str(body)
    assert await world.get("/health", token="") == {"status": "ok"}


async def test_browsers_of_any_origin_may_call(world: Any) -> None:
    asked = {"Origin": "https://club.example", "Access-Control-Request-Method": "PATCH"}
    asked["Access-Control-Request-Headers"] = "authorization,content-type,idempotency-key"
    preflight = await world.call("OPTIONS", "user-quests/x/", headers=asked)
    assert preflight.status in {200, 204}
    assert preflight.headers["access-control-allow-origin"] == "*"
    assert "PATCH" in preflight.headers["access-control-allow-methods"]
    answer = await world.call("GET", "quests/", token="", headers={"Origin": "https://club.example"})
    assert (answer.status, answer.headers["access-control-allow-origin"]) == (401, "*")
