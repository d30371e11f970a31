"""The workspace as text, applied to each kind of state."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.conftest import NewState
from tifo.engagement.text.read import load_as
from tifo.engagement.text.write import write
from tifo.kernel.errors import Conflict, NotFound, Rejected
from tifo.kernel.ids import uuid7
from tifo.store.sql.database import Database
from tifo.store.workspace.as_text import SqlWorkspace
from tifo.store.workspace.catalog import SqlCatalog
from tifo.store.workspace.plans import SqlTrackingPlans
from tifo.store.workspace.vault import Vault
from tifo.store.workspace.warehouses import SqlWarehouses
from tifo.workspace.model import SourceType
from tifo.workspace.text import WorkspaceText, describe

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


@pytest.fixture(params=["sqlite", "postgres"])
def database(request: pytest.FixtureRequest, new_state: NewState) -> Database:
    return new_state(request.param)


@pytest.fixture
def workspace(database: Database, tmp_path: Path) -> SqlWorkspace:
    return SqlWorkspace(database, lambda: NOW, uuid7, Vault("", tmp_path / "key"))


@pytest.fixture
def catalog(database: Database) -> SqlCatalog:
    return SqlCatalog(database, lambda: NOW, uuid7)


def read(text: str) -> WorkspaceText:
    return load_as(WorkspaceText, text, "workspace.yaml")


def apply(workspace: SqlWorkspace, text: str, *, prune: bool = False) -> None:
    workspace.apply(workspace.read(), read(text), URLS, prune=prune)


def test_a_file_makes_sources_warehouses_and_what_is_not_loaded(
    workspace: SqlWorkspace, catalog: SqlCatalog, database: Database
) -> None:
    apply(workspace, FILE)
    web, tills = catalog.sources()
    assert (web.slug, web.schema, web.enabled, web.write_keys) == ("web", "web", True, ("brought-from-segment-1",))
    assert (tills.slug, tills.schema, tills.enabled, len(tills.keys)) == ("tills", "shop_tills", False, 1)
    [reports] = SqlWarehouses(database, lambda: NOW).connected()
    assert (reports.name, reports.url, reports.source_ids) == ("reports", URLS["reports"], frozenset({web.id}))
    assert not catalog.selection_of(web.id, "duckdb").takes_table("pages")
    assert not catalog.selection_of(web.id, "duckdb").takes_column("tracks", "context_ip")
    assert not catalog.selection_of(web.id, "reports").takes_column("identifies", "email")
    plans = SqlTrackingPlans(database, lambda: NOW, uuid7)
    (shop,) = plans.plans()
    assert (shop.name, shop.rules[0].key, shop.rules[1].version) == ("Shop", "Bought: now", 2)
    assert shop.rules[1].json_schema == {"null": None, "yes": [True, "true", 1.5, "1.5"]}
    assert plans.connections() == {web.id: shop.id}
    assert plans.controls()[web.id].forwarding_violations_to == tills.id
    assert not plans.controls()[web.id].track.allow_unplanned_events


def test_what_is_exported_with_secrets_makes_the_same_workspace_again(workspace: SqlWorkspace) -> None:
    apply(workspace, FILE)
    exported = write(describe(workspace.read(), secrets=True))
    before = workspace.read()
    apply(workspace, exported, prune=True)
    assert workspace.read() == before


def test_what_is_exported_holds_no_secret_and_changes_nothing(workspace: SqlWorkspace) -> None:
    apply(workspace, FILE)
    exported, before = write(describe(workspace.read(), secrets=False)), workspace.read()
    assert "hidden-word" not in exported
    assert not any(key in exported for source in before.sources for key in source.write_keys)
    apply(workspace, exported, prune=True)
    assert workspace.read() == before


def test_a_field_that_is_taken_out_goes_back_to_its_default(workspace: SqlWorkspace, catalog: SqlCatalog) -> None:
    apply(workspace, FILE)
    keys = catalog.sources()[0].keys
    apply(workspace, "sources: {web: {name: Shop, type: javascript}, tills: {name: Tills, type: http}}")
    web, tills = catalog.sources()
    assert (web.name, web.keys, web.schema, tills.schema, tills.enabled) == ("Shop", keys, "web", "shop_tills", True)
    assert catalog.selection_of(web.id, "duckdb").is_everything


def test_what_a_file_does_not_name_stays_unless_it_is_pruned(workspace: SqlWorkspace) -> None:
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
    text: str, error: type[Exception], workspace: SqlWorkspace
) -> None:
    apply(workspace, "sources: {there: {name: There, type: http, write_keys: [taken-already-123]}}")
    before = workspace.read()
    urls = {"reports": "postgresql://db/one", "Re-Ports": "postgresql://db/two"}
    with pytest.raises(error):
        workspace.rehearse(read(text), urls, prune=False)
    with pytest.raises(error):
        workspace.apply(before, read(text), urls, prune=False)
    assert workspace.read() == before


def test_a_rehearsal_leaves_nothing_behind(workspace: SqlWorkspace) -> None:
    before = workspace.read()
    workspace.rehearse(read(FILE), URLS, prune=True)
    assert workspace.read() == before


def test_a_plan_is_not_applied_to_a_workspace_that_was_changed_meanwhile(
    workspace: SqlWorkspace, catalog: SqlCatalog
) -> None:
    planned = workspace.read()
    catalog.create_source("Meanwhile", SourceType.HTTP)
    with pytest.raises(Conflict):
        workspace.apply(planned, read(FILE), URLS, prune=False)
    assert [source.slug for source in catalog.sources()] == ["meanwhile"]
