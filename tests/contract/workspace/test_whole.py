"""The export of a workspace is whole: a workspace with one of everything comes back as it was, in every state."""

import dataclasses
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.twins import TwinBackend
from tifo.app.compose import OpenedBackend
from tifo.app.settings import WORKSPACE, Settings
from tifo.destinations.settings import MASK
from tifo.kernel.errors import Rejected
from tifo.operations import (
    alerts,
    applications,
    destinations,
    filters,
    incoming_webhooks,
    selective_sync,
    sources,
    webhook_subscribers,
    workspace,
)
from tifo.operations import tracking_plans as plans
from tifo.operations.backend import Backend
from tifo.store.sql.tables import METADATA
from tifo.tracking.filters import ActionType, EventChoice, FilterAction
from tifo.tracking.plans.model import Rule, RuleType
from tifo.workspace.destinations import DestinationChange
from tifo.workspace.model import SourceChange
from tifo.workspace.ports import Workspace
from tifo.workspace.text.document import HIDDEN, WorkspaceText
from tifo.workspace.warehouses import WarehouseKind

WAREHOUSE_URL = "postgresql://tifo:hidden-1@db/reports"
SECRETS = ("hidden-1", "hidden-2", "hidden-3", "hidden-4", "hidden-5", "hidden-6")

IN_THE_TEXT = {
    "alerts",
    "applications",
    "connections",
    "destinations",
    "plan_connections",
    "schema_controls",
    "selections",
    "sources",
    "tracking_plans",
    "warehouses",
    "webhook_intakes",
    "webhook_subscribers",
    "write_keys",
    "definitions",
}
"""Tables whose rows are definitions: a file of the workspace holds them, or one of an application's rules."""
NO_DEFINITIONS = {
    "tokens": "digests of credentials: nothing in a text could bring them back",
    "workspace_tokens": "likewise",
    "images": "bytes that fans see; definitions name their addresses",
    **dict.fromkeys(
        ("profiles", "balances", "boards", "scores", "score_counts", "transactions", "invoked_actions"), "fans' play"
    ),
    **dict.fromkeys(("earned_badges", "user_quests", "user_quest_tasks", "entry_payments"), "fans' play"),
    **dict.fromkeys(("facts", "idempotency", "writers"), "what the engine has done"),
    **dict.fromkeys(("relay_cursors", "relay_lines", "set_aside_facts", "late_webhooks"), "what was sent"),
    **dict.fromkeys(("webhooks_in", "action_cursor", "action_skips", "violations"), "what arrived"),
    **dict.fromkeys(("warehouse_syncs", "warehouse_loads", "warehouse_latencies"), "what was loaded"),
    **dict.fromkeys(("delivery_counts", "delivery_cursors", "delivery_latencies", "delivery_samples"), "deliveries"),
    **dict.fromkeys(("undelivered", "ingest_counts", "ingest_seen"), "deliveries"),
    **dict.fromkeys(("logs", "log_notices", "leases"), "which nodes there are"),
    **dict.fromkeys(("named_tables", "named_columns", "name_allowances"), "names that loads settled"),
}
NOT_SET = {
    "ConnectedDestination.mappings": "only vendors' kinds have any",
    "ConnectedDestination.version": "counts changes",
    "Alert.created_at": "made anew",
}


class Reachable(OpenedBackend):
    """An installation whose warehouses answer, whatever their addresses."""

    def check_warehouse(self, kind: str, url: str) -> None:
        pass


@pytest.fixture(params=["twin", "sqlite"])
def made(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Any]:
    """Makes an installation: each time another one."""
    opened: list[Reachable] = []

    def make() -> Backend:
        if request.param == "twin":
            return TwinBackend()
        opened.append(Reachable(Settings(data=tmp_path / str(len(opened)), smtp_url="smtp://localhost")))
        return opened[-1]

    yield make
    for each in opened:
        each.close()


def fill(backend: Backend) -> None:
    """Makes one definition of each kind, with every field set to another value than its default."""
    if isinstance(backend, TwinBackend):
        backend.can_mail = True
    web = sources.create(backend, "Web: shop", "javascript", slug="web")
    sources.create(backend, "Fans", "livelike", slug="fans")
    keyed = sources.create_write_key(backend, "fans")
    sources.change(backend, "web", SourceChange(enabled=False, schema="web_rows"))
    backend.warehouses.add(WarehouseKind("postgres"), WAREHOUSE_URL, "reports", [web.id])
    backend.warehouses.enable("reports", enabled=False)
    rule = Rule(type=RuleType.TRACK, key="A: b", version=2, json_schema={"max": 1e21, "min": 1e-9, "x": "1e5"})
    plans.create(backend, "Shop", description="What: we sell", rules=[rule])
    plans.connect(backend, "Shop", "web")
    plans.change_controls(
        backend,
        "web",
        {
            "track": {"allowUnplannedEvents": False},
            "identify": {"allowUnplannedTraits": False},
            "group": {"allowUnplannedTraits": False},
            "forwardingViolationsTo": "fans",
            "forwardingBlockedEventsTo": "fans",
        },
    )
    overrides = selective_sync.overrides_of(off=("pages", "tracks.context_ip"), on=())
    selective_sync.select(backend, "reports", {"web": overrides})
    crm = destinations.add(
        backend,
        "webhook",
        "web",
        {"url": "https://crm.example.com/hook", "shared_secret": "hidden-2"},
        name="crm",
        enabled=False,
    )
    destinations.choose_events(backend, "crm", EventChoice(only=["Order: Completed"]))
    filters.add(
        backend,
        "crm",
        filters.NewFilter(
            condition="type = 'identify'",
            actions=[FilterAction(ActionType.DROP)],
            title="No staff",
            description="D",
            enabled=False,
        ),
    )
    backend.destinations.change(crm.id, DestinationChange(retry_for_s=7200.0), secret=("shared_secret",))
    club = applications.create(backend, "Club").application.id
    away = applications.create(backend, "Away").application.id
    applications.connect(backend, club, keyed.write_keys[-1], None)
    applications.connect(backend, away, "hidden-3", "https://api.segment.io")
    webhook_subscribers.add(backend, club, "https://hooks.example.com/a", ["user-quest-completed"], "hidden-4")
    webhook_subscribers.add(backend, club, "https://hooks.example.com/b", [], None)
    incoming_webhooks.configure(
        backend, "fans", secret="hidden-5", api="https://livelike.example/api/v1/", token="hidden-6", signed="compact"
    )
    for kind, of, threshold in (("delivery-rate", "crm", 99.9), ("volume", "web", 50), ("warehouse", "reports", 1e-7)):
        alerts.add(
            backend,
            alerts.NewAlert(
                name=f"{kind}: low",
                kind=kind,
                of=of,
                threshold=threshold,
                window="30m",
                quiet="1h",
                url="https://x.example/y",
                email="ops@example.com",
            ),
        )


def compared(found: Workspace) -> Any:
    """The workspace with names in the place of ids, without what another installation makes by itself."""
    names: dict[Any, str] = {each.id: each.slug for each in found.sources}
    names |= {each.id: each.name for each in found.plans}
    names |= {each.id: key for key, each in found.destination_keys().items()}
    made_anew = {"created_at", "updated_at", "version", "createdAt", "updatedAt"}

    def replaced(value: Any) -> Any:
        if dataclasses.is_dataclass(value) and not isinstance(value, type):
            fields = {each.name: getattr(value, each.name) for each in dataclasses.fields(value)}
            known = fields.get("id") in names or "client_secret" in fields
            return {
                name: replaced(each) for name, each in fields.items() if name not in made_anew if name != "id" or known
            }
        if isinstance(value, msgspec.Struct):
            return replaced(msgspec.to_builtins(value))
        if isinstance(value, Mapping):
            items = [(replaced(key), replaced(each)) for key, each in value.items() if key not in made_anew]
            return sorted(((key, each) for key, each in items if key != "id" or each in names.values()), key=repr)
        if isinstance(value, frozenset | set):
            return sorted(map(replaced, value))
        if isinstance(value, list | tuple):
            return [replaced(each) for each in value]
        return names.get(value, value) if isinstance(value, str) else value

    return {
        **replaced(found),
        "applications": [replaced(dataclasses.asdict(each)) for each in sorted(found.applications, key=lambda a: a.id)],
    }


def apply(backend: Backend, text: str, variables: Mapping[str, str], *, prune: bool = False) -> None:
    workspace.apply(backend, workspace.plan(backend, text, file="w.yaml", variables=variables, prune=prune))


def test_a_workspace_that_is_exported_and_applied_to_an_empty_folder_is_the_same(made: Any) -> None:
    full, empty = made(), made()
    fill(full)
    text = workspace.export(full, secrets=True)
    apply(empty, text, {})
    assert compared(empty.workspace.read()) == compared(full.workspace.read())
    assert workspace.export(empty, secrets=True) == text
    for backend in (full, empty):
        assert not workspace.plan(backend, text, file="w.yaml", variables={}, prune=True).changes


def test_an_export_without_secrets_holds_none_and_changes_nothing(made: Any) -> None:
    full = made()
    fill(full)
    text, before = workspace.export(full), full.workspace.read()
    keys = [key for source in before.sources for key in source.write_keys]
    own = [each.client_secret for each in before.applications]
    assert [secret for secret in (*SECRETS, *keys, *own) if secret in text] == []
    apply(full, text, {}, prune=True)
    assert full.workspace.read() == before


def test_an_export_without_secrets_says_which_it_needs_elsewhere_and_takes_them_from_variables(made: Any) -> None:
    full, empty = made(), made()
    fill(full)
    text = workspace.export(full)
    variables: dict[str, str] = {}
    needed = [
        ("sources.fans.livelike_webhooks.secret", "hidden-5"),
        ("sources.fans.livelike_webhooks.token", "hidden-6"),
        ("sends_to.write_key", "hidden-3"),
        ("webhooks[0].secret", "hidden-4"),
        ("warehouses.reports", WAREHOUSE_URL),
    ]
    for number, (_, secret) in enumerate(needed):
        variables[f"S{number}"] = secret
    with pytest.raises(Rejected, match=r"livelike_webhooks\.secret is hidden.*secret_env for a variable"):
        workspace.plan(empty, text, file="w.yaml", variables=variables)
    text = text.replace(f"secret: {HIDDEN}\n      signed", "secret_env: S0\n      signed", 1)
    text = text.replace(f"token: {HIDDEN}", "token_env: S1", 1)
    text = text.replace(f"write_key: {HIDDEN}", "write_key_env: S2", 1)
    text = text.replace(f"secret: {HIDDEN}", "secret_env: S3", 1)
    text = text.replace("kind: postgres\n", "kind: postgres\n    url_env: S4\n", 1)
    assert HIDDEN not in text
    text = text.replace("url: https://crm", "shared_secret: hidden-2\n      url: https://crm", 1)
    apply(empty, text, variables)
    again, before = compared(empty.workspace.read()), compared(full.workspace.read())
    assert again.keys() == before.keys()
    for section in ("warehouses", "selections", "plans", "controls", "incoming", "alerts"):
        assert again[section] == before[section]
    assert [dict(each)["webhooks"] for each in again["applications"]] == [
        dict(each)["webhooks"] for each in before["applications"]
    ]
    # Write keys and client secrets that no file gives are made anew.
    assert [dict(each)["write_key"] == "hidden-3" for each in again["applications"]].count(True) == 1


def values(value: Any) -> Iterator[Any]:
    """Yields each dataclass in a value."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        yield value
        for each in dataclasses.fields(value):
            yield from values(getattr(value, each.name))
    elif isinstance(value, Mapping):
        for each in value.values():
            yield from values(each)
    elif isinstance(value, list | tuple):
        for each in value:
            yield from values(each)


def test_the_full_workspace_has_every_field_set(made: Any) -> None:
    full = made()
    fill(full)
    found = list(values(full.workspace.read()))
    for kind in {type(each) for each in found}:
        blank = object()
        for field in dataclasses.fields(kind):
            default: Any = blank if field.default is dataclasses.MISSING else field.default
            if field.default_factory is not dataclasses.MISSING:
                default = field.default_factory()
            name = f"{kind.__name__}.{field.name}"
            if default is not blank and name not in NOT_SET:
                assert any(getattr(each, field.name) != default for each in found if type(each) is kind), name


def test_every_table_of_the_state_is_in_a_text_or_is_no_definition() -> None:
    assert IN_THE_TEXT | NO_DEFINITIONS.keys() == set(METADATA.tables), "a new table: is it exported?"
    assert not IN_THE_TEXT & NO_DEFINITIONS.keys()


def test_tifo_toml_may_hold_every_section() -> None:
    assert set(WORKSPACE) == set(WorkspaceText.__struct_fields__)


def test_a_hidden_secret_is_written_as_that_of_a_destination() -> None:
    assert HIDDEN == MASK


def test_changes_show_no_secret(made: Any) -> None:
    full = made()
    fill(full)
    text = workspace.export(full, secrets=True)
    for old, new in (("hidden-4", "other-4"), ("hidden-5", "other-5"), ("hidden-3", "other-3")):
        text = text.replace(old, new)
    planned = workspace.plan(full, text, file="w.yaml", variables={})
    assert {change.section for change in planned.changes} == {"sources", "applications"}
    assert "other-" not in repr(planned.changes)
    assert "hidden-" not in repr(planned.changes)
    workspace.apply(full, planned)
    assert workspace.export(full, secrets=True) == text


def test_a_refused_file_changes_no_application_and_no_alert(made: Any) -> None:
    full = made()
    fill(full)
    text, before = workspace.export(full, secrets=True), full.workspace.read()
    changed = text.replace("name: Club", "name: Renamed").replace("of: web\n", "of: nowhere\n")
    with pytest.raises(Rejected, match=r"alerts\.volume: low: of is 'nowhere'"):
        workspace.plan(full, changed, file="w.yaml", variables={})
    assert full.workspace.read() == before


def test_pruning_deletes_alerts_and_no_application(made: Any) -> None:
    full = made()
    fill(full)
    text = workspace.export(full, secrets=True)
    apply(full, text[: text.index("\napplications:")], {}, prune=True)
    assert (len(full.workspace.read().applications), full.workspace.read().alerts) == (2, ())
