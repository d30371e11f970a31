"""The management API as an ASGI application, over the catalog in memory. Segment's SDK drives it in acceptance."""

from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from tests.described import check_answer
from tests.twins import TwinBackend
from tifo.api.management.app import MAX_BODY_BYTES, ManagementApi
from tifo.kernel.errors import Transient
from tifo.workspace.memory import InMemoryCatalog
from tifo.workspace.model import SourceType
from tifo.workspace.tokens import Role

TOKEN = "the-owner's-token"
Ask = Callable[..., Any]


def reach(_: str, url: str) -> None:
    if "away" in url:
        raise Transient("The warehouse is away.", retry_after_s=3)


@pytest.fixture
def backend() -> TwinBackend:
    made = TwinBackend(check_warehouse=reach)
    made.workspace_tokens.add("tests", Role.OWNER, TOKEN)
    return made


@pytest.fixture
def catalog(backend: TwinBackend) -> InMemoryCatalog:
    return backend.catalog


@pytest.fixture
def ask(backend: TwinBackend) -> Ask:
    api = ManagementApi(backend)

    async def ask(
        method: str,
        path: str,
        body: object = None,
        *,
        raw: bytes | None = None,
        token: str | None = TOKEN,
        query: str = "",
    ) -> tuple[int, Any, dict[bytes, bytes]]:
        sent = raw if raw is not None else b"" if body is None else msgspec.json.encode(body)
        headers = [] if token is None else [(b"authorization", f"Bearer {token}".encode())]
        scope = {"type": "http", "method": method, "path": f"/management{path}", "query_string": query.encode()}
        got: list[dict[str, Any]] = []

        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": sent, "more_body": False}

        async def send(message: Any) -> None:
            got.append(message)

        await api({**scope, "headers": headers}, receive, send)
        answer = msgspec.json.decode(got[1]["body"])
        check_answer(method, f"/management{path}", got[0]["status"], answer)
        return got[0]["status"], answer, dict(got[0]["headers"])

    return ask


@pytest.mark.parametrize("token", [None, "", "wrong", "x" * 5_000, "the-owner's-tokem"])
async def test_who_has_no_valid_token_learns_nothing(ask: Ask, token: str | None) -> None:
    for path in ("/sources", "/nowhere"):
        status, body, headers = await ask("GET", path, token=token)
        assert (status, body["errors"][0]["type"]) == (401, "unauthorized")
        assert headers[b"www-authenticate"] == b"Bearer"


async def test_an_unknown_path_and_a_wrong_method_are_told_apart(ask: Ask) -> None:
    assert (await ask("GET", "/nowhere"))[0] == 404
    status, body, headers = await ask("PUT", "/sources")
    assert (status, body["errors"][0]["type"], headers[b"allow"]) == (405, "method-not-allowed", b"GET, POST")


@pytest.mark.parametrize(
    ("raw", "field"),
    [
        (b"{", None),
        (b"[]", None),
        (b'{"slug": 1, "enabled": true, "metadataId": "node"}', "slug"),
        (b'{"slug": "a", "enabled": true}', "metadataId"),
        (b'{"slug": "a", "enabled": true, "metadataId": "node", "bogus": 1}', "bogus"),
        (b'{"slug": "a", "enabled": true, "metadataId": "node", "settings": {"x": 1}}', "settings"),
        (b'{"slug": "a\\u0000", "enabled": true, "metadataId": "node"}', "slug"),
    ],
)
async def test_a_body_that_is_wrong_names_its_field_and_makes_nothing(
    ask: Ask, catalog: InMemoryCatalog, raw: bytes, field: str | None
) -> None:
    status, body, _ = await ask("POST", "/sources", raw=raw)
    assert (status, body["errors"][0].get("field")) == (400, field)
    assert catalog.sources() == []


async def test_a_body_that_is_too_large_is_refused(ask: Ask) -> None:
    status, body, _ = await ask("POST", "/sources", raw=b" " * (MAX_BODY_BYTES + 1))
    assert (status, body["errors"][0]["type"]) == (413, "payload-too-large")


async def test_a_warehouse_that_is_away_is_not_made(ask: Ask) -> None:
    body = {"metadataId": "postgres", "settings": {"url": "postgresql://away/x"}}
    status, answer, headers = await ask("POST", "/warehouses", body)
    assert (status, answer["errors"][0]["type"], headers[b"retry-after"]) == (503, "service-unavailable", b"3")
    assert len((await ask("GET", "/warehouses"))[1]["data"]["warehouses"]) == 1


async def test_no_answer_holds_a_warehouses_password(ask: Ask) -> None:
    settings = {"hostname": "db", "port": 5433, "database": "d", "username": "u", "password": "hidden/word"}
    status, made, _ = await ask("POST", "/warehouses", {"metadataId": "postgres", "settings": settings})
    assert status == 200
    assert made["data"]["warehouse"]["settings"] == {
        "name": "postgres",
        "hostname": "db",
        "port": "5433",
        "database": "d",
        "username": "u",
    }
    assert "hidden" not in str(await ask("GET", "/warehouses"))


@pytest.mark.parametrize("cursor", ["nonsense", "%FF", "bm93aGVyZQ=="])
async def test_a_cursor_that_points_nowhere_is_refused(ask: Ask, cursor: str) -> None:
    status, body, _ = await ask("GET", "/sources", query=f"pagination[cursor]={cursor}")
    assert (status, body["errors"][0]["field"]) == (400, "pagination.cursor")


@pytest.mark.parametrize("count", ["0", "-1", "201", "x", "1e3", "²", ""])
async def test_a_count_out_of_range_is_refused(ask: Ask, count: str) -> None:
    status, body, _ = await ask("GET", "/sources", query=f"pagination[count]={count}")
    assert (status, body["errors"][0]["field"]) == (400, "pagination.count")


async def test_pages_lead_forward_and_back(ask: Ask, catalog: InMemoryCatalog) -> None:
    slugs = [catalog.create_source(f"S {number}", SourceType.HTTP).slug for number in range(5)]

    async def page(cursor: str) -> tuple[list[str], dict[str, Any]]:
        data = (await ask("GET", "/sources", query=f"pagination[count]=2&pagination[cursor]={cursor}"))[1]["data"]
        return [source["slug"] for source in data["sources"]], data["pagination"]

    first, at_first = await page("")
    second, at_second = await page(at_first["next"])
    third, at_third = await page(at_second["next"])
    assert first + second + third == slugs
    assert ("next" in at_third, "previous" in at_first) == (False, False)
    assert (await page(at_third["previous"]))[0] == second
    assert at_second["totalEntries"] == 5


async def test_the_schema_changes_only_where_it_is_asked_for(ask: Ask, catalog: InMemoryCatalog) -> None:
    made = catalog.create_source("Shop", SourceType.HTTP)
    assert (await ask("PATCH", f"/sources/{made.id}", {"name": "New"}))[1]["data"]["source"]["settings"] == {
        "schema": "shop"
    }
    body = {"settings": {"schema": "other"}}
    assert (await ask("PATCH", f"/sources/{made.id}", body))[1]["data"]["source"]["settings"] == {"schema": "other"}
