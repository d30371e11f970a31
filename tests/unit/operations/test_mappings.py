import pytest

from tests.twins import TwinBackend
from tests.unit.operations.conftest import VendorKind
from tifo.destinations.ports import Action
from tifo.kernel.errors import NotFound, Rejected
from tifo.operations import destinations, mappings, sources
from tifo.operations.mappings import MappingChange


@pytest.fixture
def backend(backend: TwinBackend, vendor: VendorKind) -> TwinBackend:
    sources.create(backend, "Shop", "http")
    destinations.add(backend, vendor.id, "shop", {}, name="crm")
    return backend


def test_presets_say_which_of_them_a_new_destination_begins_with(backend: TwinBackend) -> None:
    assert [(each.mapping.name, each.automatic) for each in mappings.presets("vendor")] == [
        ("Track Calls", True),
        ("Page Calls", False),
    ]
    assert [each.name for each in mappings.listed(backend, "crm")] == ["Track Calls"]
    assert mappings.presets("webhook") == []


def test_a_preset_is_added_as_it_is_or_changed(backend: TwinBackend) -> None:
    plain = mappings.add_preset(backend, "crm", "Page Calls")
    changed = mappings.add_preset(backend, "crm", "pages", MappingChange(trigger='type = "screen"'))
    assert (plain.trigger, changed.trigger) == ('type = "page"', 'type = "screen"')
    assert plain.mapping == changed.mapping
    assert len({each.id for each in mappings.listed(backend, "crm")}) == 3


def test_a_mapping_to_an_action_begins_with_the_actions_own_defaults(backend: TwinBackend) -> None:
    made = mappings.add_action(backend, "crm", "trackEvent", MappingChange(name="Badges"))
    assert (made.name, made.trigger, made.mapping) == ("Badges", 'type = "track"', {"event": {"@path": "$.event"}})
    assert mappings.find(backend, "crm", made.id) == mappings.find(backend, "crm", "Badges") == made


@pytest.mark.parametrize(
    ("action", "change", "field"),
    [
        ("fly", MappingChange(), "actionId"),
        ("", MappingChange(), "actionId"),
        ("trackEvent", MappingChange(trigger="event = "), "trigger"),
        ("trackEvent", MappingChange(name=" "), "name"),
    ],
)
def test_what_is_no_mapping_is_refused_and_the_field_named(
    backend: TwinBackend, action: str, change: MappingChange, field: str
) -> None:
    with pytest.raises(Rejected) as refused:
        mappings.add_action(backend, "crm", action, change)
    assert refused.value.field == field
    assert len(mappings.listed(backend, "crm")) == 1


def test_an_unknown_preset_is_refused_with_those_that_there_are(backend: TwinBackend) -> None:
    with pytest.raises(NotFound, match="Known are Track Calls, Page Calls"):
        mappings.add_preset(backend, "crm", "Fax Calls")


def test_a_change_leaves_what_it_does_not_name(backend: TwinBackend) -> None:
    before = mappings.find(backend, "crm", "Track Calls")
    after = mappings.change(backend, "crm", "Track Calls", MappingChange(mapping={"event": "Seen"}))
    assert (after.id, after.name, after.trigger, after.mapping) == (
        before.id,
        before.name,
        before.trigger,
        {"event": "Seen"},
    )
    assert mappings.listed(backend, "crm") == [after]
    with pytest.raises(Rejected):
        mappings.change(backend, "crm", "Track Calls", MappingChange(trigger="event = "))


def test_a_mapping_whose_action_is_gone_can_still_be_disabled(backend: TwinBackend, vendor: VendorKind) -> None:
    gone: tuple[Action, ...] = ()
    vendor.actions = gone
    assert not mappings.change(backend, "crm", "Track Calls", MappingChange(enabled=False)).enabled
    with pytest.raises(NotFound):
        mappings.change(backend, "crm", "Track Calls", MappingChange(name="Calls"))


def test_a_removed_mapping_is_gone(backend: TwinBackend) -> None:
    removed = mappings.remove(backend, "crm", "Track Calls")
    assert (removed.name, mappings.listed(backend, "crm")) == ("Track Calls", [])
    with pytest.raises(NotFound):
        mappings.remove(backend, "crm", "Track Calls")
