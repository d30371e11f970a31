from datetime import UTC, datetime

import pytest

from tifo.documents.changes import Change, FieldChange, Verb
from tifo.documents.read import load_as
from tifo.kernel.errors import Rejected
from tifo.kernel.ids import TrackingPlanId
from tifo.tracking.plans.model import LENIENT, PlanType, Rule, RuleType, TrackingPlan, changed
from tifo.workspace.memory import InMemoryCatalog
from tifo.workspace.model import SourceType
from tifo.workspace.ports import Workspace
from tifo.workspace.sync import EVERYTHING, Override, with_overrides
from tifo.workspace.text.describe import describe
from tifo.workspace.text.document import WorkspaceText
from tifo.workspace.text.plan import changes
from tifo.workspace.warehouses import ConnectedWarehouse, WarehouseKind

AT = datetime(2026, 11, 24, 10, 0, 0, tzinfo=UTC)
SOURCE = InMemoryCatalog(()).create_source("Web", SourceType.HTTP)
WAREHOUSE = ConnectedWarehouse(
    name="reports", kind=WarehouseKind.POSTGRES, url="postgresql://db/reports", source_ids=None, created_at=AT
)
OFF = with_overrides(EVERYTHING, [Override("pages", None, False), Override("tracks", "context_ip", False)])
NOW = describe(
    Workspace(sources=(SOURCE,), warehouses=(WAREHOUSE,), selections={(SOURCE.id, "duckdb"): OFF}), secrets=True
)


def planned(text: str, *, prune: bool = False) -> tuple[Change, ...]:
    return changes(NOW, load_as(WorkspaceText, text, "workspace.yaml"), prune=prune)


def test_a_plan_names_what_is_made_and_each_field_that_changes() -> None:
    text = """
sources:
  web: {name: Shop, type: http, not_loaded: {duckdb: [pages]}}
  new: {name: New, type: node}
warehouses:
  reports: {kind: postgres, sources: [web]}
"""
    assert planned(text) == (
        Change(
            Verb.CHANGE,
            "sources",
            "web",
            (
                FieldChange("name", "Web", "Shop"),
                FieldChange("not_loaded.duckdb", ("pages", "tracks.context_ip"), ("pages",)),
            ),
        ),
        Change(Verb.CREATE, "sources", "new"),
        Change(Verb.CHANGE, "warehouses", "reports", (FieldChange("sources", "all", ("web",)),)),
    )


def test_what_is_pruned_goes_last_and_warehouses_before_sources() -> None:
    assert planned("sources: {new: {name: New, type: node}}", prune=True) == (
        Change(Verb.CREATE, "sources", "new"),
        Change(Verb.DELETE, "warehouses", "reports"),
        Change(Verb.DELETE, "sources", "web"),
    )


def test_a_plan_shows_how_many_write_keys_and_none_of_them() -> None:
    key = "brought-from-segment-1"
    off = "not_loaded: {duckdb: [pages, tracks.context_ip]}"
    text = f"sources: {{web: {{name: Web, type: http, write_keys: [{key}], {off}}}}}"
    [change] = planned(text)
    assert change.fields == (FieldChange("write_keys", "1 keys", "2 keys"),)


@pytest.mark.parametrize(
    ("text", "field"),
    [
        ("sources: {web: {name: Web, type: node}}", "type"),
        ("warehouses: {reports: {kind: postgres, url: 'postgresql://other/reports'}}", "url"),
    ],
)
def test_what_cannot_change_is_refused(text: str, field: str) -> None:
    with pytest.raises(Rejected) as caught:
        planned(text)
    assert caught.value.field == field


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("sources: {web: {type: http}}", "name is missing"),
        ("sources: {web: {name: W, type: fax}}", "Write one of"),
        ("sources: {web: {name: W, type: http, write_keys: [short]}}", "write key"),
        ("sources: {web: {name: W, type: http, not_loaded: {duckdb: [.x]}}}", "table.column"),
        ("sources: {web: {name: W, type: http, bogus: 1}}", "no field 'bogus'"),
        ("- web", "not a mapping"),
        ("sources: *x", "unidentified|alias|undefined"),
    ],
)
def test_what_is_wrong_with_a_file_is_told_with_its_place(text: str, said: str) -> None:
    with pytest.raises(Rejected, match=said) as caught:
        planned(text)
    assert caught.value.message.startswith("workspace.yaml: line 1: ")


def test_only_a_description_with_secrets_has_keys_and_addresses() -> None:
    without = describe(Workspace(sources=(SOURCE,), warehouses=(WAREHOUSE,), selections={}), secrets=False)
    assert (without.sources["web"].write_keys, without.warehouses["reports"].url) == ((), None)
    assert NOW.sources["web"].write_keys == SOURCE.write_keys


def test_a_plan_and_its_controls_are_read_from_yaml_and_toml_alike() -> None:
    schema = {"type": "object", "properties": {"properties": {"required": ["total"], "minProperties": 1}}}
    yaml = """
tracking_plans:
  Shop:
    rules:
      - type: TRACK
        key: Bought
        json_schema: {type: object, properties: {properties: {required: [total], minProperties: 1}}}
sources:
  web: {name: Web, type: http, tracking_plan: Shop, schema_controls: {track: {allowUnplannedEvents: false}}}
"""
    toml = """
[[tracking_plans.Shop.rules]]
type = "TRACK"
key = "Bought"
json_schema = {type = "object", properties = {properties = {required = ["total"], minProperties = 1}}}
[sources.web]
name = "Web"
type = "http"
tracking_plan = "Shop"
schema_controls.track.allowUnplannedEvents = false
"""
    read = [load_as(WorkspaceText, text, file) for text, file in ((yaml, "w.yaml"), (toml, "w.toml"))]
    assert read[0] == read[1]
    assert read[0].tracking_plans["Shop"].rules[0].json_schema == schema
    with pytest.raises(Rejected, match=r"w\.toml: sources\.web\.name"):
        load_as(WorkspaceText, toml.replace('name = "Web"', "name = 5"), "w.toml")
    with pytest.raises(Rejected, match="no TOML"):
        load_as(WorkspaceText, "[", "w.toml")


def test_a_plan_is_told_as_text_and_compared_rule_by_rule() -> None:
    rules = (Rule(type=RuleType.TRACK, key="Bought", json_schema={}), Rule(type=RuleType.COMMON, json_schema={}))
    plan = TrackingPlan(
        id=TrackingPlanId("p"),
        name="Shop",
        description="",
        type=PlanType.LIVE,
        rules=rules,
        created_at=AT,
        updated_at=AT,
    )
    controls = changed(LENIENT, {"track": {"allowUnplannedEvents": False}, "forwardingViolationsTo": SOURCE.id})
    workspace = Workspace(
        sources=(SOURCE,),
        warehouses=(),
        selections={},
        plans=(plan,),
        plan_connections={SOURCE.id: plan.id},
        controls={SOURCE.id: controls},
    )
    told = describe(workspace, secrets=True)
    assert changes(told, told, prune=True) == ()
    assert told.sources["web"].tracking_plan == "Shop"
    assert told.sources["web"].schema_controls == {
        "track": {"allowUnplannedEvents": False},
        "forwardingViolationsTo": "web",
    }
    text = """
tracking_plans: {Shop: {rules: [{type: TRACK, key: Bought, json_schema: {required: [properties]}}]}}
sources: {web: {name: Web, type: http, tracking_plan: none, schema_controls: {}}}
"""
    made = changes(told, load_as(WorkspaceText, text, "w.yaml"), prune=False)
    assert [(change.section, [field.path for field in change.fields]) for change in made] == [
        ("tracking_plans", ["rules.COMMON version 1", "rules.TRACK Bought version 1"]),
        ("sources", ["tracking_plan", "schema_controls"]),
    ]
