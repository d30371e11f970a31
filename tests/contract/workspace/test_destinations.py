"""What every implementation of the connected destinations does."""

from collections.abc import Callable
from datetime import UTC, datetime
from itertools import count
from pathlib import Path

import pytest
from sqlalchemy import select

from tests.conftest import NewState
from tests.shards import SHARD, at
from tifo.delivery.memory import MemoryDeliveryState
from tifo.delivery.ports import ConnectionStatus, DeliveryCursor
from tifo.kernel.errors import Conflict, NotFound, Rejected
from tifo.kernel.ids import DestinationId, Position, SourceId
from tifo.store.delivery.deliveries import SqlDeliveryState
from tifo.store.sql import tables as t
from tifo.store.sql.database import Database
from tifo.store.workspace.catalog import SqlCatalog
from tifo.store.workspace.destinations import SqlDestinations
from tifo.store.workspace.vault import Vault
from tifo.workspace.destinations import DestinationChange, Destinations
from tifo.workspace.memory import InMemoryCatalog, InMemoryDestinations
from tifo.workspace.model import Catalog, SourceType

NOW = datetime(2026, 11, 25, 10, tzinfo=UTC)
SETTINGS = {"url": ["https://a"], "shared_secret": "hush", "headers": {"A": "hush too"}, "note": None}
SECRET = ["shared_secret", "headers"]


class Kept:
    """Destinations of a workspace with one source, and what the delivery state knows of them."""

    def __init__(self, kind: str, new_state: NewState, folder: Path) -> None:
        numbers = count()
        new_id = lambda: f"d{next(numbers)}"  # noqa: E731 (one line says it)
        self.database: Database | None = None
        if kind == "memory":
            catalog: Catalog = (memory := InMemoryCatalog((), clock=lambda: NOW, new_id=lambda: "source"))
            state = MemoryDeliveryState()
            self.status: Callable[[DestinationId], ConnectionStatus] = state.status
            self.destinations: Destinations = InMemoryDestinations(
                memory,
                clock=lambda: NOW,
                new_id=new_id,
                on_add=lambda made, start: state.add(made.id, start.position),
                on_remove=state.end,
            )
        else:
            self.database = new_state(kind)
            catalog = SqlCatalog(self.database, lambda: NOW, lambda: "source")
            self.status = SqlDeliveryState(self.database, SHARD).status
            self.destinations = SqlDestinations(self.database, lambda: NOW, new_id, Vault("", folder / "key"))
        self.source_id = catalog.create_source("Shop", SourceType.HTTP).id


@pytest.fixture(params=["memory", "sqlite", "postgres"])
def kept(request: pytest.FixtureRequest, new_state: NewState, tmp_path: Path) -> Kept:
    return Kept(request.param, new_state, tmp_path)


@pytest.fixture
def destinations(kept: Kept) -> Destinations:
    return kept.destinations


@pytest.fixture
def source_id(kept: Kept) -> SourceId:
    return kept.source_id


def test_a_destination_is_stored_with_its_settings_and_its_delivery_begins(
    kept: Kept, destinations: Destinations, source_id: SourceId
) -> None:
    made = destinations.add("webhook", "hook", source_id, SETTINGS, start=at(7), secret=SECRET)
    assert destinations.all() == [made]
    assert (made.name, made.kind, made.settings, made.enabled, made.version) == ("hook", "webhook", SETTINGS, True, 1)
    assert "hush" not in repr(made)
    assert kept.status(made.id)[:3] == (7, 7, 0)


@pytest.mark.parametrize("kind", ["sqlite", "postgres"])
def test_a_destination_is_stored_with_its_secrets_encrypted(kind: str, new_state: NewState, tmp_path: Path) -> None:
    kept = Kept(kind, new_state, tmp_path)
    assert kept.database is not None
    made = kept.destinations.add("webhook", "hook", kept.source_id, SETTINGS, start=at(7), secret=SECRET)
    with kept.database.reading() as connection:
        (row,) = connection.execute(select(t.destinations)).all()
    assert "hush" not in str(tuple(row))
    assert SqlDeliveryState(kept.database, SHARD).cursors() == [DeliveryCursor(made.id, kept.source_id, Position(7))]


def test_what_changes_raises_its_version_and_the_rest_stays(destinations: Destinations, source_id: SourceId) -> None:
    made = destinations.add("webhook", "hook", source_id, {"a": 1}, start=at(0))
    changed = destinations.change(made.id, DestinationChange(enabled=False, filters=[{"if": "x"}]))
    assert (changed.enabled, changed.version, changed.settings, changed.filters) == (False, 2, {"a": 1}, ({"if": "x"},))
    assert destinations.change(made.id, DestinationChange(name="other", retry_for_s=60)).retry_for_s == 60


def test_names_are_unique_in_a_source(destinations: Destinations, source_id: SourceId) -> None:
    first = destinations.add("webhook", "hook", source_id, {}, start=at(0))
    destinations.add("webhook", "other", source_id, {}, start=at(0))
    with pytest.raises(Conflict):
        destinations.add("webhook", " hook ", source_id, {}, start=at(0))
    with pytest.raises(Conflict):
        destinations.change(first.id, DestinationChange(name="other"))
    for name in ("", " ", "x" * 201, "a\nb"):
        with pytest.raises(Rejected):
            destinations.add("webhook", name, source_id, {}, start=at(0))
    with pytest.raises(NotFound):
        destinations.add("webhook", "hook", SourceId("nobody"), {}, start=at(0))


def test_what_is_removed_takes_its_deliveries_along(
    kept: Kept, destinations: Destinations, source_id: SourceId
) -> None:
    made = destinations.add("webhook", "hook", source_id, {}, start=at(0))
    destinations.remove(made.id)
    assert destinations.all() == []
    for call in (destinations.remove, kept.status):
        with pytest.raises(NotFound):
            call(made.id)
    with pytest.raises(NotFound):
        destinations.change(DestinationId("nobody"), DestinationChange(enabled=False))


def test_a_change_that_rests_on_another_version_is_refused(destinations: Destinations, source_id: SourceId) -> None:
    made = destinations.add("webhook", "hook", source_id, {"a": 1}, start=at(0))
    destinations.change(made.id, DestinationChange(settings={"a": 2}, version=1))
    with pytest.raises(Conflict):
        destinations.change(made.id, DestinationChange(settings={"a": 3}, version=1))
    assert [(each.version, each.settings) for each in destinations.all()] == [(2, {"a": 2})]


def test_what_a_caller_does_to_its_settings_later_changes_nothing(
    destinations: Destinations, source_id: SourceId
) -> None:
    settings = {"headers": {"A": "1"}}
    destinations.add("webhook", "hook", source_id, settings, start=at(0))
    settings["headers"]["A"] = "2"
    assert destinations.all()[0].settings == {"headers": {"A": "1"}}
