import json
from pathlib import Path
from typing import Any

import pytest

from tests.contract.parity.conftest import Both, Refusal

RULE = {
    "type": "TRACK",
    "key": "Order",
    "version": 1,
    "jsonSchema": {"type": "object", "properties": {"properties": {"type": "object", "required": ["total"]}}},
}


@pytest.fixture
def rules(tmp_path: Path) -> str:
    file = tmp_path / "rules.json"
    file.write_text(json.dumps([RULE]))
    return str(file)


def _known(both: Both) -> dict[str, str]:
    both.cli("source", "create", "Shop", "--type", "http")
    both.cli("source", "create", "Alarm", "--type", "http")
    made: dict[str, str] = both.cli("plan", "create", "Orders")
    return made


def test_plans_are_the_same_whoever_made_them(both: Both, rules: str) -> None:
    printed = both.cli("plan", "create", "Orders", "--rules", rules)
    body = {"name": "Refunds", "type": "LIVE", "description": "d"}
    answered = both.api("POST", "/tracking-plans", body)["trackingPlan"]
    both.api("PUT", f"/tracking-plans/{answered['id']}/rules", {"rules": [RULE]})
    listed = both.cli("plan", "list")
    assert [(each["name"], each["id"]) for each in listed] == [
        (each["name"], each["id"]) for each in both.api("GET", "/tracking-plans")["trackingPlans"]
    ]
    assert [each["id"] for each in listed[1:]] == [printed["id"], answered["id"]]
    assert [each["rules"] for each in listed[1:]] == [1, 1]
    rules_of = [both.api("GET", f"/tracking-plans/{each['id']}/rules")["rules"] for each in listed[1:]]
    assert [[(each["key"], each["jsonSchema"]) for each in those] for those in rules_of] == [
        [(RULE["key"], RULE["jsonSchema"])]
    ] * 2


def test_a_plan_is_found_by_name_and_by_id(both: Both, rules: str) -> None:
    made = _known(both)
    for name in (made["id"], "Orders"):
        assert both.cli("plan", "rules", name, rules)["id"] == made["id"]
        assert both.api("GET", f"/tracking-plans/{name}")["trackingPlan"]["id"] == made["id"]
        assert both.cli("plan", "connect", name, "shop") == {"source": "shop", "plan": "Orders"}
        assert both.api("GET", f"/tracking-plans/{name}/sources")["sources"][0]["slug"] == "shop"


def test_a_plan_is_shown_with_the_same_rules(both: Both, rules: str) -> None:
    both.cli("plan", "create", "Orders", "--rules", rules, "--description", "what is bought")
    printed = both.cli("plan", "show", "Orders", always_json=True)
    answered = both.api("GET", "/tracking-plans/Orders")["trackingPlan"]
    assert [printed[name] for name in ("id", "name", "description", "type")] == [
        answered[name] for name in ("id", "name", "description", "type")
    ]
    answered_rules = both.api("GET", "/tracking-plans/Orders/rules")["rules"]
    assert [(each["key"], each["jsonSchema"]) for each in printed["rules"]] == [
        (each["key"], each["jsonSchema"]) for each in answered_rules
    ]
    assert len(answered_rules) == 1


def test_both_refuse_to_show_an_unknown_plan(both: Both) -> None:
    refusal = both.cli("plan", "show", "nowhere", always_json=True)
    assert isinstance(refusal, Refusal)
    assert refusal == both.api("GET", "/tracking-plans/nowhere")


def test_both_replace_rules_disconnect_and_delete(both: Both, rules: str) -> None:
    _known(both)
    both.api("POST", "/tracking-plans", {"name": "Refunds", "type": "LIVE"})
    assert both.cli("plan", "rules", "Orders", rules)["rules"] == 1
    assert both.api("PUT", "/tracking-plans/Refunds/rules", {"rules": [RULE]}) == {"status": "SUCCESS"}
    assert [each["rules"] for each in both.cli("plan", "list")[1:]] == [1, 1]
    both.api("POST", "/tracking-plans/Orders/sources", {"sourceId": "shop"})
    both.cli("plan", "connect", "Refunds", "alarm")
    assert [each["sources"] for each in both.cli("plan", "list")[1:]] == ["shop", "alarm"]
    assert both.cli("plan", "disconnect", "shop") == {"source": "shop", "plan": None}
    both.api("DELETE", "/tracking-plans/Refunds/sources", query="sourceId=alarm")
    assert [each["sources"] for each in both.cli("plan", "list")[1:]] == ["", ""]
    assert both.cli("plan", "delete", "Orders") == {"deleted": "Orders"}
    assert both.api("DELETE", "/tracking-plans/Refunds") == {"status": "SUCCESS"}
    assert [each["name"] for each in both.cli("plan", "list")] == ["LiveLike"]


def test_both_refuse_an_unknown_source_to_disconnect(both: Both) -> None:
    _known(both)
    refusal = both.cli("plan", "disconnect", "nowhere")
    assert isinstance(refusal, Refusal)
    assert refusal == both.api("DELETE", "/tracking-plans/Orders/sources", query="sourceId=nowhere")


def test_controls_are_the_same(both: Both) -> None:
    _known(both)
    both.cli("plan", "controls", "shop", "--set", "track.allowUnplannedEvents=false")
    both.api("PATCH", "/sources/shop/settings", {"forwardingViolationsTo": "alarm"})

    def flat(data: Any) -> Any:
        groups = ("track", "identify", "group")
        settings = {f"{name}.{key}": each for name in groups for key, each in data["settings"][name].items()}
        assert data["settings"]["forwardingViolationsTo"] != "alarm", "the API speaks of ids"
        return {**settings, "forwardingViolationsTo": "alarm", "forwardingBlockedEventsTo": None}

    shown = both.same(["plan", "controls", "shop"], ("GET", "/sources/shop/settings"), flat)
    assert shown["track.allowUnplannedEvents"] is False


@pytest.mark.parametrize(
    ("words", "ask"),
    [
        (["plan", "connect", "nowhere", "shop"], ("POST", "/tracking-plans/nowhere/sources", {"sourceId": "shop"})),
        (["plan", "connect", "Orders", "nowhere"], ("POST", "/tracking-plans/Orders/sources", {"sourceId": "nowhere"})),
        (["plan", "delete", "nowhere"], ("DELETE", "/tracking-plans/nowhere")),
        (["plan", "delete", "livelike"], ("DELETE", "/tracking-plans/livelike")),
        (["plan", "delete", "Used"], ("DELETE", "/tracking-plans/Used")),
        (["plan", "create", "Orders"], ("POST", "/tracking-plans", {"name": "Orders", "type": "LIVE"})),
        (["plan", "create", " "], ("POST", "/tracking-plans", {"name": " ", "type": "LIVE"})),
        (
            ["plan", "controls", "shop", "--set", "forwardingViolationsTo=nowhere"],
            ("PATCH", "/sources/shop/settings", {"forwardingViolationsTo": "nowhere"}),
        ),
        (
            ["plan", "controls", "shop", "--set", "track.commonEventOnViolations=OMIT_TRAITS"],
            ("PATCH", "/sources/shop/settings", {"track": {"commonEventOnViolations": "OMIT_TRAITS"}}),
        ),
        (["plan", "controls", "nowhere"], ("GET", "/sources/nowhere/settings")),
    ],
)
def test_both_refuse_alike(both: Both, words: list[str], ask: tuple[Any, ...]) -> None:
    _known(both)
    both.cli("plan", "create", "Used")
    both.cli("plan", "connect", "Used", "shop")
    assert isinstance(both.same(words, ask), Refusal)


def test_both_refuse_rules_of_a_plan_that_is_unknown_or_built_in(both: Both, rules: str) -> None:
    for name in ("nowhere", "livelike"):
        ask = ("PUT", f"/tracking-plans/{name}/rules", {"rules": [RULE]})
        assert isinstance(both.same(["plan", "rules", name, rules], ask), Refusal)


def test_both_refuse_bad_rules_alike(both: Both, tmp_path: Path) -> None:
    _known(both)
    bad = {**RULE, "jsonSchema": {"properties": {"properties": {"type": "strin"}}}}
    file = tmp_path / "bad.json"
    file.write_text(json.dumps([bad]))
    words = ["plan", "rules", "Orders", str(file)]
    assert isinstance(both.same(words, ("PUT", "/tracking-plans/Orders/rules", {"rules": [bad]})), Refusal)
