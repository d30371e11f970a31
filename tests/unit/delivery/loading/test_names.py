"""Names of tables and columns, from the log into warehouses that share settled names."""

import itertools
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.contract.warehouses.conftest import held, working_file
from tests.unit.delivery.loading.fakes import source
from tifo.delivery.loading.loader import Loader
from tifo.eventlog.ports import Append, EventLog
from tifo.kernel.errors import Transient
from tifo.kernel.ids import MessageId, SourceId
from tifo.tracking.envelope import Message
from tifo.warehouses.budgets import Budget, Budgets
from tifo.warehouses.drivers.duckdb import DuckdbWarehouse
from tifo.warehouses.memory.names import InMemorySchemaNames
from tifo.warehouses.names import Planned, SchemaNames
from tifo.workspace.warehouses import Sync

NOW = datetime(2026, 11, 24, 10, 0, 1, tzinfo=UTC)
Line = Callable[..., bytes]
ONE = SourceId("one")
SMALL = Budgets(
    tables=Budget(burst=4, per_hour=1, share=0.5, limit=10),
    columns=Budget(burst=8, per_hour=1, share=0.5, limit=20),
    context=Budget(burst=8, per_hour=1, share=0.5, limit=20),
)


class Shop:
    """A log, settled names, and warehouses that one source is loaded into."""

    def __init__(self, log: EventLog, message: Line, folder: Path) -> None:
        self.log, self.message, self.folder = log, message, folder
        self.at = NOW
        self.names: SchemaNames = InMemorySchemaNames(lambda: self.at, SMALL)
        self.planned = Planned()
        self.syncs: list[Sync] = []
        self.numbers = itertools.count()
        self.loaders: dict[str, Loader] = {}

    def send(self, event: Any = "Goal", **properties: Any) -> None:
        name = f"m{next(self.numbers)}"
        self.at += timedelta(milliseconds=1)
        body = self.message(name, event=event, **properties)
        self.log.append([Append(ONE, self.at, [Message(MessageId(name), body)])])

    def warehouse(self, name: str = "a") -> DuckdbWarehouse:
        return DuckdbWarehouse(self.folder / f"{name}.duckdb", lambda: self.at)

    def load(self, name: str = "a", *, restarts: bool = False) -> None:
        if restarts or name not in self.loaders:
            self.loaders[name] = Loader(
                self.log,
                self.warehouse(name),
                lambda: [source("one")],
                lambda: self.at,
                name=name,
                on_syncs=self.syncs.extend,
                names=self.names,
                planned=lambda _: self.planned,
            )
        while self.loaders[name].flush():
            pass

    def rows(self, table: str = "goal", *columns: str, name: str = "a") -> list[tuple[Any, ...]]:
        rows = self.warehouse(name).query(f"SELECT {', '.join(columns)} FROM one.{table} ORDER BY id")
        return [tuple(row.values()) for row in rows]

    def tables(self, name: str = "a") -> set[str]:
        return set(self.warehouse(name).tables("one")) - {"tracks", "_discards"}


@pytest.fixture
def shop(log: EventLog, message: Line, tmp_path: Path) -> Shop:
    return Shop(log, message, tmp_path)


CLASHES = [
    ("firstName", "First Name", "first_name"),
    ("a.b", "a_b", "a_b"),
    ("id", "property_id", "property_id"),
    ("order", "_order", "_order"),
    ("Größe", "Gr e", "gr_e"),
    ("USERNAME", "username", "username"),
    ("select", "Select", "_select"),
    ("é", "É", "é"),
]


@pytest.mark.parametrize(("first", "second", "column"), CLASHES)
@pytest.mark.parametrize("apart", [True, False])
def test_keys_keep_their_columns_in_whatever_order_they_come(
    shop: Shop, first: str, second: str, column: str, *, apart: bool
) -> None:
    shop.send(**{first: 1})
    for keys in [{second: 2, first: 1}, {first: 1, second: 2}, {second: 2}]:
        if apart:
            shop.load(restarts=True)
        shop.send(**keys)
    shop.load(restarts=apart)
    assert shop.rows("goal", column, f"{column}_2") == [(1, None), (1, 2), (1, 2), (None, 2)]


def test_of_the_keys_of_one_message_the_one_that_is_spelled_like_the_column_owns_it(shop: Shop) -> None:
    shop.send(userName=1, user_name=2)
    shop.load()
    assert shop.rows("goal", "user_name", "user_name_2") == [(2, 1)]


def test_a_nested_key_and_a_flat_one_are_two_keys(shop: Shop) -> None:
    shop.send(a={"b": 1})
    shop.send(a_b=2)
    shop.send(**{"a.b": 3})
    shop.load()
    assert shop.rows("goal", "a_b", "a_b_2", "a_b_3") == [(1, None, None), (None, 2, None), (None, None, 3)]


def test_a_warehouse_that_is_added_later_and_one_that_is_loaded_anew_have_the_same_columns(shop: Shop) -> None:
    shop.send(**{"First Name": 1})
    shop.load()
    shop.send(firstName=2)
    shop.load()
    shop.warehouse().rewind(ONE, None)
    for name in ("a", "b"):
        shop.load(name, restarts=True)
        assert shop.rows("goal", "first_name", "first_name_2", name=name) == [(1, None), (None, 2)]


def test_columns_that_were_there_before_names_were_settled_are_filled_on(shop: Shop) -> None:
    many = {f"key{number}": number for number in range(12)}
    shop.send(**many)
    unrationed = Loader(shop.log, shop.warehouse(), lambda: [source("one")], names=InMemorySchemaNames())
    unrationed.flush()
    shop.send(**many)
    shop.load()
    assert shop.rows("goal", "key0", "key11") == [(0, 11)] * 2, "the budget of 8 is for new ones"


def test_events_that_come_before_their_name_has_proved_itself_are_in_its_table_then(shop: Shop) -> None:
    for number in range(6):
        shop.send(f"Junk {number}", n=number)
    shop.load()
    assert shop.tables() == {"junk_0", "junk_1"}
    shop.send("Goal", n=10)
    shop.load()
    assert "goal" in shop.tables(), "a flood does not hold back what comes after it"
    shop.send("Foul", n=20)
    shop.load(restarts=True)
    assert "foul" in shop.tables()
    for number in (1, 2):
        shop.at += timedelta(hours=2)
        shop.send("Junk 5", n=5 + number)
        shop.load(restarts=True)
    assert shop.rows("junk_5", "id", "n", "event_text") == [
        ("m5", 5, "Junk 5"),
        ("m8", 6, "Junk 5"),
        ("m9", 7, "Junk 5"),
    ]
    assert shop.warehouse().tables("one")["tracks"] == 10
    assert len(shop.rows("tracks", "DISTINCT id")) == 10
    assert "table junk_5 gets 2 earlier events from the event log" in shop.syncs[-1].notices


def test_a_load_that_fails_loses_no_earlier_event(shop: Shop) -> None:
    for number in range(6):
        shop.send(f"Junk {number}")
    shop.load()
    shop.send("Junk 5")
    shop.send("Junk 5")
    with held(working_file(str(shop.folder / "a.duckdb")), read_only=False), pytest.raises(Transient):
        shop.load()
    shop.load()
    assert shop.rows("junk_5", "id") == [("m5",), ("m6",), ("m7",)]


def test_a_warehouse_that_reads_the_log_later_has_all_rows_of_a_name_that_waited(shop: Shop) -> None:
    for number in range(6):
        shop.send(f"Junk {number}")
    shop.load()
    for _ in range(2):
        shop.send("Junk 5")
    shop.load()
    shop.load("b")
    assert shop.rows("junk_5", "id", name="b") == shop.rows("junk_5", "id") == [("m5",), ("m6",), ("m7",)]


def test_what_got_no_table_is_in_tracks_and_the_discards_and_a_notice_says_so(shop: Shop) -> None:
    for number in range(6):
        shop.send(f"Junk {number}", n=number)
    shop.load()
    assert len(shop.rows("tracks", "id")) == 6
    discards = (
        shop.rows("_discards", "table_name", "value", "reason")
        if False
        else shop.warehouse().query("SELECT table_name, value, reason FROM one._discards ORDER BY message_id")
    )
    assert [row["value"] for row in discards] == ['{"n":2}', '{"n":3}', '{"n":4}', '{"n":5}']
    assert "new event names came too many at once" in str(discards[0]["reason"])
    assert shop.syncs[-1].discarded == 4
    assert any(notice.startswith("4 events of 4 new names are in tracks only") for notice in shop.syncs[-1].notices)


def test_what_the_tracking_plan_names_comes_first(shop: Shop) -> None:
    shop.planned = Planned(frozenset({"goal"}), {"goal": {("scorer",)}})
    for number in range(6):
        shop.send(f"Junk {number}")
    shop.send("Goal", **{f"k{number}": number for number in range(9)}, scorer={"name": "Ann"})
    shop.load()
    assert shop.tables() == {"junk_0", "junk_1", "goal"}
    assert shop.rows("goal", "scorer_name", "k3") == [("Ann", 3)]


def test_keys_beyond_the_budget_are_discarded_and_the_next_ones_column_is_there(shop: Shop) -> None:
    shop.send(**{f"k{number}": number for number in range(9)})
    shop.load()
    shop.send(k0=1, price=2)
    shop.load()
    assert shop.rows("goal", "k0", "price") == [(0, None), (1, 2)]
    discards = shop.warehouse().query("SELECT column_name, reason FROM one._discards ORDER BY column_name")
    assert [row["column_name"] for row in discards] == ["k4", "k5", "k6", "k7", "k8"]
    assert "too many new keys" in str(discards[0]["reason"])
    assert any("5 new keys of goal have no column, such as k4, k5, k6" in each for each in shop.syncs[0].notices)


def test_a_block_without_new_names_asks_nobody(shop: Shop) -> None:
    asked: list[SourceId] = []
    settle = shop.names.settle

    def counted(source_id: SourceId, wishes: Any) -> Any:
        asked.append(source_id)
        return settle(source_id, wishes)

    shop.names.settle = counted  # type: ignore[method-assign]
    for number in range(3):
        shop.send("Goal", n=number, nested={"a": 1})
        shop.send("Foul", x=number)
        shop.load()
    assert asked == [ONE], "one call for all new names of a block"
