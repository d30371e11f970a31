from typing import Any

import pytest

from tests.contract.parity.conftest import Both, Refusal

SYNC = "/warehouses/duckdb/selective-sync"


def _off(source: str, table: str, column: str | None = None) -> Any:
    named = {} if column is None else {"property": column}
    return {"syncOverrides": [{"sourceId": source, "collection": table, "enabled": False, **named}]}


def _listed(data: Any) -> Any:
    return [_source(each) for each in data["sources"]]


def _source(shown: Any) -> Any:
    return {
        "id": shown["id"],
        "name": shown["name"],
        "slug": shown["slug"],
        "schema": shown["settings"]["schema"],
        "type": shown["metadata"]["id"],
        "enabled": shown["enabled"],
        "write_key": shown["writeKeys"][0],
        "write_keys": len(shown["writeKeys"]),
    }


def test_sources_are_the_same_whoever_made_them(both: Both) -> None:
    printed = both.cli("source", "create", "Web Shop", "--type", "http")
    answered = both.api("POST", "/sources", {"slug": "app", "enabled": True, "metadataId": "node"})["source"]
    listed = both.same(["source", "list"], ("GET", "/sources"), _listed)
    assert [each["slug"] for each in listed] == [printed["slug"], answered["slug"]] == ["web_shop", "app"]


def test_a_source_is_found_by_slug_and_by_id(both: Both) -> None:
    made = both.cli("source", "create", "Shop", "--type", "http")
    for name in (made["id"], made["slug"]):
        assert _source(both.api("PATCH", f"/sources/{name}", {"enabled": False})["source"]) == both.cli(
            "source", "disable", name
        )
        assert both.api("POST", f"/sources/{name}/writekey")["source"]["writeKeys"][0] == made["write_key"]
    assert len(both.cli("source", "key", "list", "shop")) == 3


def test_a_source_is_renamed_the_same(both: Both) -> None:
    both.cli("source", "create", "Shop", "--type", "http")
    both.cli("source", "create", "App", "--type", "http")
    printed = both.cli("source", "rename", "shop", "Store", "--slug", "store", "--schema", "s1")
    body = {"name": "Mobile", "slug": "mobile", "settings": {"schema": "s2"}}
    answered = _source(both.api("PATCH", "/sources/app", body)["source"])
    assert both.same(["source", "list"], ("GET", "/sources"), _listed) == [printed, answered]
    assert (printed["slug"], answered["slug"], answered["name"]) == ("store", "mobile", "Mobile")


def test_a_source_is_enabled_again_by_both(both: Both) -> None:
    both.cli("source", "create", "Shop", "--type", "http")
    both.api("PATCH", "/sources/shop", {"enabled": False})
    printed = both.cli("source", "enable", "shop")
    assert printed == _source(both.api("PATCH", "/sources/shop", {"enabled": True})["source"])
    assert printed["enabled"]


def test_both_delete(both: Both) -> None:
    for name in ("shop", "app"):
        both.cli("source", "create", name, "--type", "http")
    assert both.cli("source", "delete", "shop")["deleted"] == "shop"
    assert both.api("DELETE", "/sources/app") == {"status": "SUCCESS"}
    assert both.same(["source", "list"], ("GET", "/sources"), _listed) == []


def test_write_keys_are_the_same_whoever_made_and_removed_them(both: Both) -> None:
    first = both.cli("source", "create", "Shop", "--type", "http")["write_key"]
    second = both.cli("source", "key", "create", "shop")["write_key"]
    *_, third = both.api("POST", "/sources/shop/writekey")["source"]["writeKeys"]

    def listed() -> Any:
        keys = [each["write_key"] for each in both.cli("source", "key", "list", "shop")]
        assert keys == both.api("GET", "/sources/shop")["source"]["writeKeys"]
        return keys

    assert listed() == [first, second, third]
    assert both.cli("source", "key", "remove", "shop", first) == {"source": "shop", "write_keys": 2}
    assert both.api("DELETE", f"/sources/shop/writekey/{third}") == {"status": "SUCCESS"}
    assert listed() == [second]


def test_the_kinds_are_the_same(both: Both) -> None:
    def kinds(data: Any) -> Any:
        return [
            {"type": each["id"], "name": each["name"], "description": each["description"]}
            for each in data["sourcesCatalog"]
        ]

    assert {"http", "livelike"} <= {
        each["type"] for each in both.same(["source", "kinds"], ("GET", "/catalog/sources"), kinds)
    }


@pytest.mark.parametrize(
    ("words", "ask"),
    [
        (["source", "enable", "nowhere"], ("PATCH", "/sources/nowhere", {"enabled": True})),
        (["source", "delete", "nowhere"], ("DELETE", "/sources/nowhere")),
        (["source", "key", "create", "nowhere"], ("POST", "/sources/nowhere/writekey")),
        (["source", "disable", "nowhere"], ("PATCH", "/sources/nowhere", {"enabled": False})),
        (["source", "delete", "used"], ("DELETE", "/sources/used")),
        (["source", "key", "list", "nowhere"], ("GET", "/sources/nowhere")),
        (["source", "key", "remove", "nowhere", "x"], ("DELETE", "/sources/nowhere/writekey/x")),
        (["source", "key", "remove", "shop", "unknown"], ("DELETE", "/sources/shop/writekey/unknown")),
        (["source", "rename", "shop", " "], ("PATCH", "/sources/shop", {"name": " "})),
        (["source", "rename", "shop", "--slug", "Not One"], ("PATCH", "/sources/shop", {"slug": "Not One"})),
        (["source", "rename", "shop", "--slug", "other"], ("PATCH", "/sources/shop", {"slug": "other"})),
        (["source", "rename", "shop", "--schema", "1"], ("PATCH", "/sources/shop", {"settings": {"schema": "1"}})),
        (
            ["source", "sync", "shop", "--warehouse", "nowhere"],
            ("GET", "/warehouses/nowhere/connected-sources/shop/selective-syncs"),
        ),
        (
            ["source", "sync", "nowhere"],
            ("GET", "/warehouses/duckdb/connected-sources/nowhere/selective-syncs"),
        ),
        (["source", "sync", "shop", "--off", "tracks.id"], ("PATCH", SYNC, _off("shop", "tracks", "id"))),
        (["source", "sync", "shop", "--off", "_discards"], ("PATCH", SYNC, _off("shop", "_discards"))),
        (["source", "sync", "nowhere", "--off", "pages"], ("PATCH", SYNC, _off("nowhere", "pages"))),
        (
            ["source", "sync", "shop", "--warehouse", "nowhere", "--off", "pages"],
            ("PATCH", "/warehouses/nowhere/selective-sync", _off("shop", "pages")),
        ),
    ],
)
def test_both_refuse_alike(both: Both, words: list[str], ask: tuple[Any, ...]) -> None:
    for name in ("shop", "other"):
        both.cli("source", "create", name, "--type", "http")
    used = both.cli("source", "create", "used", "--type", "livelike")
    club = both.cli("app", "create", "Club")
    both.cli("app", "connect", club["client_id"], "--write-key", used["write_key"])
    assert isinstance(both.same(words, ask), Refusal)


def test_both_refuse_to_remove_the_last_write_key(both: Both) -> None:
    key = both.cli("source", "create", "Shop", "--type", "http")["write_key"]
    refusal = both.same(["source", "key", "remove", "shop", key], ("DELETE", f"/sources/shop/writekey/{key}"))
    assert isinstance(refusal, Refusal)


def test_selective_sync_is_the_same(both: Both) -> None:
    made = both.cli("source", "create", "Shop", "--type", "http")
    both.cli("source", "sync", "shop", "--off", "pages", "--off", "tracks.url")
    overrides = [{"sourceId": made["id"], "collection": "groups", "enabled": False}]
    assert both.api("PATCH", "/warehouses/duckdb/selective-sync", {"syncOverrides": overrides})["status"] == "UPDATED"

    def off(data: Any) -> Any:
        tables = [each["collection"] for each in data["items"] if not each["enabled"]]
        columns = [(each["collection"], column) for each in data["items"] for column in each["properties"]]
        return [{"table": table, "column": None, "loaded": False} for table in tables] + [
            {"table": table, "column": column, "loaded": False} for table, column in columns
        ]

    path = f"/warehouses/duckdb/connected-sources/{made['id']}/selective-syncs"
    assert len(both.same(["source", "sync", "shop"], ("GET", path), off)) == 3
    printed = both.cli("source", "sync", "shop", "--on", "pages")
    assert printed == off(both.api("GET", path))
    assert [each["table"] for each in printed] == ["groups", "tracks"]
