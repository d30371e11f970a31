"""What every store of settled names does."""

import threading
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta

import pytest

from tests.conftest import NewState
from tifo.kernel.ids import SourceId
from tifo.store.warehouses.names import SqlSchemaNames
from tifo.warehouses.budgets import Budget, Budgets
from tifo.warehouses.memory.names import InMemorySchemaNames
from tifo.warehouses.names import CONTEXT, ColumnWish, SchemaNames, TableWish, Wishes
from tifo.warehouses.naming import Path

NOW = datetime(2026, 11, 24, 10, tzinfo=UTC)
ONE, OTHER = SourceId("one"), SourceId("other")
SMALL = Budgets(
    tables=Budget(burst=4, per_hour=1, share=0.5, limit=10),
    columns=Budget(burst=4, per_hour=1, share=0.5, limit=10),
    context=Budget(burst=4, per_hour=1, share=0.5, limit=10),
)


class Time:
    now = NOW

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
def clock() -> Time:
    return Time()


@pytest.fixture(params=["memory", "sqlite", "postgres"])
def open_names(request: pytest.FixtureRequest, new_state: NewState, clock: Time) -> Callable[[], SchemaNames]:
    """Each call is another process that shares the state; in memory there is one."""
    if request.param == "memory":
        memory = InMemorySchemaNames(clock, SMALL)
        return lambda: memory
    return lambda: SqlSchemaNames(new_state(request.param), clock, SMALL)


@pytest.fixture
def names(open_names: Callable[[], SchemaNames]) -> SchemaNames:
    return open_names()


def keys(*paths: Path | str, table: str = "goal", wanted: str = "first_name") -> Wishes:
    each = [(path,) if isinstance(path, str) else path for path in paths]
    return Wishes(columns=[ColumnWish(table=table, path=path, wanted=wanted, count=1) for path in each])


def tables(*names: str, ids: Sequence[str] = ("m1",), **fields: object) -> Wishes:
    wishes = [
        TableWish(table=name, events=(name.title(),), ids=tuple(ids), count=len(ids), first_at=NOW) for name in names
    ]
    return Wishes(tables=wishes, **fields)  # type: ignore[arg-type]  # (fields of `Wishes`)


def given(names: SchemaNames, wishes: Wishes, source: SourceId = ONE) -> dict[Path, str]:
    return {column.path: column.name for column in names.settle(source, wishes).columns}


def made(names: SchemaNames, wishes: Wishes, source: SourceId = ONE) -> list[str]:
    return [name for name, table in names.settle(source, wishes).tables.items() if table.made_at is not None]


def test_the_first_key_owns_the_name_and_another_process_reads_the_same(open_names: Callable[[], SchemaNames]) -> None:
    assert given(open_names(), keys("firstName")) == {("firstName",): "first_name"}
    assert given(open_names(), keys("First Name")) == {("First Name",): "first_name_2"}
    both = {("First Name",): "first_name_2", ("firstName",): "first_name"}
    assert given(open_names(), keys("First Name", "firstName")) == both
    assert {column.path: column.name for column in open_names().read(ONE).columns} == both


def test_each_source_and_table_has_its_own_names(names: SchemaNames) -> None:
    given(names, keys("firstName"))
    assert given(names, keys("First Name"), OTHER) == {("First Name",): "first_name"}
    assert given(names, keys("First Name", table="foul")) == {("First Name",): "first_name"}
    assert given(names, keys("First Name", table=CONTEXT)) == {("First Name",): "first_name"}


@pytest.mark.parametrize("key", ["", "\0", "'; DROP TABLE x", "ü" * 20_000, "🎉", '"', "a.b"])
def test_any_key_is_stored_as_it_is(names: SchemaNames, key: str) -> None:
    assert given(names, keys((key, key))) == {(key, key): "first_name"}
    assert [column.path for column in names.read(ONE).columns] == [(key, key)]


def test_many_that_ask_at_once_get_one_answer(open_names: Callable[[], SchemaNames]) -> None:
    answers: list[dict[Path, str]] = []

    def ask(names: SchemaNames, key: str) -> None:
        answers.append(given(names, keys(key)))

    askers = [
        threading.Thread(target=ask, args=(open_names(), key)) for key in ("firstName", "First Name", "firstName")
    ]
    for asker in askers:
        asker.start()
    for asker in askers:
        asker.join(60)
    settled = {column.path: column.name for column in open_names().read(ONE).columns}
    assert sorted(settled.values()) == ["first_name", "first_name_2"]
    assert [answer.items() <= settled.items() for answer in answers] == [True] * 3


def test_a_load_gets_a_share_of_the_budget_and_hours_bring_more(names: SchemaNames, clock: Time) -> None:
    assert made(names, tables("a", "b", "c", "d")) == ["a", "b"]
    assert made(names, tables("e", "f")) == ["e"]
    assert made(names, tables("g", "h")) == ["g"]
    assert made(names, tables("i")) == []
    clock.now += timedelta(hours=1)
    assert made(names, tables("j", "k")) == ["j"]


def test_what_is_left_of_a_budget_survives_a_restart(open_names: Callable[[], SchemaNames]) -> None:
    for name in "abcd":
        made(open_names(), tables(name))
    assert made(open_names(), tables("e")) == []
    assert made(open_names(), tables("e"), OTHER) == ["e"]


def test_a_name_that_waits_has_proved_itself_after_three_events_however_often_they_are_reported(
    open_names: Callable[[], SchemaNames], clock: Time
) -> None:
    for name in "abcd":
        made(open_names(), tables(name))
    for ids in (["m1"], ["m1"], ["m1", "m2"]):
        assert made(open_names(), tables("late", ids=ids)) == []
    clock.now += timedelta(hours=1)
    assert made(open_names(), tables("late", ids=["m2"])) == []
    assert made(open_names(), tables("late", ids=["m3"])) == ["late"]
    late = open_names().read(ONE).tables["late"]
    assert (late.waited, late.first_at, late.made_at) == (True, NOW, clock.now)


def test_events_that_share_a_table_are_listed_with_it(names: SchemaNames) -> None:
    names.settle(ONE, tables("goal"))
    wish = TableWish(table="goal", events=("GOAL!", "Goal\0"), ids=("m2",), count=1, first_at=NOW)
    names.settle(ONE, Wishes(tables=[wish]))
    assert names.read(ONE).tables["goal"].events == ("Goal", "GOAL!", "Goal\0")


def test_a_source_that_nobody_has_asked_for_has_no_names(names: SchemaNames) -> None:
    settled = names.read(SourceId("nobody"))
    assert (settled.tables, settled.columns) == ({}, [])
