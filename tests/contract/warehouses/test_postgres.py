"""What only a server has: restarts, rights, locks, views, and people who change its tables."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.postgres import PostgresServer, postgres_server
from tests.shards import SHARD
from tifo.kernel.errors import Rejected, Transient
from tifo.warehouses.drivers.postgres import PostgresWarehouse
from tifo.warehouses.drivers.postgres_address import checked_url, without_password
from tifo.warehouses.ports import Load

Loading = Callable[..., Load]


@pytest.fixture
def address(postgres: PostgresServer) -> str:
    return postgres.new_database()


@pytest.fixture
def warehouse(address: str) -> PostgresWarehouse:
    return PostgresWarehouse(address)


@pytest.fixture
def own_server() -> Iterator[PostgresServer]:
    with postgres_server() as server:
        yield server


def test_a_restart_of_the_server_delays_a_load_and_loses_nothing(own_server: PostgresServer, load: Loading) -> None:
    warehouse = PostgresWarehouse(own_server.new_database())
    warehouse.load([load(0, ("a", {}))])
    own_server.stop()
    with pytest.raises(Transient):
        warehouse.load([load(1, ("b", {}))])
    own_server.start()
    warehouse.load([load(1, ("b", {}))])
    assert warehouse.tables("one") == {"tracks": 2, "goal": 2}


def test_a_missing_right_is_named_and_once_granted_the_load_goes_through(
    postgres: PostgresServer, address: str, load: Loading
) -> None:
    postgres.run("DROP ROLE IF EXISTS guest; CREATE ROLE guest LOGIN")
    database = address.rpartition("/")[2]
    guest = PostgresWarehouse(postgres.url(database, user="guest"))
    with pytest.raises(Transient, match="Grant it") as raised:
        guest.load([load(0, ("a", {}))])
    assert raised.value.code == "warehouse_denied"
    postgres.run(f"GRANT CREATE ON DATABASE {database} TO guest")
    guest.load([load(0, ("a", {}))])
    postgres.run(f"REVOKE CREATE ON DATABASE {database} FROM guest")
    guest.load([load(1, ("b", {"x": 1}))])
    assert guest.tables("one") == {"tracks": 2, "goal": 2}


def test_a_column_that_a_view_depends_on_stays_and_what_it_cannot_take_is_discarded(
    postgres: PostgresServer, address: str, warehouse: PostgresWarehouse, load: Loading
) -> None:
    warehouse.load([load(0, ("a", {"x": 1, "free": 1}))])
    postgres.run("CREATE VIEW one.seen AS SELECT x FROM one.goal", address)
    (loaded,) = warehouse.load([load(1, ("b", {"x": "many", "free": "many"}), ("c", {"x": "7"}))])
    assert "column goal.x not widened: a view depends on it" in loaded.notices
    assert warehouse.query("SELECT x, free FROM one.goal ORDER BY id") == [
        {"x": 1, "free": "1"},
        {"x": None, "free": "many"},
        {"x": 7, "free": None},
    ]
    (discard,) = warehouse.query("SELECT column_name, value, message_id FROM one._discards")
    assert discard == {"column_name": "x", "value": "many", "message_id": "b"}


def test_a_column_type_that_someone_chose_is_kept_and_what_it_cannot_take_is_discarded(
    postgres: PostgresServer, address: str, warehouse: PostgresWarehouse, load: Loading
) -> None:
    warehouse.load([load(0, ("a", {"price": 1, "club": "PSV"}))])
    change = "ALTER TABLE one.goal ALTER price TYPE numeric(10, 2), ALTER club TYPE varchar(4)"
    postgres.run(change, address)
    (loaded,) = warehouse.load(
        [load(1, ("b", {"price": 2.5, "club": "Ajax"}), ("c", {"price": 10**12, "club": "Vitesse"}))]
    )
    assert loaded.discarded == 2
    expected = [
        {"price": 1, "club": "PSV"},
        {"price": 2.5, "club": "Ajax"},
        {"price": None, "club": None},
    ]
    assert warehouse.query("SELECT price, club FROM one.goal ORDER BY id") == expected
    values = warehouse.query("SELECT value FROM one._discards ORDER BY column_name")
    assert values[0] == {"value": "Vitesse"}


def test_a_table_without_its_key_still_takes_each_message_once(
    postgres: PostgresServer, address: str, warehouse: PostgresWarehouse, load: Loading
) -> None:
    warehouse.load([load(0, ("a", {}))])
    postgres.run("ALTER TABLE one.goal DROP CONSTRAINT goal_pkey", address)
    (loaded,) = warehouse.load([load(1, ("a", {}), ("b", {}))])
    assert loaded.rows == {"tracks": 1, "goal": 1}
    assert loaded.duplicates == 2


def test_another_unique_constraint_rejects_the_load(
    postgres: PostgresServer, address: str, warehouse: PostgresWarehouse, load: Loading
) -> None:
    warehouse.load([load(0, ("a", {"x": 1}))])
    postgres.run("ALTER TABLE one.goal ADD UNIQUE (x)", address)
    with pytest.raises(Rejected):
        warehouse.load([load(1, ("b", {"x": 1}))])
    assert warehouse.positions(SHARD)["one"].position == 1


def test_names_longer_than_the_servers_are_cut_and_stay_apart(warehouse: PostgresWarehouse, load: Loading) -> None:
    long = "x" * 80
    warehouse.load([load(0, ("a", {f"{long}1": 1, f"{long}2": 2, "Ж" * 40: 3}), event=f"Событие {long}")])
    (table,) = warehouse.table_names("one") - {"tracks"}
    row = warehouse.query(f'SELECT * FROM one."{table}"')[0]
    assert len(table.encode()) <= 63
    assert {value for name, value in row.items() if name.startswith(("xxx", "жжж"))} == {1, 2, 3}


def test_a_password_is_not_shown_and_a_wrong_address_is_refused() -> None:
    assert without_password("postgresql://u:secret@host/db") == "postgresql://u:***@host/db"
    for wrong in ("mysql://u:secret@host/db", "postgresql://u:secret@host"):
        with pytest.raises(Rejected) as raised:
            checked_url(wrong)
        assert "secret" not in raised.value.message


@pytest.mark.parametrize(
    ("sql", "answer"),
    [
        ("'infinity'::timestamptz", "infinity"),
        ("'-infinity'::timestamp", "-infinity"),
        ("'infinity'::date", "infinity"),
        ("'10000-01-01T00:00:00Z'::timestamptz", "10000-01-01T00:00:00.000Z"),
        ("'0001-12-31 BC'::date", "0000-12-31"),
        ("array['infinity'::timestamptz, null]", ["infinity", None]),
        ("'NaN'::numeric", "NaN"),
        ("'1 month 2 days'::interval", "P1M2DT0S"),
    ],
)
def test_a_value_that_python_cannot_hold_is_answered_as_text(
    warehouse: PostgresWarehouse, load: Loading, sql: str, answer: Any
) -> None:
    warehouse.load([load(0, ("a", {}))])
    assert warehouse.query(f"SELECT {sql} AS x") == [{"x": answer}]
