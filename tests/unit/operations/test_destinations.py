import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from tests.twins import TwinBackend
from tests.unit.operations.conftest import NOW, receive
from tifo.delivery.sending.filters import LoggedEvent
from tifo.delivery.sending.reading import LoggedMessage
from tifo.destinations.ports import Fate
from tifo.destinations.settings import MASK
from tifo.kernel.errors import Conflict, Forbidden, NotFound, Rejected
from tifo.kernel.ids import Position
from tifo.operations import destinations, filters, sources
from tifo.operations.destinations import DestinationEdit
from tifo.operations.filters import NewFilter
from tifo.tracking.filters import ActionType, EventChoice, FilterAction
from tifo.workspace.destinations import ConnectedDestination
from tifo.workspace.tokens import Role

SETTINGS = {"url": "https://example.com/hook", "shared_secret": "hush"}


@pytest.fixture
def backend(backend: TwinBackend) -> TwinBackend:
    sources.create(backend, "Shop", "http")
    return backend


@pytest.fixture
def crm(backend: TwinBackend) -> ConnectedDestination:
    return destinations.add(backend, "webhook", "shop", SETTINGS, name="crm")


def test_a_new_destination_gets_what_comes_from_now_on(backend: TwinBackend) -> None:
    receive(backend, sources.find(backend, "shop").id, "before", "and-before")
    made = destinations.add(backend, "webhook", "shop", SETTINGS)
    assert backend.deliveries.status(made.id).start == 2


def test_a_destination_without_a_name_is_named_after_its_kind(backend: TwinBackend) -> None:
    assert destinations.add(backend, "webhook", "shop", SETTINGS).name == "Webhooks"


def test_two_destinations_of_a_source_have_two_names(backend: TwinBackend, crm: ConnectedDestination) -> None:
    with pytest.raises(Conflict):
        destinations.add(backend, "webhook", "shop", SETTINGS, name=crm.name)


@pytest.mark.parametrize(
    ("kind", "source", "settings", "field"),
    [
        ("fax", "shop", SETTINGS, "kind"),
        ("webhook", "nowhere", SETTINGS, "source"),
        ("webhook", "shop", {"url": "nowhere"}, "url"),
        ("webhook", "shop", {}, "url"),
        ("webhook", "shop", {**SETTINGS, "mood": "good"}, "mood"),
    ],
)
def test_what_cannot_be_delivered_to_is_refused_and_the_field_named(
    backend: TwinBackend, kind: str, source: str, settings: dict[str, Any], field: str
) -> None:
    with pytest.raises(Rejected) as refused:
        destinations.add(backend, kind, source, settings)
    assert refused.value.field == field
    assert destinations.listed(backend) == []


def test_a_secret_is_shown_as_its_mask_and_settings_without_a_value_are_not_shown(crm: ConnectedDestination) -> None:
    shown = destinations.visible_settings(crm)
    assert shown["shared_secret"] == MASK
    assert shown["url"] == ["https://example.com/hook"]
    assert None not in shown.values()


def test_a_mask_that_comes_back_keeps_the_old_secret(backend: TwinBackend, crm: ConnectedDestination) -> None:
    edit = DestinationEdit(settings={"shared_secret": MASK, "timeout_s": 9})
    changed = destinations.change(backend, "crm", edit)
    assert (changed.settings["shared_secret"], changed.settings["timeout_s"]) == ("hush", 9)
    assert destinations.change(backend, crm.id, DestinationEdit(settings={"shared_secret": "new"})).settings[
        "shared_secret"
    ] == ("new")


def test_a_mask_is_no_secret_to_begin_with(backend: TwinBackend) -> None:
    made = destinations.add(backend, "webhook", "shop", {**SETTINGS, "shared_secret": MASK})
    assert made.settings["shared_secret"] is None


def test_a_change_leaves_what_it_does_not_name(backend: TwinBackend, crm: ConnectedDestination) -> None:
    changed = destinations.change(backend, "crm", DestinationEdit(name="erp", enabled=False))
    assert (changed.name, changed.enabled, changed.settings) == ("erp", False, crm.settings)
    assert destinations.change(backend, "erp", DestinationEdit(enabled=True)).name == "erp"


def test_a_refused_setting_changes_nothing(backend: TwinBackend, crm: ConnectedDestination) -> None:
    with pytest.raises(Rejected):
        destinations.change(backend, "crm", DestinationEdit(name="erp", settings={"url": "nowhere"}))
    assert destinations.find(backend, "crm") == crm


def test_a_destination_is_found_by_id_and_by_name(backend: TwinBackend, crm: ConnectedDestination) -> None:
    assert destinations.find(backend, crm.id) == destinations.find(backend, "crm") == crm
    with pytest.raises(NotFound, match="There is no destination 'erp'") as missing:
        destinations.find(backend, "erp")
    assert missing.value.field == "destinationId"


def test_a_name_that_two_sources_use_needs_an_id(backend: TwinBackend, crm: ConnectedDestination) -> None:
    sources.create(backend, "Other", "http")
    other = destinations.add(backend, "webhook", "other", SETTINGS, name="crm")
    with pytest.raises(NotFound, match=r"2 destinations named 'crm'.*of the source shop.*of the source other"):
        destinations.find(backend, "crm")
    assert destinations.find(backend, other.id) == other
    assert destinations.of_source(backend, "shop") == [crm]


def test_an_id_that_is_another_destinations_name_means_the_id(backend: TwinBackend, crm: ConnectedDestination) -> None:
    destinations.add(backend, "webhook", "shop", SETTINGS, name=crm.id)
    assert destinations.find(backend, crm.id) == crm


@pytest.mark.parametrize("role", [Role.VIEWER, Role.EDITOR])
def test_only_owners_set_up_what_works_on_this_machine(backend: TwinBackend, tmp_path: Path, role: Role) -> None:
    place = {"place": str(tmp_path)}
    with pytest.raises(Forbidden, match="role owner"):
        destinations.add(backend, "files", "shop", place, name="lake", role=role)
    made = destinations.add(backend, "files", "shop", place, name="lake", role=Role.OWNER)
    with pytest.raises(Forbidden):
        destinations.change(backend, "lake", DestinationEdit(enabled=False), role=role)
    assert destinations.find(backend, "lake") == made
    assert destinations.add(backend, "webhook", "shop", SETTINGS, role=role)


def test_a_choice_of_events_is_checked_and_stored(backend: TwinBackend, crm: ConnectedDestination) -> None:
    assert destinations.choose_events(backend, "crm", EventChoice(types=["track"])).choice == {"types": ["track"]}
    with pytest.raises(Rejected, match="Known are track"):
        destinations.choose_events(backend, "crm", EventChoice(types=["fax"]))
    assert destinations.choose_events(backend, crm.id, EventChoice()).choice == {}


def test_a_kind_opens_a_destination_with_its_secrets_in_clear(backend: TwinBackend, crm: ConnectedDestination) -> None:
    configured = destinations.configured_of(destinations.find(backend, "crm"))
    assert (configured.id, configured.name, configured.mappings) == (crm.id, "crm", [])
    assert configured.settings == crm.settings
    assert MASK not in configured.settings.values()


def test_a_removed_destination_is_gone(backend: TwinBackend, crm: ConnectedDestination) -> None:
    assert destinations.remove(backend, "crm") == crm
    with pytest.raises(NotFound):
        destinations.remove(backend, "crm")


def test_the_filter_knows_choice_filters_and_names(backend: TwinBackend, crm: ConnectedDestination) -> None:
    def code(event: str, **integrations: bool) -> str:
        message = LoggedMessage("track", "m1", event, integrations=integrations)
        line = json.dumps({"type": "track", "messageId": "m1", "event": event}).encode()
        logged = LoggedEvent(Position(1), NOW.timestamp(), message, line)
        _, outcome = destinations.filter_of(destinations.find(backend, crm.id))(logged)
        return "" if outcome is None else outcome.code

    assert code("Seen") == ""
    assert code("Seen", crm=False) == code("Seen", Webhooks=False) == "FILTERED_BY_INTEGRATIONS_OBJECT"
    destinations.choose_events(backend, "crm", EventChoice(excluded=["Boring"]))
    drop = NewFilter(condition="event = 'Secret'", actions=[FilterAction(ActionType.DROP)], title="No secrets")
    filters.add(backend, "crm", drop)
    assert code("Boring") == code("Secret") == "FILTERED_BY_RULES"
    assert code("Seen") == ""


def _written(place: Path) -> list[dict[str, Any]]:
    files = sorted(place.rglob("*.ndjson.gz"))
    return [json.loads(line) for file in files for line in gzip.decompress(file.read_bytes()).splitlines()]


@pytest.fixture
def lake(backend: TwinBackend, tmp_path: Path) -> Path:
    destinations.add(backend, "files", "shop", {"place": str(tmp_path / "lake")}, name="lake")
    return tmp_path / "lake"


def test_an_event_is_tried_out_without_being_counted(backend: TwinBackend, lake: Path) -> None:
    outcome = destinations.try_out(backend, "lake", {"type": "track", "event": "Tried", "messageId": "t1"})
    assert outcome.fate is Fate.DELIVERED
    assert [each["messageId"] for each in _written(lake)] == ["t1"]
    assert backend.delivery_numbers.numbers(destinations.find(backend, "lake").id).delivered == 0


def test_the_newest_event_of_the_source_is_tried_out(backend: TwinBackend, lake: Path) -> None:
    sources.create(backend, "Other", "http")
    receive(backend, sources.find(backend, "shop").id, "old", "newest")
    receive(backend, sources.find(backend, "other").id, "of-another")
    destinations.try_out(backend, "lake")
    assert [each["messageId"] for each in _written(lake)] == ["newest"]


def test_an_event_is_made_up_where_the_source_has_none(backend: TwinBackend, lake: Path) -> None:
    destinations.try_out(backend, "lake")
    (made,) = _written(lake)
    assert (made["event"], made["userId"]) == ("Test Event", "tifo-test")


def test_a_message_without_a_type_is_not_sent(backend: TwinBackend, lake: Path) -> None:
    with pytest.raises(Rejected, match="no type or messageId"):
        destinations.try_out(backend, "lake", {"event": "Seen"})
    assert _written(lake) == []
