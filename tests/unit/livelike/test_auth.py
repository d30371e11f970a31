"""A producer may do everything in its application, a fan reaches own data only, a rival and a stranger nothing."""

import re
from dataclasses import dataclass
from typing import Any

import pytest

PRODUCERS_ONLY: dict[str, tuple[str, str, Any]] = {
    "settings": ("PATCH", "applications/{client}/", {"name": "New"}),
    "program": ("POST", "programs/", {"name": "P"}),
    "reward item": ("POST", "reward-items/", {"name": "I"}),
    "reward action": ("POST", "reward-actions/", {"name": "A", "key": "a"}),
    "reward table": ("POST", "reward-tables/", {"name": "T"}),
    "reward table's programs": ("PATCH", "reward-tables/{table}/", {"program_ids": ["{program}"]}),
    "entry": (
        "POST",
        "reward-tables/{table}/entries/",
        {"reward_item_id": "{item}", "reward_item_amount": 1, "action": "vote"},
    ),
    "entry's removal": ("DELETE", "reward-tables/{table}/entries/{entry}/", None),
    "badge": ("POST", "badges/", {"name": "B"}),
    "quest": ("POST", "quests/", {"name": "Q"}),
    "quest task": ("POST", "quest-tasks/", {"quest_id": "{quest}", "name": "T"}),
    "quest reward": (
        "POST",
        "quest-rewards/",
        {"quest_id": "{quest}", "quest_rewards": [{"reward_item_id": "{item}", "reward_item_amount": 1}]},
    ),
    "invoked action": (
        "POST",
        "invoked-actions/",
        {"program_id": "{program}", "profile_id": "{fan}", "reward_action_key": "vote"},
    ),
    "credit": (
        "POST",
        "profiles/{fan}/reward-item-credits/",
        {"reward_item_id": "{item}", "reward_item_amount": 3},
    ),
    "debit": ("POST", "profiles/{fan}/reward-item-debits/", {"reward_item_id": "{item}", "reward_item_amount": 1}),
    "award": ("POST", "profiles/{fan}/badges/", {"badge_id": "{badge}"}),
    "profile by custom id": ("POST", "profile-by-custom-id/{client}/new-fan/", {}),
    "changed reward item": ("PATCH", "reward-items/{item}/", {"name": "N"}),
    "changed reward action": ("PATCH", "reward-actions/{action}/", {"name": "N"}),
    "changed reward table": ("PATCH", "reward-tables/{table}/", {"name": "N"}),
    "archived reward table": ("DELETE", "reward-tables/{table}/", None),
    "link": ("POST", "reward-tables/{table}/programs/", {"program_id": "{program}"}),
    "link's removal": ("DELETE", "reward-tables/{table}/programs/{program}/", None),
    "changed entry": (
        "PATCH",
        "reward-tables/{table}/entries/{entry}/",
        {"reward_item_id": "{item}", "reward_item_amount": 2, "action": "vote"},
    ),
    "changed badge": ("PATCH", "badges/{badge}/", {"name": "N"}),
    "archived badge": ("DELETE", "badges/{badge}/", None),
    "changed quest": ("PATCH", "quests/{quest}/", {"name": "N"}),
    "archived quest": ("DELETE", "quests/{quest}/", None),
    "quest badges": ("POST", "quests/{quest}/badges/", {"badge_ids": ["{badge}"]}),
    "changed quest task": ("PATCH", "quest-tasks/{definition}/", {"name": "N"}),
    "removed quest task": ("DELETE", "quest-tasks/{definition}/", None),
    "removed user quest": ("DELETE", "user-quests/{run}/", None),
}
FANS_OWN: dict[str, tuple[str, str, Any]] = {
    "profile": ("GET", "profiles/{fan}/", None),
    "changed profile": ("PATCH", "profiles/{fan}/", {"nickname": "N"}),
    "profile by custom id": ("GET", "profile-by-custom-id/{client}/fan-1/", None),
    "balances": ("GET", "profiles/{fan}/reward-item-balances/", None),
    "balance": ("GET", "profiles/{fan}/reward-item-balances/{item}/", None),
    "transfer": (
        "POST",
        "profiles/{fan}/reward-item-transfers/",
        {"reward_item_id": "{item}", "reward_item_amount": 1, "recipient_profile_id": "{other}"},
    ),
    "badges": ("GET", "profiles/{fan}/badges/", None),
    "badge progress": ("GET", "profiles/{fan}/badge-progress/", None),
    "earned badges": ("GET", "earned-badges/?profile_id={fan}", None),
    "transactions": ("GET", "reward-transactions/?profile_id={fan}", None),
    "invoked actions": ("GET", "invoked-actions/?profile_id={fan}", None),
    "start": ("POST", "user-quests/", {"quest_id": "{quest2}", "profile_id": "{fan}"}),
    "user quests": ("GET", "user-quests/?profile_id={fan}", None),
    "user quest": ("GET", "user-quests/{run}/", None),
    "task completion": ("PATCH", "user-quests/{run}/", {"user_quest_tasks": [{"id": "{task}", "status": "completed"}]}),
    "progress": ("POST", "user-quest-task-progress/", {"user_quest_task_id": "{task}"}),
    "user quest rewards": ("GET", "user-quest-rewards/?user_quest_id={run}", None),
}
DEFINITIONS = {
    "reward items": "reward-items/?client_id={client}",
    "reward item": "reward-items/{item}/",
    "reward actions": "reward-actions/?client_id={client}",
    "reward action": "reward-actions/{action}/",
    "reward tables": "reward-tables/",
    "reward table": "reward-tables/{table}/",
    "entries": "reward-tables/{table}/entries/",
    "entry": "reward-tables/{table}/entries/{entry}/",
    "programs": "programs/",
    "program": "programs/{program}/",
    "badge": "badges/{badge}/",
    "badges": "applications/{client}/badges/",
    "badge profiles": "badge-profiles/?badge_id={badge}",
    "quests": "quests/?client_id={client}",
    "quest": "quests/{quest}/",
    "quest tasks": "quest-tasks/?quest_id={quest}",
    "quest task": "quest-tasks/{definition}/",
    "quest rewards": "quest-rewards/?quest_id={quest}",
}


@dataclass
class Cast:
    world: Any
    tokens: dict[str, str]
    ids: dict[str, str]

    async def status(self, who: str, method: str, path: str, body: Any) -> int:
        answer = await self.world.call(method, self.fill(path), self.fill(body), token=self.tokens[who])
        status: int = answer.status
        return status

    def fill(self, value: Any) -> Any:
        if isinstance(value, dict):
            return {key: self.fill(item) for key, item in value.items()}
        if isinstance(value, list):
            return [self.fill(item) for item in value]
        return value.format_map(self.ids) if isinstance(value, str) else value


@pytest.fixture
async def cast(stage: Any) -> Cast:
    world = stage.world
    fan = await world.make(f"profile-by-custom-id/{world.client_id}/fan-1/")
    other = await world.fan("Other")
    rival_fan = await world.fan("Rival", world.rival_id)
    quest = await world.make("quests/", name="Second")
    await world.make("quest-tasks/", quest_id=quest["id"], name="T")
    run = await world.make("user-quests/", quest_id=stage.quest["id"], profile_id=fan["id"])
    await world.call(
        "POST",
        f"profiles/{fan['id']}/reward-item-credits/",
        {"reward_item_id": stage.item["id"], "reward_item_amount": 3},
    )
    ids = {
        "client": world.client_id,
        "program": world.program_id,
        "fan": fan["id"],
        "other": other["id"],
        "item": stage.item["id"],
        "action": stage.action["id"],
        "table": stage.table["id"],
        "entry": stage.table["entries"][0]["id"],
        "badge": stage.plain_badge["id"],
        "quest": stage.quest["id"],
        "quest2": quest["id"],
        "definition": stage.vote_task["id"],
        "run": run["id"],
        "task": run["user_quest_tasks"][1]["id"],
    }
    tokens = {
        "producer": world.producer,
        "fan": fan["access_token"],
        "other": other["access_token"],
        "rival": world.rival,
        "rival fan": rival_fan["access_token"],
        "nobody": "",
    }
    return Cast(world, tokens, ids)


@pytest.mark.parametrize("what", PRODUCERS_ONLY)
async def test_only_a_producer_defines_pays_and_awards(cast: Cast, what: str) -> None:
    before = len(cast.world.twin.handled)
    refused = {who: await cast.status(who, *PRODUCERS_ONLY[what]) for who in ("fan", "other", "rival fan", "nobody")}
    assert refused == {"fan": 403, "other": 403, "rival fan": 403, "nobody": 401}
    assert len(cast.world.twin.handled) == before
    assert await cast.status("producer", *PRODUCERS_ONLY[what]) in {200, 201, 204}


@pytest.mark.parametrize("what", [w for w in PRODUCERS_ONLY if re.search(r"\{\w+\}", str(PRODUCERS_ONLY[w]))])
async def test_another_applications_producer_changes_nothing(cast: Cast, what: str) -> None:
    before = len(cast.world.twin.handled)
    assert await cast.status("rival", *PRODUCERS_ONLY[what]) in {400, 403, 404}
    assert len(cast.world.twin.handled) == before


@pytest.mark.parametrize("what", FANS_OWN)
async def test_a_fan_reaches_her_own_and_nobody_elses(cast: Cast, what: str) -> None:
    before = len(cast.world.twin.handled)
    strangers = ("other", "rival", "rival fan", "nobody")
    refused = {who: await cast.status(who, *FANS_OWN[what]) for who in strangers}
    listing_of_nobody = what in {"transactions", "invoked actions", "earned badges"}
    assert refused["other"] in {403, 404}
    assert refused["rival"] in ({200} if listing_of_nobody else {403, 404})
    assert refused["rival fan"] in {403, 404}
    assert refused["nobody"] == 401
    assert len(cast.world.twin.handled) == before
    assert await cast.status("fan", *FANS_OWN[what]) in {200, 201}


@pytest.mark.parametrize("what", FANS_OWN)
async def test_a_producer_reaches_every_fan_of_its_own(cast: Cast, what: str) -> None:
    assert await cast.status("producer", *FANS_OWN[what]) in {200, 201}


@pytest.mark.parametrize("what", ["transactions", "invoked actions", "earned badges"])
async def test_another_applications_producer_lists_nothing_of_ours(cast: Cast, what: str) -> None:
    world, ids = cast.world, cast.ids
    body = {"program_id": ids["program"], "profile_id": ids["fan"], "reward_action_key": "vote"}
    await world.make("invoked-actions/", **body)
    path = cast.fill(FANS_OWN[what][1])
    assert (await world.get(path))["count"] == 1
    assert (await world.get(path, token=world.rival))["count"] == 0
    everything = path.partition("?")[0]
    assert (await world.get(everything, token=world.rival))["count"] == 0
    assert (await world.get(everything, token=cast.tokens["fan"]))["count"] == 1
    assert (await world.get(everything, token=cast.tokens["other"]))["count"] == 0


@pytest.mark.parametrize("what", DEFINITIONS)
async def test_definitions_are_read_with_any_token_of_their_application(cast: Cast, what: str) -> None:
    everyone = ("producer", "fan", "other", "nobody")
    seen = {who: await cast.status(who, "GET", DEFINITIONS[what], None) for who in everyone}
    assert seen == {"producer": 200, "fan": 200, "other": 200, "nobody": 401}
    rival = await cast.world.call("GET", cast.fill(DEFINITIONS[what]), token=cast.world.rival)
    if rival.status == 200:
        shown = str(rival.body["results"])
        assert not [i for i in (*cast.ids.values(),) if i in shown]
    else:
        assert rival.status in {403, 404}


async def test_a_client_id_in_the_body_must_be_the_tokens(cast: Cast) -> None:
    body = {"client_id": cast.world.rival_id, "name": "I"}
    assert (await cast.world.call("POST", "reward-items/", body)).status == 403


async def test_a_fan_sees_who_has_a_badge_but_not_what_the_integrator_knows_of_them(cast: Cast) -> None:
    world, ids = cast.world, cast.ids
    for who in ("fan", "other"):
        await world.make(f"profiles/{ids[who]}/badges/", badge_id=ids["badge"])
        known = {"custom_data": "secret"}
        assert (await world.call("PATCH", f"profiles/{ids[who]}/", known)).status == 200
    path = f"badge-profiles/?badge_id={ids['badge']}"
    assert {row["profile"]["custom_data"] for row in (await world.get(path))["results"]} == {"secret"}
    seen = {
        row["profile"]["id"]: row["profile"] for row in (await world.get(path, token=cast.tokens["fan"]))["results"]
    }
    assert seen.keys() == {ids["fan"], ids["other"]}
    assert (seen[ids["fan"]]["custom_data"], seen[ids["fan"]]["custom_id"]) == ("secret", "fan-1")
    assert (seen[ids["other"]]["custom_data"], seen[ids["other"]]["custom_id"]) == (None, None)


async def test_only_a_producer_invokes_actions_and_a_rivals_are_all_refused(cast: Cast) -> None:
    updates = [{"profile_id": cast.ids["fan"], "reward_actions": ["vote"]}]
    path, body = "batch-invoked-actions/", {"program_id": cast.ids["program"], "updates": updates}
    before = len(cast.world.twin.handled)
    statuses = {who: await cast.status(who, "POST", path, body) for who in ("fan", "rival fan", "nobody")}
    assert statuses == {"fan": 403, "rival fan": 403, "nobody": 401}
    by_rival = await cast.world.call("POST", path, body, token=cast.world.rival)
    assert [update["status"] for update in by_rival.body["updates"]] == ["failed"]
    assert len(cast.world.twin.handled) == before
    done = await cast.world.make(path, **body)
    assert [update["status"] for update in done["updates"]] == ["success"]


async def test_a_batch_has_1000_actions_at_most(cast: Cast) -> None:
    updates = [{"profile_id": cast.ids["fan"], "reward_actions": ["vote"] * 91} for _ in range(11)]
    body = {"program_id": cast.ids["program"], "updates": updates}
    before = len(cast.world.twin.handled)
    answer = await cast.world.call("POST", "batch-invoked-actions/", body)
    assert (answer.status, [*answer.body]) == (400, ["updates"])
    assert len(cast.world.twin.handled) == before


async def test_only_a_producer_of_the_application_revokes_a_badge(cast: Cast) -> None:
    earned = await cast.world.make(f"profiles/{cast.ids['fan']}/badges/", badge_id=cast.ids["badge"])
    path = f"earned-badges/{earned['earned_badge_id']}/"
    statuses = {who: await cast.status(who, "DELETE", path, None) for who in cast.tokens if who != "producer"}
    assert statuses == {"fan": 403, "other": 403, "rival": 404, "rival fan": 403, "nobody": 401}
    assert await cast.status("producer", "DELETE", path, None) == 204


async def test_a_producer_has_no_profile_of_its_own(world: Any) -> None:
    assert (await world.call("GET", f"applications/{world.client_id}/profile/")).status == 403
