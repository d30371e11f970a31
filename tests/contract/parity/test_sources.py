from typing import Any

import pytest

from tests.contract.parity.conftest import Both, Refusal


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


@pytest.mark.parametrize(
    ("words", "ask"),
    [
        (["source", "enable", "nowhere"], ("PATCH", "/sources/nowhere", {"enabled": True})),
        (["source", "delete", "nowhere"], ("DELETE", "/sources/nowhere")),
        (["source", "key", "create", "nowhere"], ("POST", "/sources/nowhere/writekey")),
        (["source", "key", "remove", "shop", "unknown"], ("DELETE", "/sources/shop/writekey/unknown")),
        (["source", "rename", "shop", " "], ("PATCH", "/sources/shop", {"name": " "})),
        (["source", "rename", "shop", "--slug", "Not One"], ("PATCH", "/sources/shop", {"slug": "Not One"})),
        (["source", "rename", "shop", "--slug", "other"], ("PATCH", "/sources/shop", {"slug": "other"})),
        (["source", "rename", "shop", "--schema", "1"], ("PATCH", "/sources/shop", {"settings": {"schema": "1"}})),
        (
            ["source", "sync", "shop", "--warehouse", "nowhere"],
            ("GET", "/warehouses/nowhere/connected-sources/shop/selective-syncs"),
        ),
    ],
)
def test_both_refuse_alike(both: Both, words: list[str], ask: tuple[Any, ...]) -> None:
    for name in ("shop", "other"):
        both.cli("source", "create", name, "--type", "http")
    assert isinstance(both.same(words, ask), Refusal)


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
