"""Rules of every route, tried on all routes of the document, so that a new route is covered when it is made."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import jsonschema_rs
import msgspec
import pytest

from tests.described import closed
from tifo.livelike.app import livelike_part

FANS_THINGS = {"profile_id", "custom_id", "custom_profile_id", "user_quest_id", "user_quest_task_id", "earned_badge_id"}
FOR_ALL = {
    "discover": "clients find everything else from it, before they have a token",
    "get_leaderboard": "the SDK reads leaderboards without a token",
    "list_leaderboard_entries": "likewise; ids, nicknames and scores only",
    "get_leaderboard_entry": "likewise",
}
BODIES: dict[str, dict[str, Any]] = {
    "change_user_quest": {"user_quest_tasks": [{"id": "{user_quest_task_id}", "status": "completed"}]},
    "create_program": {"name": "Cup"},
    "invoke_actions": {"updates": [{"profile_id": "{profile_id}", "reward_actions": ["vote"]}]},
    "link_programs": {"program_id": "{program_id}"},
    "create_leaderboard": {"custom_id": "new"},
    "set_quest_badges": {"badge_ids": ["{badge_id}"]},
    "claim_quest_badges": {"user_quest_id": "{completed_id}"},
    "create_reward_action": {"key": "new", "name": "New"},
    "create_by_custom_id": {},
    "invoke_action": {"profile_id": "{profile_id}"},
    "start_quest": {"quest_id": "{second_quest_id}", "profile_id": "{profile_id}"},
    "link_reward_table": {"program_ids": []},
}
"""Fields that a write needs beyond the document's required ones, by its operation id."""
PARTS = {
    "create_by_custom_id": {"custom_id": "fan-new"},
    "archive_program": {"program_id": "{spare_programs}"},
    "archive_reward_item": {"reward_item_id": "{spare_reward-items}"},
    "archive_reward_action": {"reward_action_id": "{spare_reward-actions}"},
    "archive_badge": {"badge_id": "{spare_badges}"},
    "archive_quest": {"quest_id": "{spare_quests}"},
    "remove_user_quest": {"user_quest_id": "{idle_id}"},
    "claim_badges": {"user_quest_id": "{completed_id}"},
    "claim_quest_badges": {"quest_id": "{done_quest_id}"},
}
"""Ids that replace the usual ones in a write's path, by its operation id."""


NEEDED = {
    "list_badge_profiles": ["badge_id"],
    "list_user_quest_rewards": ["user_quest_id"],
    "list_user_quests": ["profile_id"],
}
"""Ids that a read must name in its query, by its operation id."""


@dataclass
class Operation:
    method: str
    path: str
    described: Mapping[str, Any]

    @property
    def name(self) -> str:
        return str(self.described["operationId"])

    def parameters(self, place: str) -> list[str]:
        return [p["name"] for p in self.described["parameters"] if p["in"] == place]

    @property
    def body(self) -> Mapping[str, Any] | None:
        content = self.described.get("requestBody", {}).get("content", {})
        schema: Mapping[str, Any] | None = content["application/json"]["schema"] if content else None
        return schema

    def names(self) -> set[str]:
        """The names of all parameters and fields that a request of this operation may have."""
        return {*self.parameters("path"), *self.parameters("query"), *_properties(self.body)}

    def address(self, ids: Mapping[str, str], *, filters: bool) -> str:
        query = [f"{name}={ids[name]}" for name in self.parameters("query") if filters and name in ids]
        return self.path.format_map(ids) + ("?" + "&".join(query) if query else "")


def _properties(schema: Any) -> Iterator[str]:
    if isinstance(schema, Mapping):
        yield from schema.get("properties", {})
        for value in schema.values():
            yield from _properties(value)
    elif isinstance(schema, list):
        for value in schema:
            yield from _properties(value)


def _filled(name: str, schema: Mapping[str, Any], ids: Mapping[str, str], *, only_required: bool) -> Any:
    """A value that fits the schema and names what the ids say."""
    if "anyOf" in schema:
        return _filled(name, schema["anyOf"][0], ids, only_required=only_required)
    match schema.get("type"):
        case "object":
            return {
                key: _filled(key, of, ids, only_required=only_required)
                for key, of in schema.get("properties", {}).items()
                if key in schema.get("required", ()) or (not only_required and key in ids)
            }
        case "array":
            return [_filled(name, schema["items"], ids, only_required=only_required)]
        case "integer" | "number":
            return 1
        case "boolean":
            return True
    return ids.get(name) or schema.get("const") or schema.get("enum", ["x"])[0]


def _named(value: Any, ids: Mapping[str, str]) -> Any:
    if isinstance(value, dict):
        return {key: _named(item, ids) for key, item in value.items()}
    if isinstance(value, list):
        return [_named(item, ids) for item in value]
    return value.format_map(ids) if isinstance(value, str) else value


@pytest.fixture
def operations() -> list[Operation]:
    # The organisation's routes and those of webhooks are tried on SQL.
    part = livelike_part(with_organisation=False, with_webhooks=False)
    return [
        Operation(method.upper(), path, described)
        for path, methods in part.paths.items()
        for method, described in methods.items()
    ]


class Cast:
    """Ann, whose token is tried; Bob of the same application; and a rival application with the same definitions."""

    world: Any
    ann: Any
    own: dict[str, str]
    bobs: dict[str, str]
    rivals: dict[str, str]


async def _things(world: Any, client_id: str, token: str) -> dict[str, str]:
    made = {"client_id": client_id}
    game = world.twin.game(client_id)
    item = await world.make("reward-items/", token=token, **made, name="Points")
    action = await world.make("reward-actions/", token=token, **made, key="vote", name="Vote")
    entry = {"reward_item_id": item["id"], "reward_item_amount": 5, "action": "vote"}
    table = await world.make("reward-tables/", token=token, **made, name="Match", entries=[entry])
    badge = await world.make("badges/", token=token, **made, name="Guest")
    quests = [
        await world.make("quests/", token=token, **made, name=name) for name in ("Matchday", "Second", "Done", "Idle")
    ]
    for quest in quests:
        task = await world.make("quest-tasks/", token=token, quest_id=quest["id"], name="Vote", target_value=5)
    kinds = ("programs", "reward-items", "reward-actions", "badges", "quests")
    spare = {
        f"spare_{kind}": (await world.make(f"{kind}/", token=token, **made, name="Spare", key="spare"))["id"]
        for kind in kinds
    }
    board = await world.make("leaderboards/", token=token, **made, name="All", reward_item_id=item["id"])
    reward = {"reward_item_id": item["id"], "reward_item_amount": 10}
    rewards = await world.make("quest-rewards/", token=token, quest_id=quest["id"], quest_rewards=[reward])
    return {
        **made,
        **spare,
        "program_id": game.application.default_program_id,
        "reward_item_id": item["id"],
        "reward_action_id": action["id"],
        "reward_action_key": "vote",
        "action": "vote",
        "table_id": table["id"],
        "entry_id": table["entries"][0]["id"],
        "badge_id": badge["id"],
        "quest_id": quests[0]["id"],
        "second_quest_id": quests[1]["id"],
        "done_quest_id": quests[2]["id"],
        "idle_quest_id": quests[3]["id"],
        "leaderboard_id": board["id"],
        "task_id": task["id"],
        "quest_task_id": task["id"],
        "reward_id": rewards["quest_rewards"][0]["id"],
    }


async def _fan(world: Any, things: Mapping[str, str], token: str, custom_id: str) -> dict[str, str]:
    fan = await world.make(f"profile-by-custom-id/{things['client_id']}/{custom_id}/", token=token)
    amount = {"reward_item_id": things["reward_item_id"], "reward_item_amount": 100}
    await world.call("POST", f"profiles/{fan['id']}/reward-item-credits/", amount, token=token)
    run = await world.make("user-quests/", token=token, quest_id=things["quest_id"], profile_id=fan["id"])
    done = await world.make("user-quests/", token=token, quest_id=things["done_quest_id"], profile_id=fan["id"])
    idle = await world.make("user-quests/", token=token, quest_id=things["idle_quest_id"], profile_id=fan["id"])
    steps = [{"id": task["id"], "status": "completed"} for task in done["user_quest_tasks"]]
    await world.call("PATCH", f"user-quests/{done['id']}/", {"user_quest_tasks": steps}, token=token)
    earned = await world.make(f"profiles/{fan['id']}/badges/", token=token, badge_id=things["badge_id"])
    return {
        "profile_id": fan["id"],
        "recipient_profile_id": fan["id"],
        "custom_id": custom_id,
        "custom_profile_id": custom_id,
        "user_quest_id": run["id"],
        "user_quest_task_id": run["user_quest_tasks"][0]["id"],
        "earned_badge_id": earned["earned_badge_id"],
        "access_token": fan["access_token"],
        "completed_id": done["id"],
        "idle_id": idle["id"],
    }


@pytest.fixture
async def cast(world: Any) -> Cast:
    cast = Cast()
    cast.world = world
    own = await _things(world, world.client_id, world.producer)
    rival = await _things(world, world.rival_id, world.rival)
    ann, bob = await _fan(world, own, world.producer, "ann"), await _fan(world, own, world.producer, "bob")
    cast.ann = ann["access_token"]
    cast.own = {**own, **ann, "recipient_profile_id": bob["profile_id"]}
    cast.bobs = {**own, **bob}
    cast.rivals = {**rival, **await _fan(world, rival, world.rival, "rita")}
    return cast


async def _try(cast: Cast, operation: Operation, ids: Mapping[str, str], token: str) -> Any:
    body = operation.body and _filled("", operation.body, ids, only_required=False)
    for part in (body or {}, *(body or {}).get("updates", ())):
        if "profile_id" in part:
            part.pop("custom_profile_id", None)  # either, not both
    return await cast.world.call(operation.method, operation.address(ids, filters=True), body, token=token)


def _refused(answer: Any) -> bool:
    """Or shown nothing at all; a batch refuses each of its parts."""
    if answer.status == 201 and "updates" in (answer.body or {}):
        return {update["status"] for update in answer.body["updates"]} == {"failed"}
    empty = answer.status == 200 and isinstance(answer.body, dict) and answer.body.get("results") == []
    return answer.status in {401, 403, 404} or empty


async def test_a_fan_reaches_nothing_of_another_fan(cast: Cast, operations: list[Operation]) -> None:
    touching = [o for o in operations if o.names() & FANS_THINGS and o.name not in FOR_ALL]
    assert len(touching) >= 25
    before, open_routes = len(cast.world.twin.handled), []
    for operation in touching:
        answer = await _try(cast, operation, cast.bobs, cast.ann)
        if not _refused(answer):
            open_routes.append((operation.method, operation.path, answer.status, answer.body))
    assert open_routes == []
    assert len(cast.world.twin.handled) == before, "a refused request changed something"


@pytest.mark.parametrize("who", ["fan", "producer"])
async def test_nobody_reaches_anything_of_another_application(
    cast: Cast, operations: list[Operation], who: str
) -> None:
    touching = [o for o in operations if o.names() & cast.rivals.keys() and o.name not in FOR_ALL]
    assert len(touching) >= 50
    before, open_routes = len(cast.world.twin.handled), []
    for operation in touching:
        answer = await _try(cast, operation, cast.rivals, cast.ann if who == "fan" else cast.world.producer)
        if not _refused(answer):
            open_routes.append((operation.method, operation.path, answer.status, answer.body))
    assert open_routes == []
    assert len(cast.world.twin.handled) == before, "a refused request changed something"


async def test_every_route_but_the_public_ones_needs_a_token(cast: Cast, operations: list[Operation]) -> None:
    open_routes = [
        operation.name
        for operation in operations
        if (await _try(cast, operation, cast.own, "")).status != 401 and {} not in operation.described["security"]
    ]
    assert open_routes == []


async def test_every_write_is_done_once_for_an_idempotency_key(cast: Cast, operations: list[Operation]) -> None:
    world = cast.world
    writes = [operation for operation in operations if operation.method != "GET"]
    assert len(writes) >= 24
    # Removals last, and parts before their wholes: others need what they remove.
    for operation in sorted(writes, key=lambda o: (o.method == "DELETE", -len(o.path))):
        assert "Idempotency-Key" in operation.parameters("header")
        ids = {**cast.own, **_named(PARTS.get(operation.name, {}), cast.own)}
        body = operation.body and {
            **_filled("", operation.body, ids, only_required=True),
            **_named(BODIES.get(operation.name, {}), ids),
        }
        by_fan = {"producer": []} not in operation.described["security"]
        token = cast.ann if by_fan else world.producer
        address = operation.address(ids, filters=False)
        key = {"Idempotency-Key": f"the key of {operation.name}"}
        first = await world.call(operation.method, address, body, token=token, headers=key)
        what = f"{operation.method} {operation.path} ({operation.name})"
        assert first.status < 300, f"{what}: give BODIES what it needs: {first.body}"
        handled = len(world.twin.handled)
        again = await world.call(operation.method, address, body, token=token, headers=key)
        assert (again.status, again.body) == (first.status, first.body), what
        assert len(world.twin.handled) == handled, f"{what} was done twice"
        other = await world.call(operation.method, address, {**(body or {}), "other": 1}, token=token, headers=key)
        assert other.status == 409, what
        assert len(world.twin.handled) == handled, f"{what} was done twice"


async def _read(cast: Cast, operation: Operation) -> bytes:
    """Reads resources that exist, by a caller who may read them."""
    query = "&".join(f"{name}={cast.own[name]}" for name in NEEDED.get(operation.name, ()))
    token = cast.ann if operation.name == "get_own_profile" else cast.world.producer
    body = await cast.world.get(f"{operation.address(cast.own, filters=False)}?{query}", token=token)
    return msgspec.json.Encoder(decimal_format="number").encode(body)


async def test_every_answer_of_a_read_has_the_shape_that_the_document_describes(
    cast: Cast, operations: list[Operation]
) -> None:
    components = {"schemas": closed(livelike_part(with_organisation=False, with_webhooks=False).schemas)}
    reads = [operation for operation in operations if operation.method == "GET"]
    assert len(reads) >= 35
    for operation in reads:
        schema = operation.described["responses"]["200"]["content"]["application/json"]["schema"]
        answer = msgspec.json.decode(await _read(cast, operation))
        errors = jsonschema_rs.validator_for({**schema, "components": components}).iter_errors(answer)
        assert [(operation.name, str(error)) for error in errors] == []


async def test_a_fan_is_refused_wherever_the_document_names_only_other_callers(
    cast: Cast, operations: list[Operation]
) -> None:
    let_in, refused = [], 0
    for operation in operations:
        callers = {name for each in operation.described["security"] for name in each or {"": None}}
        if callers & {"", "fan"}:
            continue
        answer = await _try(cast, operation, cast.own, cast.ann)
        refused += answer.status == 403
        if answer.status != 403:
            let_in.append((operation.name, answer.status))
    assert let_in == []
    assert refused >= 40
