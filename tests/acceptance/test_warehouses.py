"""PostgreSQL beside DuckDB under the real `tifo up`: connected later, away for a while, loaded anew."""

import time
from collections.abc import Callable, Iterator
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
