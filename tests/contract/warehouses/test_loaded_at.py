"""When a message was loaded: what a trace asks of a warehouse."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from tifo.warehouses.ports import Load, Warehouse


def test_a_message_is_found_in_each_of_its_tables(warehouse: Warehouse, load: Callable[..., Load]) -> None:
    assert warehouse.loaded_at("one", "it's") == {}
    before = datetime.now(UTC)
    warehouse.load([load(0, ("it's", {"n": 1}), ("m2", {"n": 2}))])
    found = warehouse.loaded_at("one", "it's")
    assert found.keys() == {"goal", "tracks"}
    assert all(before - timedelta(seconds=5) <= at <= datetime.now(UTC) for at in found.values())
    assert warehouse.loaded_at("one", "m3") == {}
    assert warehouse.loaded_at("nowhere", "it's") == {}
