"""Segment's own SDK (`@segment/public-api-sdk-typescript`, as npm has it) against the real `tifo up`."""

import contextlib
import json
import os
import shutil
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from tests.postgres import PostgresServer
from tifo.app import compose
from tifo.app.demo.local import LocalTifo
from tifo.app.settings import load_settings
from tifo.destinations.actions import installing
from tifo.workspace.tokens import Role

FOLDER = Path(__file__).parent / "public_api_sdk"
WITHIN_S = 10.0
Call = Callable[..., Any]


class SdkError(Exception):
    def __init__(self, error: dict[str, Any]) -> None:
        super().__init__(json.dumps(error))
        self.type = error.get("type")
        self.status = error.get("status")
        self.field = error.get("field")


class Sdk:
    """`sdk("sources", "createSource", {...})`: the SDK's own function, in Node."""

    def __init__(self, address: str, token: str) -> None:
        self.token = token
        self._process = subprocess.Popen(
            ["node", "drive.cjs", f"{address}/management", token],
            cwd=FOLDER,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            encoding="utf-8",
        )

    def __call__(self, api: str, call: str, *args: object) -> Any:
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.write(json.dumps({"api": api, "call": call, "args": args}) + "\n")
        self._process.stdin.flush()
        answer = json.loads(self._process.stdout.readline())
        if "error" in answer:
            raise SdkError(answer["error"])
        return answer["value"]

    def close(self) -> None:
        self._process.communicate(timeout=30)


@pytest.fixture(scope="module")
def tifo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalTifo]:
    """Its destinations may reach this machine."""
    local = LocalTifo(tmp_path_factory.mktemp("tifo") / "data", {"TIFO_EGRESS_ALLOW": "127.0.0.0/8"})
    with local.up("--flush-s", "0.3"):
        yield local


@pytest.fixture(scope="module")
def npm_packages() -> None:
    missing = [tool for tool in ("node", "npm") if shutil.which(tool) is None]
    if missing:
        (pytest.fail if "CI" in os.environ else pytest.skip)(f"needs {', '.join(missing)} on PATH")
    wanted, installed = FOLDER / "package-lock.json", FOLDER / "node_modules" / ".package-lock.json"
    if installed.exists() and installed.stat().st_mtime >= wanted.stat().st_mtime:
        return
    command = ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
    done = subprocess.run(command, cwd=FOLDER, capture_output=True, text=True, timeout=300, check=False)
    if done.returncode:
        (pytest.fail if "CI" in os.environ else pytest.skip)(f"npm ci failed: {done.stderr[-500:]}")


@pytest.fixture(scope="module")
def sdks(tifo: LocalTifo, npm_packages: None) -> Iterator[dict[str, Sdk]]:  # noqa: ARG001 (installed before)
    """One for each role."""
    with compose.opened(load_settings({"data": tifo.data})) as backend, contextlib.ExitStack() as stack:
        made = {}
        for role in Role:
            backend.workspace_tokens.add(role, role, f"token-of-the-{role}")
            made[role.value] = Sdk(tifo.address, f"token-of-the-{role}")
            stack.callback(made[role.value].close)
        yield made


@pytest.fixture
def owner(sdks: dict[str, Sdk]) -> Sdk:
    return sdks["owner"]


@pytest.fixture
def viewer(sdks: dict[str, Sdk]) -> Sdk:
    return sdks["viewer"]


def sends(tifo: LocalTifo, call: Call, write_key: str) -> int:
    status: int = call("POST", f"{tifo.address}/v1/track", {"userId": "ada", "event": "Seen"}, write_key=write_key)[0]
    return status


def until(condition: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + WITHIN_S
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


def new_source(owner: Sdk, slug: str, **more: object) -> Any:
    body = {"slug": slug, "enabled": True, "metadataId": "node", **more}
    return owner("sources", "createSource", body)["source"]


def test_the_workspace_and_its_catalog_are_read(viewer: Sdk) -> None:
    assert viewer("workspaces", "getWorkspace")["workspace"]["slug"] == "tifo"
    kinds = viewer("catalog", "getSourcesCatalog", {"count": 100})["sourcesCatalog"]
    assert {"livelike", "http", "javascript", "node", "python"} <= {kind["id"] for kind in kinds}
    metadata = viewer("catalog", "getSourceMetadata", "node")["sourceMetadata"]
    assert (metadata["name"], metadata["slug"], metadata["isCloudEventSource"]) == ("Node.js", "node", False)
    assert viewer("catalog", "getWarehouseMetadata", "postgres")["warehouseMetadata"]["name"] == "Postgres"
    assert [each["id"] for each in viewer("catalog", "getWarehousesCatalog", {"count": 10})["warehousesCatalog"]] == [
        "postgres",
        "duckdb",
    ]


def test_a_source_lives_from_its_making_to_its_deletion(tifo: LocalTifo, call: Call, owner: Sdk) -> None:
    made = new_source(owner, "web-shop")
    assert (made["slug"], made["enabled"], made["metadata"]["id"]) == ("web-shop", True, "node")
    [key] = made["writeKeys"]
    assert until(lambda: sends(tifo, call, key) == 200)
    renamed = owner("sources", "updateSource", made["id"], {"name": "Shop", "enabled": False})["source"]
    assert (renamed["name"], renamed["slug"], renamed["enabled"]) == ("Shop", "web-shop", False)
    assert until(lambda: sends(tifo, call, key) == 400)
    assert owner("sources", "getSource", made["id"])["source"] == renamed
    owner("sources", "updateSource", made["id"], {"enabled": True})
    assert until(lambda: sends(tifo, call, key) == 200)
    assert owner("sources", "deleteSource", made["id"])["status"] == "SUCCESS"
    assert until(lambda: sends(tifo, call, key) == 401)
    with pytest.raises(SdkError) as caught:
        owner("sources", "getSource", made["id"])
    assert (caught.value.type, caught.value.status) == ("not-found", 404)


def test_a_write_key_is_rotated(tifo: LocalTifo, call: Call, owner: Sdk) -> None:
    made = new_source(owner, "rotated")
    old, new = owner("sources", "createWriteKeyForSource", made["id"])["source"]["writeKeys"]
    assert until(lambda: sends(tifo, call, new) == 200)
    assert owner("sources", "removeWriteKeyFromSource", made["id"], old)["status"] == "SUCCESS"
    assert until(lambda: sends(tifo, call, old) == 401)
    assert sends(tifo, call, new) == 200
    with pytest.raises(SdkError) as caught:
        owner("sources", "removeWriteKeyFromSource", made["id"], new)
    assert caught.value.status == 409


def test_sources_are_listed_in_pages_each_once(owner: Sdk) -> None:
    made = {new_source(owner, f"page-{number}")["id"] for number in range(5)}
    seen: list[str] = []
    page: dict[str, Any] = {"count": 2}
    while True:
        answer = owner("sources", "listSources", page)
        seen += [source["id"] for source in answer["sources"]]
        if "next" not in answer["pagination"]:
            break
        page = {"count": 2, "cursor": answer["pagination"]["next"]}
    assert made <= set(seen)
    assert len(seen) == len(set(seen)) == answer["pagination"]["totalEntries"]


def test_an_error_names_its_field(owner: Sdk) -> None:
    new_source(owner, "twice")
    for body, status, field in [
        ({"slug": "twice", "enabled": True, "metadataId": "node"}, 409, "slug"),
        ({"slug": "No Slug", "enabled": True, "metadataId": "node"}, 400, "slug"),
        ({"slug": "unknown-kind", "enabled": True, "metadataId": "fax"}, 404, "metadataId"),
    ]:
        with pytest.raises(SdkError) as caught:
            owner("sources", "createSource", body)
        assert (caught.value.status, caught.value.field) == (status, field)
    with pytest.raises(SdkError) as caught:
        owner("sources", "listSources", {"count": 1000})
    assert (caught.value.status, caught.value.field) == (400, "pagination.count")


def test_a_viewer_sees_no_secret_and_changes_nothing(sdks: dict[str, Sdk]) -> None:
    owner, editor, viewer = (sdks[role] for role in ("owner", "editor", "viewer"))
    made = new_source(editor, "guarded")
    assert viewer("sources", "getSource", made["id"])["source"]["writeKeys"] == []
    assert all(each["writeKeys"] == [] for each in viewer("sources", "listSources", {"count": 200})["sources"])
    tries: list[tuple[Sdk, str, list[object]]] = [
        (viewer, "createSource", [{"slug": "x", "enabled": True, "metadataId": "node"}]),
        (viewer, "updateSource", [made["id"], {"enabled": False}]),
        (viewer, "createWriteKeyForSource", [made["id"]]),
        (viewer, "removeWriteKeyFromSource", [made["id"], made["writeKeys"][0]]),
        (viewer, "deleteSource", [made["id"]]),
        (editor, "deleteSource", [made["id"]]),
    ]
    for sdk, call, args in tries:
        with pytest.raises(SdkError) as caught:
            sdk("sources", call, *args)
        assert (caught.value.type, caught.value.status) == ("forbidden", 403)
    assert owner("sources", "getSource", made["id"])["source"] == made


def test_a_revoked_token_is_refused_at_once(tifo: LocalTifo, call: Call) -> None:
    made = tifo.command("workspace", "token", "create", "--name", "gone", "--role", "owner")
    assert call("GET", f"{tifo.address}/management/sources", token=made["token"]).status == 200
    tifo.command("workspace", "token", "revoke", made["id"])
    answer = call("GET", f"{tifo.address}/management/sources", token=made["token"])
    assert (answer.status, answer.body["errors"][0]["type"]) == (401, "unauthorized")


def test_a_warehouse_is_connected_to_chosen_sources(
    tifo: LocalTifo, call: Call, owner: Sdk, viewer: Sdk, postgres: PostgresServer
) -> None:
    url = postgres.new_database()
    settings = {"url": url}
    checked = owner("warehouses", "createValidationInWarehouse", {"metadataId": "postgres", "settings": settings})
    assert checked["status"] == "CONNECTED"
    wrong = {"hostname": "127.0.0.1", "port": "1", "database": "d", "username": "u", "password": "hidden-word"}
    failed = owner("warehouses", "createValidationInWarehouse", {"metadataId": "postgres", "settings": wrong})
    assert failed["status"] == "FAILED"
    body = {"metadataId": "postgres", "name": "Reports", "settings": settings}
    made = owner("warehouses", "createWarehouse", body)["warehouse"]
    assert (made["id"], made["enabled"], made["settings"]["name"]) == ("reports", True, "reports")
    assert owner("warehouses", "getConnectionStateFromWarehouse", "reports")["connectionState"] == "CONNECTED"
    listed = viewer("warehouses", "listWarehouses", {"count": 10})["warehouses"]
    assert [each["id"] for each in listed] == ["duckdb", "reports"]

    source = new_source(owner, "loaded")
    [key] = source["writeKeys"]
    assert owner("warehouses", "listConnectedSourcesFromWarehouse", "reports", {"count": 10})["sources"] == []
    connected = owner("warehouses", "addConnectionFromSourceToWarehouse", "reports", source["id"])
    assert connected["status"] == "CONNECTED"
    taking = viewer("sources", "listConnectedWarehousesFromSource", source["id"], {"count": 10})["warehouses"]
    assert [each["id"] for each in taking] == ["duckdb", "reports"]
    assert until(lambda: sends(tifo, call, key) == 200)

    def loaded() -> bool:
        reports = owner("selectiveSync", "listSyncsFromWarehouseAndSource", "reports", source["id"], {"count": 10})
        return any(report["status"] == "SUCCESS" and report["count"] for report in reports["reports"])

    assert until(loaded)
    items = owner("selectiveSync", "listSelectiveSyncsFromWarehouseAndSource", "reports", source["id"], {"count": 10})[
        "items"
    ]
    assert [(item["collection"], item["enabled"]) for item in items] == [("seen", True), ("tracks", True)]

    owner("warehouses", "removeSourceConnectionFromWarehouse", "reports", source["id"])
    assert owner("warehouses", "listConnectedSourcesFromWarehouse", "reports", {"count": 10})["sources"] == []
    off = owner("warehouses", "updateWarehouse", "reports", {"enabled": False, "settings": {}})["warehouse"]
    assert not off["enabled"]
    assert owner("warehouses", "deleteWarehouse", "reports")["status"] == "SUCCESS"
    with pytest.raises(SdkError) as caught:
        owner("warehouses", "deleteWarehouse", "duckdb")
    assert caught.value.status == 409


def test_tables_and_columns_are_turned_off(tifo: LocalTifo, owner: Sdk) -> None:
    source = new_source(owner, "selected")
    overrides = [
        {"sourceId": source["id"], "collection": "pages", "enabled": False},
        {"sourceId": source["id"], "collection": "tracks", "property": "context_ip", "enabled": False},
    ]
    update = ("selectiveSync", "updateSelectiveSyncForWarehouse", "duckdb", {"syncOverrides": overrides})
    assert owner(*update)["status"] == "UPDATED"
    assert owner(*update)["status"] == "UNCHANGED"
    items = owner("selectiveSync", "listSelectiveSyncsFromWarehouseAndSource", "duckdb", source["id"], {"count": 10})
    assert [(each["collection"], each["enabled"], each["properties"]) for each in items["items"]] == [
        ("pages", False, {}),
        ("tracks", True, {"context_ip": False}),
    ]
    assert tifo.command("source", "sync", "selected") == [
        {"table": "pages", "column": None, "loaded": False},
        {"table": "tracks", "column": "context_ip", "loaded": False},
    ]


def test_a_tracking_plan_is_written_connected_and_taken_apart(owner: Sdk) -> None:
    source = new_source(owner, "planned")
    made = owner("trackingPlans", "createTrackingPlan", {"name": "Shop", "type": "LIVE", "description": "d"})
    plan = made["trackingPlan"]["id"]
    schema = {"type": "object", "properties": {"properties": {"required": ["total"]}}}
    rules = [
        {"type": "TRACK", "key": key, "version": 1, "jsonSchema": schema} for key in ("Order Completed", "Order Paid")
    ]
    assert owner("trackingPlans", "replaceRulesInTrackingPlan", plan, {"rules": rules})["status"] == "SUCCESS"
    upsert = {"type": "COMMON", "version": 1, "jsonSchema": {}}
    assert owner("trackingPlans", "updateRulesInTrackingPlan", plan, {"rules": [upsert]})["status"] == "SUCCESS"
    removed = [{"type": "TRACK", "key": "Order Paid", "version": 1}]
    assert owner("trackingPlans", "removeRulesFromTrackingPlan", plan, removed)["status"] == "SUCCESS"
    kept = owner("trackingPlans", "listRulesFromTrackingPlan", plan, {"count": 10})["rules"]
    assert [(rule["type"], rule.get("key")) for rule in kept] == [("TRACK", "Order Completed"), ("COMMON", None)]
    assert kept[0]["jsonSchema"] == schema
    assert owner("trackingPlans", "addSourceToTrackingPlan", plan, {"sourceId": source["id"]})["status"] == "SUCCESS"
    connected = owner("trackingPlans", "listSourcesFromTrackingPlan", plan, {"count": 10})["sources"]
    assert [each["id"] for each in connected] == [source["id"]]
    with pytest.raises(SdkError) as used:
        owner("trackingPlans", "deleteTrackingPlan", plan)
    assert used.value.status == 409
    owner("trackingPlans", "removeSourceFromTrackingPlan", plan, source["id"])
    owner("trackingPlans", "updateTrackingPlan", plan, {"name": "Store"})
    assert owner("trackingPlans", "getTrackingPlan", plan)["trackingPlan"]["name"] == "Store"
    listed = owner("trackingPlans", "listTrackingPlans", {"count": 10}, "LIVE")["trackingPlans"]
    assert {each["name"] for each in listed} == {"LiveLike", "Store"}
    owner("trackingPlans", "deleteTrackingPlan", plan)
    with pytest.raises(SdkError):
        owner("trackingPlans", "getTrackingPlan", plan)


def test_schema_controls_are_set_by_what_is_named(sdks: dict[str, Sdk], owner: Sdk) -> None:
    source = new_source(owner, "controlled")["id"]
    asked = {"track": {"allowUnplannedEvents": False, "commonEventOnViolations": "OMIT_PROPERTIES"}}
    told = owner("sources", "updateSchemaSettingsInSource", source, asked)["settings"]
    assert told["track"] == {
        "allowUnplannedEvents": False,
        "allowUnplannedEventProperties": True,
        "allowEventOnViolations": True,
        "allowPropertiesOnViolations": True,
        "commonEventOnViolations": "OMIT_PROPERTIES",
    }
    assert sdks["viewer"]("sources", "listSchemaSettingsInSource", source)["settings"] == told
    with pytest.raises(SdkError) as refused:
        sdks["viewer"]("sources", "updateSchemaSettingsInSource", source, asked)
    assert refused.value.status == 403
    with pytest.raises(SdkError) as wrong:
        owner("sources", "updateSchemaSettingsInSource", source, {"track": {"commonEventOnViolations": "OMIT_TRAITS"}})
    assert wrong.value.field == "track.commonEventOnViolations"


def test_a_destination_is_added_filtered_and_looked_at(sdks: dict[str, Sdk], owner: Sdk) -> None:
    source = new_source(owner, "delivered")["id"]
    catalog = owner("catalog", "getDestinationsCatalog", {"count": 10})["destinationsCatalog"]
    assert {"webhook", "segment"} <= {each["id"] for each in catalog}
    asked = {"sourceId": source, "metadataId": "webhook", "name": "crm", "enabled": False}
    with pytest.raises(SdkError) as refused:
        owner("destinations", "createDestination", {**asked, "settings": {"url": "nowhere"}})
    assert (refused.value.status, refused.value.field) == (400, "url")
    settings = {"url": ["https://example.com/hook"], "shared_secret": "hush"}
    made = owner("destinations", "createDestination", {**asked, "settings": settings})["destination"]
    hook = made["id"]
    assert made["settings"]["shared_secret"] == "••••"
    shown = sdks["viewer"]("destinations", "getDestination", hook)["destination"]
    assert (shown["name"], shown["enabled"], shown["settings"]["timeout_s"]) == ("crm", False, 5)
    listed = owner("sources", "listConnectedDestinationsFromSource", source, {"count": 10})["destinations"]
    assert [each["id"] for each in listed] == [hook]
    change = {"name": "erp", "settings": {"timeout_s": 9, "shared_secret": "••••"}}
    changed = owner("destinations", "updateDestination", hook, change)["destination"]
    assert (changed["name"], changed["settings"]["timeout_s"], changed["settings"]["shared_secret"]) == (
        "erp",
        9,
        "••••",
    )

    actions = [{"type": "DROP_PROPERTIES", "fields": {"context": ["ip"]}}]
    new = {"sourceId": source, "if": "type = 'track'", "actions": actions, "title": "No addresses", "enabled": True}
    made = owner("destinationFilters", "createFilterForDestination", hook, new)["filter"]
    assert (made["if"], made["actions"], made["destinationId"]) == (new["if"], actions, hook)
    with pytest.raises(SdkError) as refused:
        owner("destinationFilters", "createFilterForDestination", hook, {**new, "if": "type = "})
    assert (refused.value.status, refused.value.field) == (400, "if")
    update = {"if": "type = 'page'", "enabled": False}
    owner("destinationFilters", "updateFilterForDestination", hook, made["id"], update)
    told = owner("destinationFilters", "getFilterInDestination", hook, made["id"])["filter"]
    assert (told["if"], told["enabled"], told["title"]) == ("type = 'page'", False, "No addresses")
    listed = owner("destinationFilters", "listFiltersFromDestination", hook, {"count": 10})["filters"]
    assert [each["id"] for each in listed] == [made["id"]]
    payload = {"type": "track", "context": {"ip": "1.2.3.4", "locale": "de"}}
    tried = {"filter": {"if": new["if"], "actions": actions}, "payload": payload}
    preview = sdks["viewer"]("destinationFilters", "previewDestinationFilter", tried)
    assert (preview["inputPayload"], preview["result"]) == (payload, {"type": "track", "context": {"locale": "de"}})
    with pytest.raises(SdkError) as refused:
        sdks["viewer"]("destinationFilters", "removeFilterFromDestination", hook, made["id"])
    assert refused.value.status == 403
    owner("destinationFilters", "removeFilterFromDestination", hook, made["id"])

    local = {"sourceId": source, "metadataId": "files", "settings": {"place": "/data/lake"}}
    with pytest.raises(SdkError) as refused:
        sdks["editor"]("destinations", "createDestination", local)
    assert refused.value.status == 403

    metrics = owner("destinations", "listDeliveryMetricsSummaryFromDestination", hook, source)
    assert {each["metricName"]: each["total"] for each in metrics["deliveryMetricsSummary"]["metrics"]} == {
        "successes": 0,
        "filtered": 0,
        "discarded": 0,
        "awaiting-retry": 0,
    }
    owner("destinations", "deleteDestination", hook)
    with pytest.raises(SdkError) as gone:
        owner("destinations", "getDestination", hook)
    assert gone.value.status == 404


class _Taker(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(400 if b"Bad" in body else 200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Nothing."""


def test_the_delivery_overview_tells_numbers_over_time(tifo: LocalTifo, call: Call, owner: Sdk) -> None:
    source = new_source(owner, "counted")
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Taker)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    settings = {"url": [f"http://127.0.0.1:{server.server_port}/"]}
    asked = {"sourceId": source["id"], "metadataId": "webhook", "name": "taker", "settings": settings}
    taker = owner("destinations", "createDestination", asked)["destination"]["id"]
    names = ["Good"] * 3 + ["Better"] * 2 + ["Bad"]
    batch = [{"type": "track", "userId": "u", "event": name} for name in names]
    assert call("POST", f"{tifo.address}/v1/batch", {"batch": batch}, write_key=source["writeKeys"][0]).status == 200
    now = datetime.now(UTC)
    start, end = (now - timedelta(hours=1)).isoformat(), (now + timedelta(hours=1)).isoformat()

    def ask(step: str, by: list[str], granularity: str = "HOUR", *more: Any) -> Any:
        window = (source["id"], taker, start, end, granularity, {"count": 10}, by, *more)
        return owner("deliveryOverview", f"getEgress{step}MetricsFromDeliveryOverview", *window)

    deadline = time.monotonic() + WITHIN_S
    while ask("Success", [])["total"] < 5 or ask("Failed", [])["total"] < 1:
        assert time.monotonic() < deadline
        time.sleep(0.1)
    dataset = ask("Success", ["eventName"])["dataset"]
    assert [(each["eventName"], each["total"]) for each in dataset] == [("Good", 3), ("Better", 2)]
    assert sum(point["count"] for point in dataset[0]["series"]) == 3
    assert len(ask("Success", [], "MINUTE")["dataset"][0]["series"]) >= 120
    (failed,) = ask("Failed", ["discardReason"])["dataset"]
    assert (failed["discardReason"], failed["total"]) == ("400", 1)
    window = (start, end, "HOUR", {"count": 10})

    def of_source(call: str, by: list[str] | None = None) -> Any:
        return owner("deliveryOverview", f"get{call}MetricsFromDeliveryOverview", source["id"], *window, by)

    bad = {"batch": [{"type": "track", "userId": "u"}, {"type": "track", "event": "No user"}]}
    call("POST", f"{tifo.address}/v1/batch", bad, write_key=source["writeKeys"][0])
    while of_source("IngressSuccess")["total"] < 6 or of_source("IngressFailed")["total"] < 2:
        assert time.monotonic() < deadline + 20
        time.sleep(0.2)
    reasons = {each["discardReason"] for each in of_source("IngressFailed", ["discardReason"])["dataset"]}
    assert reasons == {"event_not_defined", "no_user_anon_id"}
    assert of_source("FilteredAtSource")["total"] == 0
    with pytest.raises(SdkError) as refused:
        of_source("IngressSuccess", ["eventName"])
    assert refused.value.field == "groupBy"
    with pytest.raises(SdkError) as refused:
        ask("Success", ["appVersion"])
    assert refused.value.field == "groupBy"
    with pytest.raises(SdkError) as refused:
        ask("Success", [], "HOUR", None, "preset-1")
    assert refused.value.field == "subscriptionId"
    server.shutdown()
    server.server_close()


def test_subscriptions_are_the_mappings_of_vendors_kinds(owner: Sdk) -> None:
    installing.install()
    source = new_source(owner, "mapped")["id"]
    metadata = owner("catalog", "getDestinationMetadata", "mixpanel")["destinationMetadata"]
    assert {"trackEvent", "identifyUser"} <= {each["slug"] for each in metadata["actions"]}
    asked = {"sourceId": source, "metadataId": "mixpanel", "enabled": False}
    settings = {"projectToken": "t", "apiSecret": "s"}
    made = owner("destinations", "createDestination", {**asked, "settings": settings})["destination"]["id"]
    listed = owner("destinations", "listSubscriptionsFromDestination", made, {"count": 50})["subscriptions"]
    assert "Track Calls" in {each["name"] for each in listed}
    new = {"name": "Badges", "actionId": "trackEvent", "trigger": "event = 'Badge Rewarded'", "enabled": True}
    added = owner("destinations", "createDestinationSubscription", made, new)["destinationSubscription"]
    assert added["settings"]["event"] == {"@path": "$.event"}
    with pytest.raises(SdkError) as refused:
        owner("destinations", "createDestinationSubscription", made, {**new, "trigger": "event = "})
    assert (refused.value.status, refused.value.field) == (400, "trigger")
    with pytest.raises(SdkError) as refused:
        owner("destinations", "createDestinationSubscription", made, {**new, "actionId": "fly"})
    assert (refused.value.status, refused.value.field) == (404, "actionId")
    place = (made, added["id"])
    changed = owner("destinations", "updateSubscriptionForDestination", *place, {"input": {"enabled": False}})
    assert changed["subscription"]["enabled"] is False
    assert owner("destinations", "getSubscriptionFromDestination", *place)["subscription"]["name"] == "Badges"
    owner("destinations", "removeSubscriptionFromDestination", *place)
    with pytest.raises(SdkError):
        owner("destinations", "getSubscriptionFromDestination", *place)
