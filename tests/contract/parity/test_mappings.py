import json
from pathlib import Path
from typing import Any

import pytest

from tests.contract.parity.conftest import Both, Refusal
from tests.unit.operations.conftest import VendorKind
from tifo.destinations import catalog

ALL = "/destinations/crm/subscriptions"
NEW = {"name": "Track Event", "actionId": "trackEvent", "trigger": 'type = "screen"', "enabled": True}


@pytest.fixture(autouse=True)
def crm(both: Both, monkeypatch: pytest.MonkeyPatch) -> None:
    """A destination of a kind with actions, whose library is not needed."""
    own = catalog.kinds()
    monkeypatch.setattr(catalog, "kinds", lambda: (*own, VendorKind()))
    monkeypatch.setattr("tifo.app.cli.destinations._installed", dict)
    both.cli("source", "create", "shop", "--type", "http")
    both.cli("destination", "add", "vendor", "--source", "shop", "--name", "crm")


def _listed(data: Any) -> Any:
    return [_mapping(each) for each in data["subscriptions"]]


def _mapping(shown: Any) -> Any:
    return {
        "id": shown["id"],
        "name": shown["name"],
        "action": shown["actionSlug"],
        "trigger": shown["trigger"],
        "enabled": shown["enabled"],
        "mapping": json.dumps(shown["settings"], separators=(",", ":")),
    }


def test_mappings_are_the_same_whoever_made_them(both: Both, tmp_path: Path) -> None:
    fields = tmp_path / "fields.json"
    fields.write_text('{"event": "Seen"}')
    flags = ["--action", "trackEvent", "--trigger", 'type = "screen"', "--mapping", str(fields)]
    printed = both.cli("destination", "mapping", "add", "crm", *flags)
    answered = both.api("POST", ALL, {**NEW, "settings": {"event": "Seen"}})["destinationSubscription"]
    listed = both.same(["destination", "mapping", "list", "crm"], ("GET", ALL), _listed)
    assert listed[1:] == [printed, _mapping(answered)]
    assert {**printed, "id": ""} == {**_mapping(answered), "id": ""}


def test_a_mapping_is_changed_and_removed_by_id_and_by_name(both: Both) -> None:
    for name in ("id", "name"):
        (made,) = both.cli("destination", "mapping", "list", "crm")
        path = f"{ALL}/{made[name].replace(' ', '%20')}"
        printed = both.cli("destination", "mapping", "disable", "crm", made[name])
        assert printed == _mapping(both.api("PATCH", path, {"input": {"enabled": False}})["subscription"])
    assert both.api("DELETE", path)["status"] == "SUCCESS"
    both.api("POST", ALL, NEW)
    assert both.cli("destination", "mapping", "remove", "crm", "Track Event") == {"removed": "Track Event"}
    assert both.same(["destination", "mapping", "list", "crm"], ("GET", ALL), _listed) == []


@pytest.mark.parametrize(
    ("words", "ask"),
    [
        (["add", "crm", "--action", "fly"], ("POST", ALL, {**NEW, "actionId": "fly"})),
        (
            ["add", "crm", "--action", "trackEvent", "--trigger", "event = "],
            ("POST", ALL, {**NEW, "trigger": "event = "}),
        ),
        (["add", "erp", "--action", "trackEvent"], ("POST", "/destinations/erp/subscriptions", NEW)),
        (["presets", "fax"], ("GET", "/catalog/destinations/fax")),
        (["disable", "erp", "x"], ("PATCH", "/destinations/erp/subscriptions/x", {"input": {"enabled": False}})),
        (["remove", "erp", "x"], ("DELETE", "/destinations/erp/subscriptions/x")),
        (["enable", "crm", "none"], ("PATCH", f"{ALL}/none", {"input": {"enabled": True}})),
        (["remove", "crm", "none"], ("DELETE", f"{ALL}/none")),
        (["list", "erp"], ("GET", "/destinations/erp/subscriptions")),
    ],
)
def test_both_refuse_alike(both: Both, words: list[str], ask: tuple[Any, ...]) -> None:
    assert isinstance(both.same(["destination", "mapping", *words], ask), Refusal)


def _presets(data: Any) -> Any:
    """The API does not say which of them are automatic."""
    metadata = data["destinationMetadata"]
    return [(each["name"], each["actionId"], each["trigger"]) for each in metadata["presets"]]


def test_presets_are_the_same(both: Both) -> None:
    printed = both.cli("destination", "mapping", "presets", "vendor")
    answered = _presets(both.api("GET", "/catalog/destinations/vendor"))
    assert [(each["preset"], each["action"], each["trigger"]) for each in printed] == answered
    assert len(answered) == 2
