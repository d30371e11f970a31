from pathlib import Path
from typing import Any

import pytest

from tests.contract.parity.conftest import Both, Refusal
from tifo.destinations.settings import MASK
from tifo.operations import destinations
from tifo.workspace.tokens import Role

SETTINGS = ["--set", "url=https://example.com/hook", "--set", "shared_secret=hush"]
WEBHOOK = {"metadataId": "webhook", "settings": {"url": ["https://example.com/hook"], "shared_secret": "hush"}}


def _source(both: Both, name: str = "shop") -> str:
    source_id: str = both.cli("source", "create", name, "--type", "http")["id"]
    return source_id


def _crm(both: Both) -> str:
    _source(both)
    destination_id: str = both.cli("destination", "add", "webhook", "--source", "shop", "--name", "crm", *SETTINGS)[
        "id"
    ]
    return destination_id


def _listed(data: Any) -> Any:
    return [_destination(each) for each in data["destinations"]]


def _destination(shown: Any) -> Any:
    """The API names the source by its id."""
    return {
        "id": shown["id"],
        "name": shown["name"],
        "kind": shown["metadata"]["id"],
        "source": "shop",
        "enabled": shown["enabled"],
        "settings": shown["settings"],
    }


def _secret(both: Both) -> Any:
    return destinations.find(both.backend, "crm").settings["shared_secret"]


def test_destinations_are_the_same_whoever_made_them(both: Both) -> None:
    source_id = _source(both)
    printed = both.cli("destination", "add", "webhook", "--source", "shop", "--name", "crm", *SETTINGS)
    answered = both.api("POST", "/destinations", {**WEBHOOK, "sourceId": source_id, "name": "erp"})["destination"]
    crm, erp = both.same(["destination", "list"], ("GET", "/destinations"), _listed)
    assert (crm["id"], erp["id"]) == (printed["id"], answered["id"])
    assert crm["settings"] == erp["settings"]
    assert crm["settings"]["shared_secret"] == MASK


@pytest.mark.parametrize("by_api", [False, True])
def test_a_masked_secret_that_comes_back_keeps_the_old_one(both: Both, by_api: bool) -> None:
    _crm(both)
    (shown,) = both.cli("destination", "list")
    if by_api:
        both.api("PATCH", "/destinations/crm", {"settings": shown["settings"]})
    else:
        both.cli("destination", "set", "crm", "--set", f"shared_secret={shown['settings']['shared_secret']}")
    assert _secret(both) == "hush"


def test_a_new_secret_is_stored_by_both(both: Both) -> None:
    _crm(both)
    both.cli("destination", "set", "crm", "--set", "shared_secret=first")
    assert _secret(both) == "first"
    both.api("PATCH", "/destinations/crm", {"settings": {"shared_secret": "second"}})
    assert _secret(both) == "second"


def test_a_destination_is_found_by_id_and_by_name(both: Both) -> None:
    destination_id = _crm(both)
    for name in (destination_id, "crm"):
        changed = both.api("PATCH", f"/destinations/{name}", {"enabled": False})["destination"]
        printed = both.cli("destination", "disable", name)
        assert printed == {
            "id": changed["id"],
            "name": changed["name"],
            "kind": changed["metadata"]["id"],
            "enabled": changed["enabled"],
        }
        assert both.cli("destination", "list") == [
            _destination(both.api("GET", f"/destinations/{name}")["destination"])
        ]


def test_a_destination_is_renamed_and_enabled_by_both(both: Both) -> None:
    _crm(both)
    both.cli("destination", "disable", "crm")
    printed = both.cli("destination", "set", "crm", "--new-name", "erp")
    assert (printed["name"], printed["enabled"]) == ("erp", False)
    answered = both.api("PATCH", "/destinations/erp", {"name": "crm"})["destination"]
    assert (answered["name"], answered["enabled"]) == ("crm", False)
    assert both.cli("destination", "enable", "crm")["enabled"]
    both.api("PATCH", "/destinations/crm", {"enabled": False})
    assert both.api("PATCH", "/destinations/crm", {"enabled": True})["destination"]["enabled"]
    (listed,) = both.same(["destination", "list"], ("GET", "/destinations"), _listed)
    assert (listed["name"], listed["enabled"]) == ("crm", True)


def test_both_remove(both: Both) -> None:
    _crm(both)
    assert both.cli("destination", "remove", "crm") == {"removed": "crm"}
    _id = both.cli("destination", "add", "webhook", "--source", "shop", "--name", "crm", *SETTINGS)["id"]
    assert both.api("DELETE", "/destinations/crm")["status"] == "SUCCESS"
    assert both.same(["destination", "list"], ("GET", "/destinations"), _listed) == []


@pytest.mark.parametrize(
    ("words", "ask"),
    [
        (["destination", "enable", "erp"], ("PATCH", "/destinations/erp", {"enabled": True})),
        (["destination", "disable", "erp"], ("PATCH", "/destinations/erp", {"enabled": False})),
        (
            ["destination", "set", "erp", "--set", "url=https://example.com"],
            ("PATCH", "/destinations/erp", {"settings": {"url": "https://example.com"}}),
        ),
        (["destination", "remove", "erp"], ("DELETE", "/destinations/erp")),
        (["destination", "set", "crm", "--new-name", " "], ("PATCH", "/destinations/crm", {"name": " "})),
        (["destination", "set", "crm", "--new-name", "other"], ("PATCH", "/destinations/crm", {"name": "other"})),
        (
            ["destination", "set", "crm", "--set", "url=nowhere"],
            ("PATCH", "/destinations/crm", {"settings": {"url": "nowhere"}}),
        ),
        (
            ["destination", "set", "crm", "--set", "mood=good"],
            ("PATCH", "/destinations/crm", {"settings": {"mood": "good"}}),
        ),
        (
            ["destination", "add", "fax", "--source", "shop", "--name", "fax"],
            ("POST", "/destinations", {"sourceId": "shop", "metadataId": "fax", "settings": {}}),
        ),
        (
            ["destination", "add", "webhook", "--source", "nowhere", "--name", "hook", *SETTINGS],
            ("POST", "/destinations", {**WEBHOOK, "sourceId": "nowhere"}),
        ),
        (
            ["destination", "add", "webhook", "--source", "shop", "--name", "hook"],
            ("POST", "/destinations", {"sourceId": "shop", "metadataId": "webhook", "settings": {}}),
        ),
        (
            ["destination", "add", "webhook", "--source", "shop", "--name", "crm", *SETTINGS],
            ("POST", "/destinations", {**WEBHOOK, "sourceId": "shop", "name": "crm"}),
        ),
    ],
)
def test_both_refuse_alike(both: Both, words: list[str], ask: tuple[Any, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tifo.app.cli.destinations._installed", dict)  # for a kind that is not ours
    _crm(both)
    both.cli("destination", "add", "webhook", "--source", "shop", "--name", "other", *SETTINGS)
    assert isinstance(both.same(words, ask), Refusal)


def test_what_works_on_this_machine_needs_an_owner(both: Both, tmp_path: Path) -> None:
    """The command line is an owner's; a token may be an editor's."""
    _source(both)
    both.backend.workspace_tokens.add("editors", Role.EDITOR, "token-of-an-editor")
    lake = ["destination", "add", "files", "--source", "shop", "--name", "lake", "--set", f"place={tmp_path}"]
    asked = {"sourceId": "shop", "metadataId": "files", "name": "sea", "settings": {"place": str(tmp_path)}}
    assert both.cli(*lake)["kind"] == "files"
    assert both.api("POST", "/destinations", asked)["destination"]["name"] == "sea"
    refused = both.api("POST", "/destinations", {**asked, "name": "pond"}, token="token-of-an-editor")
    assert refused.kind == "Forbidden"


def _kinds(data: Any) -> Any:
    def settings(options: Any) -> str:
        return ", ".join(f"{each['name']}{' (required)' if each['required'] else ''}" for each in options)

    return [
        {
            "kind": each["id"],
            "name": each["name"],
            "description": each["description"],
            "settings": settings(each["options"]),
        }
        for each in data["destinationsCatalog"]
    ]


def test_the_catalog_is_the_same(both: Both, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tifo.destinations.catalog.installing.is_installed", lambda: False)
    kinds = both.same(["destination", "kinds"], ("GET", "/catalog/destinations"), _kinds)
    assert {"webhook", "segment", "files"} <= {each["kind"] for each in kinds}
