"""What every implementation of the workspace as one whole does with a file."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.conftest import NewState
from tests.shards import at
from tifo.documents.read import load_as
from tifo.documents.write import write
from tifo.kernel.errors import Conflict, NotFound, Rejected
from tifo.kernel.ids import LogPosition, uuid7
from tifo.store.workspace.as_text import SqlWorkspace
from tifo.store.workspace.catalog import SqlCatalog
from tifo.store.workspace.destinations import SqlDestinations
from tifo.store.workspace.plans import SqlTrackingPlans
from tifo.store.workspace.vault import Vault
from tifo.store.workspace.warehouses import SqlWarehouses
from tifo.tracking.plans.memory import InMemoryTrackingPlans
from tifo.tracking.plans.ports import TrackingPlans
from tifo.workspace.destinations import Destinations
from tifo.workspace.memory import InMemoryCatalog, InMemoryDestinations, InMemoryWarehouses, InMemoryWorkspaceState
from tifo.workspace.model import Catalog, SourceType
from tifo.workspace.ports import WorkspaceState
from tifo.workspace.text.describe import describe
from tifo.workspace.text.document import WorkspaceText
from tifo.workspace.warehouses import Warehouses

NOW = datetime(2026, 11, 24, 10, 0, 0, 123_000, tzinfo=UTC)
URLS = {"reports": "postgresql://tifo:hidden-word@db/reports"}
FILE = """
tracking_plans:
  Shop:
    description: What we sell
    rules:
      - {type: TRACK, key: "Bought: now", json_schema: {properties: {properties: {required: [total]}}}}
      - {type: COMMON, version: 2, json_schema: {"null": null, "yes": [true, "true", 1.5, "1.5"]}}
sources:
  web:
    name: Web shop
    type: javascript
    tracking_plan: Shop
    schema_controls: {track: {allowUnplannedEvents: false}, forwardingViolationsTo: tills}
    write_keys: [brought-from-segment-1]
    not_loaded:
      duckdb: [pages, tracks.context_ip]
      reports: [identifies.email]
  tills:
    name: Tills
    type: http
    enabled: false
    schema: shop_tills
warehouses:
  reports:
    kind: postgres
    url_env: REPORTS_URL
    sources: [web]
"""


class Kept:
    """The contracts of one workspace, over one state."""

    def __init__(self, kind: str, new_state: NewState, folder: Path) -> None:
        self.started: list[tuple[str, LogPosition]] = []
        clock, start = lambda: NOW, lambda: at(7)
        if kind == "memory":
            catalog = InMemoryCatalog((), clock=clock)
            warehouses = InMemoryWarehouses(catalog, clock=clock)
            plans = InMemoryTrackingPlans(catalog.slugs, clock=clock)
            destinations = InMemoryDestinations(
                catalog,
                clock=clock,
                on_add=lambda made, start: self.started.append((made.name, start)),
                on_remove=lambda _: self.started.clear(),
            )
            self.workspace: WorkspaceState = InMemoryWorkspaceState(
                catalog, warehouses, plans, destinations, clock=clock, start=start
            )
            self.catalog: Catalog = catalog
            self.warehouses: Warehouses = warehouses
            self.plans: TrackingPlans = plans
            self.destinations: Destinations = destinations
        else:
            database, vault = new_state(kind), Vault("", folder / "key")
            self.workspace = SqlWorkspace(database, clock, uuid7, vault, start=start)
            self.catalog = SqlCatalog(database, clock, uuid7)
            self.warehouses = SqlWarehouses(database, clock)
            self.plans = SqlTrackingPlans(database, clock, uuid7)
            self.destinations = SqlDestinations(database, clock, uuid7, vault)


@pytest.fixture(params=["memory", "sqlite", "postgres"])
def kept(request: pytest.FixtureRequest, new_state: NewState, tmp_path: Path) -> Kept:
    return Kept(request.param, new_state, tmp_path)


@pytest.fixture
def workspace(kept: Kept) -> WorkspaceState:
    return kept.workspace


@pytest.fixture
def catalog(kept: Kept) -> Catalog:
    return kept.catalog


def read(text: str) -> WorkspaceText:
    return load_as(WorkspaceText, text, "workspace.yaml")


def apply(workspace: WorkspaceState, text: str, *, prune: bool = False) -> None:
    workspace.apply(workspace.read(), read(text), URLS, prune=prune)


def test_a_file_makes_sources_warehouses_and_what_is_not_loaded(
    kept: Kept, workspace: WorkspaceState, catalog: Catalog
) -> None:
    apply(workspace, FILE)
    web, tills = catalog.sources()
    assert (web.slug, web.schema, web.enabled, web.write_keys) == ("web", "web", True, ("brought-from-segment-1",))
    assert (tills.slug, tills.schema, tills.enabled, len(tills.keys)) == ("tills", "shop_tills", False, 1)
    [reports] = kept.warehouses.connected()
    assert (reports.name, reports.url, reports.source_ids) == ("reports", URLS["reports"], frozenset({web.id}))
    assert not catalog.selection_of(web.id, "duckdb").takes_table("pages")
    assert not catalog.selection_of(web.id, "duckdb").takes_column("tracks", "context_ip")
    assert not catalog.selection_of(web.id, "reports").takes_column("identifies", "email")
    plans = kept.plans
    (shop,) = plans.plans()
    assert (shop.name, shop.rules[0].key, shop.rules[1].version) == ("Shop", "Bought: now", 2)
    assert shop.rules[1].json_schema == {"null": None, "yes": [True, "true", 1.5, "1.5"]}
    assert plans.connections() == {web.id: shop.id}
    assert plans.controls()[web.id].forwarding_violations_to == tills.id
    assert not plans.controls()[web.id].track.allow_unplanned_events


def test_what_is_exported_with_secrets_makes_the_same_workspace_again(workspace: WorkspaceState) -> None:
    apply(workspace, FILE)
    exported = write(describe(workspace.read(), secrets=True))
    before = workspace.read()
    apply(workspace, exported, prune=True)
    assert workspace.read() == before


def test_what_is_exported_holds_no_secret_and_changes_nothing(workspace: WorkspaceState) -> None:
    apply(workspace, FILE)
    exported, before = write(describe(workspace.read(), secrets=False)), workspace.read()
    assert "hidden-word" not in exported
    assert not any(key in exported for source in before.sources for key in source.write_keys)
    apply(workspace, exported, prune=True)
    assert workspace.read() == before


def test_a_field_that_is_taken_out_goes_back_to_its_default(workspace: WorkspaceState, catalog: Catalog) -> None:
    apply(workspace, FILE)
    keys = catalog.sources()[0].keys
    apply(workspace, "sources: {web: {name: Shop, type: javascript}, tills: {name: Tills, type: http}}")
    web, tills = catalog.sources()
    assert (web.name, web.keys, web.schema, tills.schema, tills.enabled) == ("Shop", keys, "web", "shop_tills", True)
    assert catalog.selection_of(web.id, "duckdb").is_everything


def test_what_a_file_does_not_name_stays_unless_it_is_pruned(workspace: WorkspaceState) -> None:
    apply(workspace, FILE)
    only_web = "sources: {web: {name: Web shop, type: javascript}}"
    apply(workspace, only_web)
    assert (len(workspace.read().sources), len(workspace.read().warehouses)) == (2, 1)
    apply(workspace, only_web, prune=True)
    assert ([each.slug for each in workspace.read().sources], workspace.read().warehouses) == (["web"], ())


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("sources: {a: {name: A, type: http}, b: {name: B, type: http, schema: public}}", Rejected),
        ("sources: {a: {name: A, type: http}, 'B B': {name: B, type: http}}", Rejected),
        ("sources: {a: {name: A, type: http, not_loaded: {nowhere: [pages]}}}", Rejected),
        ("sources: {a: {name: A, type: http, not_loaded: {duckdb: [tracks.id]}}}", Rejected),
        ("sources: {a: {name: A, type: http, write_keys: [taken-already-123]}}", Conflict),
        ("sources: {there: {name: A, type: node}}", Rejected),
        ("{sources: {a: {name: A, type: http}}, warehouses: {reports: {kind: postgres, sources: [x]}}}", NotFound),
        ("{sources: {a: {name: A, type: http}}, warehouses: {Re-Ports: {kind: postgres}}}", Rejected),
    ],
)
def test_a_file_that_is_refused_in_part_changes_nothing(
    text: str, error: type[Exception], workspace: WorkspaceState
) -> None:
    apply(workspace, "sources: {there: {name: There, type: http, write_keys: [taken-already-123]}}")
    before = workspace.read()
    urls = {"reports": "postgresql://db/one", "Re-Ports": "postgresql://db/two"}
    with pytest.raises(error):
        workspace.rehearse(read(text), urls, prune=False)
    with pytest.raises(error):
        workspace.apply(before, read(text), urls, prune=False)
    assert workspace.read() == before


def test_a_rehearsal_leaves_nothing_behind(workspace: WorkspaceState) -> None:
    before = workspace.read()
    workspace.rehearse(read(FILE), URLS, prune=True)
    assert workspace.read() == before


def test_a_plan_is_not_applied_to_a_workspace_that_was_changed_meanwhile(
    workspace: WorkspaceState, catalog: Catalog
) -> None:
    planned = workspace.read()
    catalog.create_source("Meanwhile", SourceType.HTTP)
    with pytest.raises(Conflict):
        workspace.apply(planned, read(FILE), URLS, prune=False)
    assert [source.slug for source in catalog.sources()] == ["meanwhile"]


WITH_DESTINATION = """
sources: {web: {name: Web, type: http}}
destinations:
  web/hook:
    kind: webhook
    settings: {url: https://a}
    filters: [{title: No tests, when: 'event = "Test"', actions: [{type: DROP}]}]
"""


def test_a_file_makes_changes_and_removes_destinations(kept: Kept, workspace: WorkspaceState) -> None:
    apply(workspace, WITH_DESTINATION)
    (made,) = kept.destinations.all()
    assert (made.name, made.kind, made.settings, made.version) == ("hook", "webhook", {"url": "https://a"}, 1)
    apply(workspace, WITH_DESTINATION.replace("https://a", "https://b"))
    (changed,) = kept.destinations.all()
    assert (changed.id, changed.settings, changed.version) == (made.id, {"url": "https://b"}, 2)
    assert [each["id"] for each in changed.filters] == [each["id"] for each in made.filters]
    apply(workspace, "sources: {web: {name: Web, type: http}}", prune=True)
    assert kept.destinations.all() == []


def test_a_destination_of_an_unknown_source_is_refused_with_the_rest(kept: Kept, workspace: WorkspaceState) -> None:
    with pytest.raises(NotFound):
        apply(workspace, WITH_DESTINATION.replace("web/hook", "nowhere/hook"))
    assert (kept.catalog.sources(), kept.destinations.all()) == ([], [])


def test_only_what_is_applied_reaches_the_twin_of_the_delivery_state(new_state: NewState, tmp_path: Path) -> None:
    kept = Kept("memory", new_state, tmp_path)
    kept.workspace.rehearse(read(WITH_DESTINATION), {}, prune=False)
    assert kept.started == []
    apply(kept.workspace, WITH_DESTINATION)
    assert kept.started == [("hook", at(7))]
    kept.workspace.rehearse(read("sources: {web: {name: Web, type: http}}"), {}, prune=True)
    assert kept.started == [("hook", at(7))]
    apply(kept.workspace, "sources: {web: {name: Web, type: http}}", prune=True)
    assert kept.started == []
