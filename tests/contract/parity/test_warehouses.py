from typing import Any

import pytest

from tests.contract.parity.conftest import Both, Refusal
from tests.postgres import PostgresServer
from tests.tracks import sync
from tifo.warehouses.names import ColumnWish, Wishes


def _listed(data: Any) -> Any:
    return [(each["id"], each["metadata"]["id"]) for each in data["warehouses"]]


def _named(printed: Any) -> Any:
    return [(each["name"], each["kind"]) for each in printed]


def test_warehouses_are_the_same_whoever_added_them(both: Both, postgres: PostgresServer) -> None:
    url = postgres.new_database()
    shop = both.cli("source", "create", "Shop", "--type", "http")
    both.cli("warehouse", "add", "postgres", url, "--source", "shop")
    body = {"metadataId": "postgres", "name": "Reports", "settings": {"url": postgres.new_database()}}
    assert both.api("POST", "/warehouses", body)["warehouse"]["id"] == "reports"
    both.api("POST", "/warehouses/reports/connected-sources/shop")
    printed = both.cli("warehouse", "list")
    assert _named(printed) == _listed(both.api("GET", "/warehouses"))
    assert {each["name"]: each["sources"] for each in printed} == {
        "duckdb": "all",
        "postgres": "shop",
        "reports": "shop",
    }
    loading = both.api("GET", f"/sources/{shop['id']}/connected-warehouses")
    assert _listed(loading) == _named(printed)
    assert both.cli("warehouse", "remove", "reports") == {"removed": "reports"}
    assert both.api("DELETE", "/warehouses/postgres") == {"status": "SUCCESS"}
    assert _named(both.cli("warehouse", "list")) == [("duckdb", "duckdb")]


def test_loads_are_the_same(both: Both) -> None:
    shop = both.cli("source", "create", "Shop", "--type", "http")
    both.backend.warehouses.record([sync(shop["id"]), sync(None, error="away")])
    printed = both.cli("warehouse", "syncs", "duckdb")
    answered = both.api("GET", "/warehouses/duckdb/syncs")["reports"]
    assert [(each["start"], sum(each["rows"].values())) for each in printed] == [
        (each["start"], each["count"]) for each in answered
    ]
    assert [each["error"] for each in printed] == ["away", None]
    (of_source,) = both.api("GET", "/warehouses/duckdb/connected-sources/shop/syncs")["reports"]
    assert of_source == answered[1]


def test_a_change_of_the_connected_sources_is_shown_by_both(both: Both, postgres: PostgresServer) -> None:
    """The command line connects sources as it adds a warehouse; it shows those that the API connects later."""
    for name in ("shop", "app"):
        both.cli("source", "create", name, "--type", "http")
    both.cli("warehouse", "add", "postgres", postgres.new_database(), "--source", "shop")

    def shown() -> Any:
        _, printed = both.cli("warehouse", "list")
        answered = both.api("GET", "/warehouses/postgres/connected-sources")["sources"]
        assert printed["sources"] == ", ".join(sorted(each["slug"] for each in answered))
        return printed["sources"]

    assert shown() == "shop"
    both.api("POST", "/warehouses/postgres/connected-sources/app")
    assert shown() == "app, shop"
    both.api("DELETE", "/warehouses/postgres/connected-sources/shop")
    assert shown() == "app"


def test_columns_are_the_same(both: Both) -> None:
    shop = both.cli("source", "create", "Shop", "--type", "http")
    wish = ColumnWish(table="pages", path=("firstName",), wanted="first_name", count=1)
    both.backend.schema_names.settle(shop["id"], Wishes(columns=[wish]))
    (printed,) = both.cli("warehouse", "columns", "duckdb", "--source", "shop")
    (answered,) = both.api("GET", "/warehouses/duckdb/connected-sources/shop/columns")["columns"]
    assert printed == {**{name: answered[name] for name in answered if name != "sourceId"}, "source": "shop"}
    assert (printed["column"], printed["key"], answered["sourceId"]) == ("first_name", "firstName", shop["id"])


def _body(url: str, **more: str) -> dict[str, Any]:
    return {"metadataId": "postgres", "settings": {"url": url}, **more}


@pytest.mark.parametrize(
    ("words", "ask"),
    [
        (["warehouse", "remove", "nowhere"], ("DELETE", "/warehouses/nowhere")),
        (["warehouse", "remove", "duckdb"], ("DELETE", "/warehouses/duckdb")),
        (["warehouse", "add", "fax", "fax://x"], ("POST", "/warehouses", {**_body("fax://x"), "metadataId": "fax"})),
        (
            ["warehouse", "add", "duckdb", "file"],
            ("POST", "/warehouses", {**_body("file"), "metadataId": "duckdb"}),
        ),
        (["warehouse", "resync", "nowhere"], ("GET", "/warehouses/nowhere")),
        (["warehouse", "columns", "nowhere"], ("GET", "/warehouses/nowhere/connected-sources/s/columns")),
        (["warehouse", "syncs", "nowhere"], ("GET", "/warehouses/nowhere/syncs")),
        (["warehouse", "add", "postgres", "no address"], ("POST", "/warehouses", _body("no address"))),
        (
            ["warehouse", "add", "postgres", "postgresql://u:hidden@127.0.0.1:1/d"],
            ("POST", "/warehouses", _body("postgresql://u:hidden@127.0.0.1:1/d")),
        ),
    ],
)
def test_both_refuse_alike(both: Both, words: list[str], ask: tuple[Any, ...]) -> None:
    refusal = both.same(words, ask)
    assert isinstance(refusal, Refusal)
    assert "hidden" not in refusal.message


def test_both_refuse_a_name_that_another_warehouse_has(both: Both, postgres: PostgresServer) -> None:
    url = postgres.new_database()
    both.cli("warehouse", "add", "postgres", url, "--name", "reports")
    again = ["warehouse", "add", "postgres", url, "--name", "reports"]
    assert isinstance(both.same(again, ("POST", "/warehouses", _body(url, name="Reports"))), Refusal)
