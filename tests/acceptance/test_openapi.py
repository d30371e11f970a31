"""Requests made from the API's own document: no crash, and no answer that it does not tell of."""

import base64
import copy
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, seed, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from tifo.app.demo.local import LocalTifo

CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]
EXAMPLES = 6
Call = Callable[..., Any]


class World:
    """An application in which the ids that requests may name are there."""

    def __init__(self, tifo: LocalTifo, call: Call) -> None:
        made = tifo.command("app", "create", "Described")
        self.address, self.token = tifo.address, made["producer_token"]
        self.organisation = tifo.command("org", "token", "create", "--name", "Tried")["token"]
        self.ids = {"client_id": made["client_id"], "program_id": made["program_id"], "custom_id": "fan-1"}

        def make(path: str, token: str | None = None, **body: object) -> str:
            answer = call("POST", f"{tifo.address}/api/v1/{path}", body, token=token or self.token)
            assert answer.status in {200, 201}, answer
            identity: str = answer.body.get("id", "")
            return identity

        item = make("reward-items/", name="Points")
        self.ids["reward_action_id"] = make("reward-actions/", name="Vote", key="vote")
        entry = {"reward_item_id": item, "reward_item_amount": 5, "action": "vote"}
        self.ids["reward_action_key"] = self.ids["action"] = "vote"
        self.ids["reward_item_id"] = item
        self.ids["table_id"] = make("reward-tables/", name="Match", entries=[entry])
        table = call("GET", f"{tifo.address}/api/v1/reward-tables/{self.ids['table_id']}/", token=self.token).body
        self.ids["entry_id"] = table["entries"][0]["id"]
        self.ids["badge_id"] = make("badges/", name="Voter", reward_item_id=item, reward_item_threshold=10)
        self.ids["leaderboard_id"] = make("leaderboards/", name="All", reward_item_id=item)
        self.ids["quest_id"] = quest = make("quests/", name="Matchday")
        self.ids["task_id"] = make("quest-tasks/", quest_id=quest, name="Vote", reward_action_key="vote")
        make("quest-rewards/", quest_id=quest, quest_rewards=[{"reward_item_id": item, "reward_item_amount": 1}])
        fan = make(f"profile-by-custom-id/{made['client_id']}/fan-1/")
        self.ids["profile_id"] = fan
        self.ids["recipient_profile_id"] = make(f"profile-by-custom-id/{made['client_id']}/fan-2/")
        run = call(
            "POST",
            f"{tifo.address}/api/v1/user-quests/",
            {"quest_id": quest, "profile_id": fan},
            token=self.token,
        ).body
        self.ids["user_quest_id"] = run["id"]
        self.ids["user_quest_task_id"] = run["user_quest_tasks"][0]["id"]
        make("invoked-actions/", program_id=made["program_id"], profile_id=fan, reward_action_key="vote")
        rewards = call("GET", f"{tifo.address}/api/v1/quest-rewards/", token=self.token).body["results"]
        self.ids["reward_id"] = rewards[0]["id"]
        award = f"{tifo.address}/api/v1/profiles/{fan}/badges/"
        earned = call("POST", award, {"badge_id": self.ids["badge_id"]}, token=self.token).body
        self.ids["earned_badge_id"] = earned["earned_badge_id"]
        self._make_workspace(tifo, call)
        self.document = call("GET", f"{tifo.address}/docs/openapi.json").body

    def _make_workspace(self, tifo: LocalTifo, call: Call) -> None:
        self.owner = tifo.command("workspace", "token", "create", "--name", "tried", "--role", "owner")["token"]

        def make(path: str, **body: object) -> Any:
            answer = call("POST", f"{tifo.address}/management/{path}", body, token=self.owner)
            assert answer.status == 200, answer
            return answer.body["data"]

        source = make("sources", slug="shop", enabled=True, metadataId="http")["source"]
        self.write_key = source["writeKeys"][0]
        plan = make("tracking-plans", name="Orders", type="LIVE")["trackingPlan"]
        settings = {"url": "https://example.com/hook"}
        destination = make(
            "destinations", sourceId=source["id"], metadataId="webhook", name="Hook", settings=settings, enabled=False
        )["destination"]
        self.ids |= {"source_id": source["id"], "sourceId": source["id"], "plan_id": plan["id"], "metadata_id": "http"}
        self.ids |= {"warehouse_id": "duckdb", "destination_id": destination["id"]}
        self.ids |= {"write_key": self.write_key, "writeKey": self.write_key}
        self.ids |= {"destinationConfigId": destination["id"], "source": "shop", "metadataId": "http"}

    def naming_what_is_there(self) -> Any:
        """The document, with ids that exist in the place of any string; in paths and queries one that does not too."""
        document = copy.deepcopy(self.document)
        for path in document["paths"].values():
            for operation in path.values():
                for parameter in operation["parameters"]:
                    self._name(parameter["name"], parameter["schema"])
                body = operation.get("requestBody", {"content": {}})["content"]
                self._name_in(body)
        for call in ("Track", "Identify", "Page", "Screen", "Group", "Alias", "BatchOfEvents"):
            self._name_in(document["components"]["schemas"][call])
        return document

    def _name_in(self, schema: Any) -> None:
        if isinstance(schema, dict):
            for name, of in (schema.get("properties") or {}).items():
                self._name(name, of, [])
            for value in schema.values():
                self._name_in(value)
        elif isinstance(schema, list):
            for value in schema:
                self._name_in(value)

    def _name(self, name: str, schema: Any, others: Sequence[str] = ("no-such-thing",)) -> None:
        known = self.ids.get(name)
        if known and schema.get("type") == "string":
            schema["enum"] = [known, *others]
        elif known and schema.get("type") == "array":
            self._name(name, schema["items"], others)


@pytest.fixture(scope="module")
def world(tifo: LocalTifo, call: Call) -> World:
    return World(tifo, call)


def test_the_document_is_sound_and_the_page_needs_nobody_else(tifo: LocalTifo, call: Call, world: World) -> None:
    schemathesis.openapi.from_dict(world.document).validate()
    page = call("GET", f"{tifo.address}/docs")
    assert page.headers["content-type"].startswith("text/html")
    assert b"://" not in page.body
    assert "default-src 'self'" in page.headers["content-security-policy"]
    assert call("GET", f"{tifo.address}/docs/rapidoc.js").status == 200


LIVELIKE, MANAGEMENT = "/api/v1/", "/management/"
WHO = {
    "producer": LIVELIKE,
    "organisation": LIVELIKE,
    "fan": LIVELIKE,
    "nobody": "",
    "write key": "/v1/",
    "owner": MANAGEMENT,
}
"""Callers, and where the paths begin that each one tries. The owner comes last, and deletes the source."""
IN_EARNEST = {"producer": 0.25, "write key": 0.25, "owner": 0.6}
"""The share of operations that may refuse all that was made up. Whose bodies are rich, like settings, refuse more."""


def _authorization(world: World, call: Call, who: str) -> str:
    client_id = world.ids["client_id"]
    fan = call("POST", f"{world.address}/api/v1/applications/{client_id}/profile/", {"nickname": "F"}, token="").body
    tokens = {"producer": world.token, "fan": fan["access_token"], "organisation": world.organisation}
    if who == "write key":
        return f"Basic {base64.b64encode(f'{world.write_key}:'.encode()).decode()}"
    return f"Bearer {({**tokens, 'owner': world.owner}).get(who, '')}"


@pytest.mark.parametrize("who", WHO)
def test_no_answer_is_outside_the_document(world: World, call: Call, who: str) -> None:
    headers = {"Authorization": _authorization(world, call, who)}
    document = world.naming_what_is_there()
    document["paths"] = {path: each for path, each in document["paths"].items() if path.startswith(WHO[who])}
    schema = schemathesis.openapi.from_dict(document)
    statuses: dict[str, set[int]] = defaultdict(set)
    # Removals last: others need what they remove.
    for operation in sorted(_operations(schema), key=lambda operation: operation.method.upper() == "DELETE"):

        @seed(11)
        @settings(
            max_examples=EXAMPLES if who in IN_EARNEST else 1,
            deadline=None,
            database=None,
            phases=[Phase.explicit, Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        @given(case=operation.as_strategy())
        def answers_as_described(case: Any) -> None:
            answer = case.call_and_validate(base_url=world.address, headers=headers, checks=CHECKS, timeout=10)
            statuses[case.operation.label].add(answer.status_code)

        answers_as_described()
    assert len(statuses) == sum(map(len, document["paths"].values()))
    if who in IN_EARNEST:
        unanswered = [label for label, seen in statuses.items() if min(seen) >= 300 and seen != {403}]
        assert len(unanswered) < len(statuses) * IN_EARNEST[who], f"too little was tried in earnest: {unanswered}"


def _operations(schema: Any) -> Iterator[Any]:
    for result in schema.get_all_operations():
        yield result.ok()
