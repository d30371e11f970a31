from datetime import UTC, datetime

import pytest

from tests.twins import TwinBackend
from tifo.kernel.errors import NotFound
from tifo.operations import sources, tracking_plans, warehouse_names
from tifo.tracking.plans.model import Rule, RuleType
from tifo.warehouses.names import CONTEXT, ColumnWish, TableWish, Wishes
from tifo.workspace.model import Source
from tifo.workspace.warehouses import WarehouseKind

AT = datetime(2026, 11, 24, 10, tzinfo=UTC)
LONG = "x" * 70


@pytest.fixture
def shop(backend: TwinBackend) -> Source:
    made = sources.create(backend, "Shop", "http")
    columns = [
        ("goal", ("firstName",), "first_name"),
        ("goal", ("a", "b"), "a_b"),
        ("goal", ("a.b",), "a_b"),
        ("goal", (" traits", "age"), "traits_age"),
        ("identifies", (LONG,), LONG),
        (CONTEXT, ("ip",), "context_ip"),
    ]
    wishes = Wishes(
        tables=[TableWish(table="goal", events=("Goal", "goal"), ids=("m1",), count=1, first_at=AT)],
        columns=[ColumnWish(table=table, path=path, wanted=name, count=1) for table, path, name in columns],
    )
    backend.schema_names.settle(made.id, wishes)
    return made


def test_each_column_is_listed_with_the_key_that_owns_it(backend: TwinBackend, shop: Source) -> None:
    listed = [(each.table, each.column, each.field, each.key) for each in warehouse_names.columns(backend)]
    assert listed == [
        ("goal", None, None, None),
        ("goal", "first_name", "properties", "firstName"),
        ("goal", "a_b", "properties", "a.b"),
        ("goal", "a_b_2", "properties", '"a.b"'),
        ("goal", "traits_age", "traits", "age"),
        ("identifies", LONG, "traits", LONG),
        ("*", "context_ip", "context", "ip"),
    ]
    assert {each.source for each in warehouse_names.columns(backend)} == {shop}


def test_a_table_is_listed_with_its_events(backend: TwinBackend, shop: Source) -> None:
    (table, *_) = warehouse_names.columns(backend, source=shop.slug, table="goal")
    assert (list(table.events), table.waits, table.first_at) == (["Goal", "goal"], False, AT)


def test_a_warehouse_that_cuts_names_lists_them_as_it_has_them(backend: TwinBackend, shop: Source) -> None:
    backend.warehouses.add(WarehouseKind("postgres"), "postgresql://u@h/d", "postgres", [shop.id])
    (column,) = warehouse_names.columns(backend, "postgres", table="identifies")
    assert column.column is not None
    assert len(column.column) == 63


def test_unknown_names_are_refused(backend: TwinBackend) -> None:
    for asked in ({"warehouse": "nowhere"}, {"source": "nowhere"}):
        with pytest.raises(NotFound):
            warehouse_names.columns(backend, **asked)


def test_what_a_plan_names_is_planned_with_all_that_is_inside_it(backend: TwinBackend, shop: Source) -> None:
    schema = {"properties": {"properties": {"properties": {"total": {}, "address": {"type": "object"}}}}}
    rules = [Rule(type=RuleType.TRACK, key="Order Completed", json_schema=schema)]
    tracking_plans.create(backend, "Orders", rules=rules)
    assert not warehouse_names.planned(backend, shop.id).tables
    tracking_plans.connect(backend, "Orders", "shop")
    planned = warehouse_names.planned(backend, shop.id)
    assert planned.tables == {"order_completed"}
    assert planned.has_path("order_completed", ("address", "city"))
    assert not planned.has_path("order_completed", ("junk",))
    assert not planned.has_path("other", ("total",))


def test_a_livelike_source_plans_its_six_events(backend: TwinBackend) -> None:
    made = sources.create(backend, "Club", "livelike")
    assert len(warehouse_names.planned(backend, made.id).tables) == 6
