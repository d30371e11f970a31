"""PostgreSQL beside DuckDB under the real `tifo up`: connected later, away for a while, loaded anew."""

import time
from collections.abc import Callable, Iterator
from subprocess import CalledProcessError
from typing import Any

import httpx
import pytest

from tests.commands import command
from tests.postgres import PostgresServer, postgres_server
from tifo.app.demo.local import LocalTifo
from tifo.app.settings import Settings
from tifo.warehouses.drivers.duckdb import DuckdbWarehouse

_WITHIN_S = 30.0


@pytest.fixture(scope="module")
def server() -> Iterator[PostgresServer]:
    with postgres_server() as running:
        yield running


def send(tifo: LocalTifo, write_key: str, start: int, end: int) -> None:
    batch = [
        {"type": "track", "messageId": f"m{n}", "userId": "fan", "event": "Goal", "properties": {"n": n}}
        for n in range(start, end)
    ]
    answer = httpx.post(f"{tifo.address}/v1/batch", json={"writeKey": write_key, "batch": batch})
    assert answer.status_code == 200


def until(condition: Callable[[], Any], reason: str) -> None:
    deadline = time.monotonic() + _WITHIN_S
    while not condition():
        assert time.monotonic() < deadline, reason
        time.sleep(0.1)


def test_a_warehouse_is_connected_later_and_one_that_is_away_holds_up_no_other(
    tifo: LocalTifo, server: PostgresServer
) -> None:
    site = tifo.command("source", "create", "Site", "--type", "http")
    other = tifo.command("source", "create", "Other", "--type", "http")
    schema = site["schema"]
    send(tifo, site["write_key"], 0, 40)
    send(tifo, other["write_key"], 0, 5)
    until(lambda: _in_duckdb(tifo, schema) == 40, "DuckDB has them")

    url = server.new_database()
    made = tifo.command("warehouse", "add", "postgres", url, "--source", site["slug"], "--wait")
    assert (made["name"], made["sources"]) == ("postgres", site["slug"])
    count = f"SELECT count(*), count(DISTINCT id), max(n) FROM {schema}.goal"
    assert server.run(count, url) == "40|40|39", "it got what came before it was connected"
    schemas = "SELECT count(*) FROM pg_namespace WHERE nspname = "
    assert server.run(f"{schemas}'{other['schema']}'", url) == "0"

    server.stop()
    send(tifo, site["write_key"], 40, 60)
    until(lambda: _in_duckdb(tifo, schema) == 60, "DuckDB does not wait for PostgreSQL")
    until(lambda: _statuses(tifo)[:1] == ["failure"], "the failure is told")
    listed = {row["name"]: row for row in command(Settings(data=tifo.data), "warehouse", "list")}
    assert listed["duckdb"]["waiting"] == 0
    assert listed["postgres"]["waiting"] is None
    assert "connect" in listed["postgres"]["error"]
    server.start()
    until(lambda: server.run(count, url) == "60|60|59", "it catches up, each event once")
    until(lambda: _statuses(tifo)[:1] == ["success"], "the success is told")
    assert sum(sync["rows"].get("goal", 0) for sync in _syncs(tifo)) == 60

    server.run(f"DROP TABLE {schema}.goal", url)
    assert tifo.command("warehouse", "resync", "postgres", "--wait") == [
        {"source": site["slug"], "since": "the beginning"}
    ]
    assert server.run(count, url) == "60|60|59"

    tifo.command("warehouse", "remove", "postgres")
    assert [row["name"] for row in tifo.command("warehouse", "list")] == ["duckdb"]


def _in_duckdb(tifo: LocalTifo, schema: str) -> int:
    return DuckdbWarehouse(Settings(data=tifo.data).warehouse).tables(schema).get("goal", 0)


def _statuses(tifo: LocalTifo) -> list[str]:
    return [sync["status"] for sync in _syncs(tifo)]


def _syncs(tifo: LocalTifo) -> list[dict[str, Any]]:
    syncs: list[dict[str, Any]] = command(Settings(data=tifo.data), "warehouse", "syncs", "postgres")
    return syncs


def test_a_flood_of_made_up_names_takes_nothing_from_the_next_real_event(
    tifo: LocalTifo, server: PostgresServer
) -> None:
    site = tifo.command("source", "create", "Flooded", "--type", "http")
    url = server.new_database()
    tifo.command("warehouse", "add", "postgres", url, "--name", "flooded", "--source", site["slug"])
    schema = site["schema"]

    def track(message_id: str, event: str, **properties: object) -> dict[str, Any]:
        call = {"type": "track", "messageId": message_id, "userId": "fan", "event": event}
        return {**call, "properties": properties}

    def post(*batch: dict[str, Any]) -> None:
        answer = httpx.post(f"{tifo.address}/v1/batch", json={"writeKey": site["write_key"], "batch": batch})
        assert answer.status_code == 200

    post(*(track(f"junk{n}", f"Junk {n}", n=n) for n in range(1_100)))
    tracks = f"SELECT count(*) AS n FROM {schema}.tracks"
    until(lambda: _rows(tifo, tracks) == [{"n": 1_100}], "every event is in tracks")
    assert tifo.data.joinpath("warehouse.duckdb").stat().st_size < 20_000_000
    post(track("real", "Order Completed", firstName="Ann"))
    until(lambda: _rows(tifo, f"SELECT first_name FROM {schema}.order_completed") == [{"first_name": "Ann"}], "real")
    post(track("next", "order_completed", **{"First Name": "Bob", "firstName": "Cid"}))
    names = f"SELECT first_name, first_name_2 FROM {schema}.order_completed ORDER BY id DESC"
    both = [{"first_name": "Ann", "first_name_2": None}, {"first_name": "Cid", "first_name_2": "Bob"}]
    until(lambda: _rows(tifo, names) == both, "each key has its column")
    until(lambda: server.run(names, url) == "Ann|\nCid|Bob", "in PostgreSQL too")
    listed = tifo.command("warehouse", "columns", "flooded", "--source", site["slug"], "--table", "order_completed")
    assert [(each["key"], each["column"]) for each in listed] == [
        (None, None),
        ("firstName", "first_name"),
        ("First Name", "first_name_2"),
    ]
    assert listed[0]["events"] == ["Order Completed", "order_completed"]


def _rows(tifo: LocalTifo, sql: str) -> Any:
    try:
        return tifo.query(sql)
    except CalledProcessError:  # the table is not there yet
        return None
