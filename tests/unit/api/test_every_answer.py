"""Every operation of the management API is performed once, and answers as the document says: no field more or less."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import msgspec
import pytest

from tests.described import check_answer, document, operation_of
from tests.twins import TwinBackend
from tests.unit.operations.conftest import NOW, VendorKind
from tifo.api.management.app import ROOT, ManagementApi
from tifo.destinations import catalog
from tifo.kernel.ids import SourceId
from tifo.workspace.model import SourceType
from tifo.workspace.tokens import Role
from tifo.workspace.warehouses import BUILT_IN, Sync, SyncStatus

TOKEN = "the-owner's-token"
RULE = {"type": "TRACK", "key": "Seen", "version": 1, "jsonSchema": {"type": "object"}}
WINDOW = "startTime=2026-11-24T09:00:00Z&endTime=2026-11-24T10:00:00Z&granularity=HOUR"
DROP = {"if": "type = 'identify'", "actions": [{"type": "DROP"}]}
SETTINGS = {"hostname": "db", "database": "reports", "username": "tifo"}
Do = Callable[..., Awaitable[Any]]


@pytest.fixture
def performed() -> set[str]:
    return set()


@pytest.fixture
def do(monkeypatch: pytest.MonkeyPatch, performed: set[str]) -> Do:
    kind, own = VendorKind(), catalog.kinds()
    monkeypatch.setattr(catalog, "kinds", lambda: (*own, kind))
    backend = TwinBackend(clock=lambda: NOW)
    backend.workspace_tokens.add("tests", Role.OWNER, TOKEN)
    api = ManagementApi(backend)

    async def do(method: str, path: str, body: object = None, query: str = "") -> Any:
        answers: list[Mapping[str, Any]] = []

        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": b"" if body is None else msgspec.json.encode(body)}

        async def send(message: Any) -> None:
            answers.append(message)

        scope = {"type": "http", "method": method, "path": f"{ROOT}{path}", "query_string": query.encode()}
        await api({**scope, "headers": [(b"authorization", f"Bearer {TOKEN}".encode())]}, receive, send)
        answer = msgspec.json.decode(answers[1]["body"])
        assert answers[0]["status"] == 200, (method, path, answer)
        check_answer(method, f"{ROOT}{path}", 200, answer)
        found = operation_of(method, f"{ROOT}{path}")
        assert found is not None, f"{method} {path} is not described"
        performed.add(found[1]["operationId"])
        return answer["data"]

    source = backend.catalog.create_source("Loaded", SourceType.HTTP)
    backend.warehouses.record([_sync(source.id)])
    return do


def _sync(source_id: SourceId) -> Sync:
    return Sync(
        warehouse=BUILT_IN,
        source_id=source_id,
        status=SyncStatus.FAILURE,
        started_at=NOW,
        finished_at=NOW,
        rows={"tracks": 2, "pages": 1},
        notices=["A column was widened."],
        error="The disk is full.",
    )


async def _read_catalog(do: Do) -> None:
    await do("GET", "/")
    for nouns, kind in (("sources", "http"), ("warehouses", "postgres"), ("destinations", "vendor")):
        await do("GET", f"/catalog/{nouns}", query="pagination[count]=1")
        await do("GET", f"/catalog/{nouns}/{kind}")


async def _use_sources(do: Do) -> str:
    await do("POST", "/sources", {"slug": "shop", "enabled": True, "metadataId": "http"})
    await do("GET", "/sources")
    await do("PATCH", "/sources/shop", {"name": "Shop"})
    made = await do("POST", "/sources/shop/writekey")
    await do("DELETE", f"/sources/shop/writekey/{made['source']['writeKeys'][0]}")
    await do("GET", "/sources/shop/settings")
    forwarding = {"track": {"allowUnplannedEvents": False}, "forwardingViolationsTo": "loaded"}
    await do("PATCH", "/sources/shop/settings", forwarding)
    source_id: str = (await do("GET", "/sources/shop"))["source"]["id"]
    return source_id


async def _use_warehouses(do: Do) -> None:
    await do("POST", "/warehouses/validation", {"metadataId": "postgres", "settings": SETTINGS})
    await do("POST", "/warehouses", {"metadataId": "postgres", "name": "reports", "settings": SETTINGS})
    await do("GET", "/warehouses")
    await do("GET", "/warehouses/reports")
    await do("PATCH", "/warehouses/reports", {"enabled": False})
    await do("GET", "/warehouses/reports/connection-state")
    await do("POST", "/warehouses/reports/connected-sources/shop")
    await do("GET", "/warehouses/reports/connected-sources")
    await do("GET", "/sources/shop/connected-warehouses")
    await do("DELETE", "/warehouses/reports/connected-sources/shop")
    off = {"sourceId": "loaded", "collection": "tracks", "property": "url", "enabled": False}
    await do("PATCH", f"/warehouses/{BUILT_IN}/selective-sync", {"syncOverrides": [off]})
    await do("GET", f"/warehouses/{BUILT_IN}/connected-sources/loaded/selective-syncs")
    await do("GET", f"/warehouses/{BUILT_IN}/connected-sources/loaded/columns")
    await do("GET", f"/warehouses/{BUILT_IN}/syncs")
    await do("GET", f"/warehouses/{BUILT_IN}/connected-sources/loaded/syncs")
    await do("DELETE", "/warehouses/reports")


async def _use_tracking_plans(do: Do) -> None:
    await do("POST", "/tracking-plans", {"name": "Orders", "type": "LIVE"})
    await do("GET", "/tracking-plans", query="type=LIVE")
    await do("PATCH", "/tracking-plans/Orders", {"description": "What we sell"})
    await do("GET", "/tracking-plans/Orders")
    await do("PUT", "/tracking-plans/Orders/rules", {"rules": [RULE]})
    await do("PATCH", "/tracking-plans/Orders/rules", {"rules": [{**RULE, "newKey": "Watched"}]})
    common = {"type": "COMMON", "version": 1, "jsonSchema": {}}
    await do("PATCH", "/tracking-plans/Orders/rules", {"rules": [common]})
    await do("GET", "/tracking-plans/Orders/rules")
    await do("DELETE", "/tracking-plans/Orders/rules", query='rules=[{"type":"TRACK","key":"Watched","version":1}]')
    await do("POST", "/tracking-plans/Orders/sources", {"sourceId": "shop"})
    await do("GET", "/tracking-plans/Orders/sources")
    await do("DELETE", "/tracking-plans/Orders/sources", query="sourceId=shop")
    await do("DELETE", "/tracking-plans/Orders")


async def _use_destinations(do: Do, source_id: str) -> None:
    new = {"sourceId": source_id, "metadataId": "vendor", "name": "crm", "settings": {}}
    await do("POST", "/destinations", new)
    await do("GET", "/destinations")
    await do("GET", "/destinations/crm")
    await do("PATCH", "/destinations/crm", {"enabled": False})
    await do("GET", "/sources/shop/connected-destinations")
    await do("GET", "/destinations/crm/delivery-metrics")
    made = {"name": "Votes", "actionId": "trackEvent", "trigger": 'type = "track"', "enabled": True}
    await do("POST", "/destinations/crm/subscriptions", made)
    await do("GET", "/destinations/crm/subscriptions")
    await do("PATCH", "/destinations/crm/subscriptions/Votes", {"input": {"enabled": False}})
    await do("GET", "/destinations/crm/subscriptions/Votes")
    await do("DELETE", "/destinations/crm/subscriptions/Votes")
    await do("POST", "/destination/crm/filters", {**DROP, "sourceId": source_id, "title": "No traits", "enabled": True})
    await do("GET", "/destination/crm/filters")
    await do("GET", "/destination/crm/filters/No traits")
    sample = {"type": "SAMPLE", "percent": 0.5, "path": "userId"}
    await do("PATCH", "/destination/crm/filters/No traits", {"actions": [sample]})
    await do("DELETE", "/destination/crm/filters/No traits")
    for kind in ("identify", "track"):
        await do("POST", "/destination/filters/preview", {"filter": DROP, "payload": {"type": kind}})


async def _count_deliveries(do: Do) -> None:
    for what in ("successful-delivery", "failed-delivery", "filtered-at-destination"):
        await do("GET", f"/delivery-overview/{what}", query=f"destinationConfigId=crm&{WINDOW}&groupBy[0]=eventName")
    for what in ("successfully-received", "failed-on-ingest", "filtered-at-source"):
        await do("GET", f"/delivery-overview/{what}", query=f"sourceId=shop&{WINDOW}")


async def test_every_operation_answers_as_the_document_says(do: Do, performed: set[str]) -> None:
    await _read_catalog(do)
    source_id = await _use_sources(do)
    await _use_warehouses(do)
    await _use_tracking_plans(do)
    await _use_destinations(do, source_id)
    await _count_deliveries(do)
    await do("DELETE", "/destinations/crm")
    await do("DELETE", "/sources/shop")
    described = {
        operation["operationId"]
        for path, methods in document()["paths"].items()
        for operation in methods.values()
        if path.startswith(ROOT)
    }
    assert described - performed == set()
