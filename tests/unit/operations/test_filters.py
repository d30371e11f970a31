from dataclasses import replace

import pytest

from tests.twins import TwinBackend
from tifo.kernel.errors import NotFound, Rejected
from tifo.kernel.json import JsonObject
from tifo.operations import destinations, filters, sources
from tifo.operations.filters import FilterChange, NewFilter
from tifo.tracking.filters import MAX_FILTERS, ActionType, FilterAction

DROP = FilterAction(ActionType.DROP)
SECRETS = NewFilter(condition="event = 'Secret'", actions=[DROP], title="No secrets")


@pytest.fixture
def backend(backend: TwinBackend) -> TwinBackend:
    sources.create(backend, "Shop", "http")
    destinations.add(backend, "webhook", "shop", {"url": "https://example.com"}, name="crm")
    return backend


def test_a_filter_is_found_by_id_and_by_title(backend: TwinBackend) -> None:
    made = filters.add(backend, "crm", SECRETS)
    assert filters.listed(backend, "crm") == [made]
    assert filters.find(backend, "crm", made.id) == filters.find(backend, "crm", "No secrets") == made
    with pytest.raises(NotFound):
        filters.find(backend, "crm", "No such")


@pytest.mark.parametrize(
    ("new", "field"),
    [
        (replace(SECRETS, condition="event = "), "if"),
        (replace(SECRETS, title=" "), "title"),
        (replace(SECRETS, actions=[]), "actions"),
        (replace(SECRETS, actions=[FilterAction(ActionType.SAMPLE, percent=2)]), "actions.0.percent"),
    ],
)
def test_what_is_no_filter_is_refused_and_the_field_named(backend: TwinBackend, new: NewFilter, field: str) -> None:
    with pytest.raises(Rejected) as refused:
        filters.add(backend, "crm", new)
    assert refused.value.field == field
    assert filters.listed(backend, "crm") == []


def test_a_destination_has_only_so_many_filters(backend: TwinBackend) -> None:
    for number in range(MAX_FILTERS):
        filters.add(backend, "crm", replace(SECRETS, title=f"Filter {number}"))
    with pytest.raises(Rejected, match=f"{MAX_FILTERS} filters"):
        filters.add(backend, "crm", SECRETS)


def test_a_change_leaves_what_it_does_not_name(backend: TwinBackend) -> None:
    made = filters.add(backend, "crm", SECRETS)
    changed = filters.change(backend, "crm", made.id, FilterChange(if_="type = 'page'", enabled=False))
    assert (changed.if_, changed.enabled, changed.title, changed.actions) == (
        "type = 'page'",
        False,
        made.title,
        made.actions,
    )
    assert filters.listed(backend, "crm") == [changed]


def test_a_removed_filter_is_gone_and_the_others_stay(backend: TwinBackend) -> None:
    kept = filters.add(backend, "crm", replace(SECRETS, title="Another"))
    made = filters.add(backend, "crm", SECRETS)
    assert filters.remove(backend, "crm", "No secrets") == made
    assert filters.listed(backend, "crm") == [kept]


def test_a_preview_shows_what_a_filter_would_leave() -> None:
    message: JsonObject = {"type": "track", "context": {"ip": "1.2.3.4", "locale": "de"}}
    without_ip = FilterAction(ActionType.DROP_PROPERTIES, fields={"context": ["ip"]})
    assert filters.preview("type = 'track'", [without_ip], message) == {"type": "track", "context": {"locale": "de"}}
    assert filters.preview("type = 'track'", [DROP], message) is None
    assert filters.preview("type = 'page'", [DROP], message) == message
    with pytest.raises(Rejected):
        filters.preview("type = ", [DROP], message)
