import json
from pathlib import Path
from typing import Any

import pytest

from tests.contract.parity.conftest import Both, Refusal

DROP = {"type": "DROP"}
FILTER = {"sourceId": "shop", "if": "type = 'page'", "actions": [DROP], "title": "No pages", "enabled": True}


@pytest.fixture(autouse=True)
def crm(both: Both) -> None:
    both.cli("source", "create", "shop", "--type", "http")
    both.cli("destination", "add", "webhook", "--source", "shop", "--name", "crm", "--set", "url=https://example.com")


def _listed(data: Any) -> Any:
    return [_filter(each) for each in data["filters"]]


def _filter(shown: Any) -> Any:
    actions = json.dumps(shown["actions"], separators=(",", ":"))
    return {
        "id": shown["id"],
        "title": shown["title"],
        "if": shown["if"],
        "actions": actions,
        "enabled": shown["enabled"],
    }


def test_filters_are_the_same_whoever_made_them(both: Both) -> None:
    flags = ["--sample", "0.5", "--sample-by", "userId", "--drop-properties", "context.ip"]
    printed = both.cli("destination", "filter", "add", "crm", "--if", "type = 'track'", "--title", "Half", *flags)
    answered = both.api("POST", "/destination/crm/filters", FILTER)["filter"]
    listed = both.same(["destination", "filter", "list", "crm"], ("GET", "/destination/crm/filters"), _listed)
    assert listed == [printed, _filter(answered)]


def test_a_filter_is_removed_by_id_and_by_title(both: Both) -> None:
    for name in ("id", "title"):
        both.cli("destination", "filter", "add", "crm", "--if", "type = 'page'", "--title", "No pages", "--drop")
        (made,) = both.cli("destination", "filter", "list", "crm")
        assert both.api("DELETE", f"/destination/crm/filters/{made[name].replace(' ', '%20')}")["status"] == "SUCCESS"
        made = both.api("POST", "/destination/crm/filters", FILTER)["filter"]
        assert both.cli("destination", "filter", "remove", "crm", made[name]) == {"removed": "No pages"}


@pytest.mark.parametrize(
    ("words", "ask"),
    [
        (
            ["add", "crm", "--if", "type = ", "--title", "None", "--drop"],
            ("POST", "/destination/crm/filters", {**FILTER, "if": "type = "}),
        ),
        (
            ["add", "crm", "--if", "type = 'page'", "--title", " ", "--drop"],
            ("POST", "/destination/crm/filters", {**FILTER, "title": " "}),
        ),
        (
            ["add", "crm", "--if", "type = 'page'", "--title", "None"],
            ("POST", "/destination/crm/filters", {**FILTER, "actions": []}),
        ),
        (
            ["add", "erp", "--if", "type = 'page'", "--title", "None", "--drop"],
            ("POST", "/destination/erp/filters", FILTER),
        ),
        (["list", "erp"], ("GET", "/destination/erp/filters")),
        (["remove", "crm", "none"], ("DELETE", "/destination/crm/filters/none")),
    ],
)
def test_both_refuse_alike(both: Both, words: list[str], ask: tuple[Any, ...]) -> None:
    assert isinstance(both.same(["destination", "filter", *words], ask), Refusal)


def test_a_preview_is_the_same(both: Both, tmp_path: Path) -> None:
    event = tmp_path / "event.json"
    message = {"type": "track", "context": {"ip": "1.2.3.4", "locale": "de"}}
    event.write_text(json.dumps(message))
    for flags, actions in (
        (["--drop-properties", "context.ip"], [{"type": "DROP_PROPERTIES", "fields": {"context": ["ip"]}}]),
        (["--drop"], [DROP]),
    ):
        words = ["destination", "filter", "preview", str(event), "--if", "type = 'track'", *flags]
        body = {"filter": {"if": "type = 'track'", "actions": actions}, "payload": message}
        ask = ("POST", "/destination/filters/preview", body)
        both.same(words, ask, lambda data: {"result": data["result"]})


@pytest.mark.parametrize(
    ("flags", "asked"),
    [
        (["--if", "type = ", "--drop"], {"if": "type = ", "actions": [DROP]}),
        (["--if", "type = 'page'"], {"if": "type = 'page'", "actions": []}),
        (
            ["--if", "type = 'page'", "--sample", "2"],
            {"if": "type = 'page'", "actions": [{"type": "SAMPLE", "percent": 2}]},
        ),
    ],
)
def test_both_refuse_a_preview_alike(both: Both, tmp_path: Path, flags: list[str], asked: Any) -> None:
    event = tmp_path / "event.json"
    event.write_text('{"type": "track"}')
    words = ["destination", "filter", "preview", str(event), *flags]
    body = {"filter": asked, "payload": {"type": "track"}}
    assert isinstance(both.same(words, ("POST", "/destination/filters/preview", body)), Refusal)
