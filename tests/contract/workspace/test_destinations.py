"""Connected destinations, on each kind of state."""

from datetime import UTC, datetime
from itertools import count
from pathlib import Path

import pytest
from sqlalchemy import select

from tests.conftest import NewState
from tifo.delivery.ports import DeliveryCursor
from tifo.kernel.errors import Conflict, NotFound, Rejected
from tifo.kernel.ids import DestinationId, Position, SourceId
from tifo.store.delivery.deliveries import SqlDeliveryState
from tifo.store.sql import tables as t
from tifo.store.sql.database import Database
from tifo.store.workspace.catalog import SqlCatalog
from tifo.store.workspace.destinations import SqlDestinations
from tifo.store.workspace.vault import Vault
from tifo.workspace.destinations import DestinationChange
from tifo.workspace.model import SourceType

NOW = datetime(2026, 11, 25, 10, tzinfo=UTC)


@pytest.fixture(params=["sqlite", "postgres"])
def database(request: pytest.FixtureRequest, new_state: NewState) -> Database:
    return new_state(request.param)


@pytest.fixture
def source_id(database: Database) -> SourceId:
    return SqlCatalog(database, lambda: NOW, lambda: "source").create_source("Shop", SourceType.HTTP).id


@pytest.fixture
def destinations(database: Database, tmp_path: Path) -> SqlDestinations:
    numbers = count()
    return SqlDestinations(database, lambda: NOW, lambda: f"d{next(numbers)}", Vault("", tmp_path / "key"))


def test_a_destination_is_kept_with_its_secrets_encrypted(
    database: Database, destinations: SqlDestinations, source_id: SourceId
) -> None:
    settings = {"url": ["https://a"], "shared_secret": "hush", "headers": {"A": "hush too"}, "note": None}
    made = destinations.add(
        "webhook", "hook", source_id, settings, start=Position(7), secret=["shared_secret", "headers"]
    )
    assert destinations.all() == [made]
    assert (made.name, made.kind, made.settings, made.enabled, made.version) == ("hook", "webhook", settings, True, 1)
    assert "hush" not in repr(made)
    with database.reading() as connection:
        (row,) = connection.execute(select(t.destinations)).all()
    assert "hush" not in str(tuple(row))
    assert SqlDeliveryState(database).status(made.id)[:3] == (7, 7, 0)
    assert SqlDeliveryState(database).cursors() == [DeliveryCursor(made.id, source_id, Position(7))]


def test_what_changes_raises_its_version_and_the_rest_stays(destinations: SqlDestinations, source_id: SourceId) -> None:
    made = destinations.add("webhook", "hook", source_id, {"a": 1}, start=Position(0))
    changed = destinations.change(made.id, DestinationChange(enabled=False, filters=[{"if": "x"}]))
    assert (changed.enabled, changed.version, changed.settings, changed.filters) == (False, 2, {"a": 1}, ({"if": "x"},))
    assert destinations.change(made.id, DestinationChange(name="other", retry_for_s=60)).retry_for_s == 60


def test_names_are_unique_in_a_source(destinations: SqlDestinations, source_id: SourceId) -> None:
    first = destinations.add("webhook", "hook", source_id, {}, start=Position(0))
    destinations.add("webhook", "other", source_id, {}, start=Position(0))
    with pytest.raises(Conflict):
        destinations.add("webhook", " hook ", source_id, {}, start=Position(0))
    with pytest.raises(Conflict):
        destinations.change(first.id, DestinationChange(name="other"))
    for name in ("", " ", "x" * 201, "a\nb"):
        with pytest.raises(Rejected):
            destinations.add("webhook", name, source_id, {}, start=Position(0))
    with pytest.raises(NotFound):
        destinations.add("webhook", "hook", SourceId("nobody"), {}, start=Position(0))


def test_what_is_removed_takes_its_deliveries_along(
    database: Database, destinations: SqlDestinations, source_id: SourceId
) -> None:
    made = destinations.add("webhook", "hook", source_id, {}, start=Position(0))
    destinations.remove(made.id)
    assert destinations.all() == []
    for call in (destinations.remove, SqlDeliveryState(database).status):
        with pytest.raises(NotFound):
            call(made.id)
    with pytest.raises(NotFound):
        destinations.change(DestinationId("nobody"), DestinationChange(enabled=False))
