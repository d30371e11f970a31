import pytest

from tests.twins import TwinBackend
from tifo.destinations.settings import MASK
from tifo.kernel.errors import Conflict, Rejected, Transient
from tifo.operations import sources, tracking_plans, workspace
from tifo.operations.workspace import PlannedWorkspace, Variables

FILE = "workspace.yaml"
SOURCE = "sources: {web: {name: Web shop, type: javascript}}\n"
WAREHOUSE = "warehouses: {reports: {kind: postgres, url_env: REPORTS_URL}}\n"
HOOK = "{url: https://crm.example.com/hook}"
VARIABLES = {"REPORTS_URL": "postgresql://u:hidden@away/d", "CRM_SECRET": "hush-hush"}


def crm(settings: str = HOOK, more: str = "") -> str:
    return f"{SOURCE}destinations: {{web/crm: {{kind: webhook, settings: {settings}{more}}}}}\n"


@pytest.fixture
def backend() -> TwinBackend:
    def reach(_kind: str, url: str) -> None:
        if "away" in url:
            raise Transient("The warehouse is away.")

    return TwinBackend(check_warehouse=reach)


def plan(backend: TwinBackend, text: str, variables: Variables = VARIABLES, *, prune: bool = False) -> PlannedWorkspace:
    return workspace.plan(backend, text, file=FILE, variables=variables, prune=prune)


def apply(backend: TwinBackend, text: str, variables: Variables = VARIABLES) -> PlannedWorkspace:
    planned = plan(backend, text, variables)
    workspace.apply(backend, planned)
    return planned


def changed(planned: PlannedWorkspace) -> list[tuple[str, list[str]]]:
    return [(change.key, [field.path for field in change.fields]) for change in planned.changes]


def test_a_plan_changes_nothing_until_it_is_applied(backend: TwinBackend) -> None:
    planned = plan(backend, SOURCE)
    assert [change.key for change in planned.changes] == ["web"]
    assert sources.listed(backend) == []
    workspace.apply(backend, planned)
    assert sources.find(backend, "web").name == "Web shop"
    assert plan(backend, SOURCE).changes == ()


def test_an_export_changes_nothing_when_it_is_applied(backend: TwinBackend) -> None:
    apply(backend, crm(more=", settings_env: {shared_secret: CRM_SECRET}"))
    exported = workspace.export(backend)
    assert "hush-hush" not in exported
    assert sources.find(backend, "web").write_key not in exported
    assert plan(backend, exported).changes == ()
    in_clear = workspace.export(backend, secrets=True)
    assert "hush-hush" in in_clear
    assert sources.find(backend, "web").write_key in in_clear


def test_what_a_text_does_not_name_is_deleted_only_where_it_prunes(backend: TwinBackend) -> None:
    apply(backend, crm())
    assert plan(backend, SOURCE).changes == ()
    assert [change.key for change in plan(backend, SOURCE, prune=True).changes] == ["web/crm"]


def test_a_workspace_that_has_changed_since_is_not_touched(backend: TwinBackend) -> None:
    planned = plan(backend, SOURCE)
    sources.create(backend, "Other", "http")
    with pytest.raises(Conflict):
        workspace.apply(backend, planned)
    assert [source.name for source in sources.listed(backend)] == ["Other"]


def test_a_secret_that_is_not_written_or_written_as_its_mask_stays(backend: TwinBackend) -> None:
    apply(backend, crm("{url: https://crm.example.com/hook, shared_secret: hush-hush}"))
    for settings in (HOOK, f"{{url: https://crm.example.com/hook, shared_secret: {MASK}}}"):
        assert plan(backend, crm(settings)).changes == ()
    other = plan(backend, crm("{url: https://crm.example.com/hook, shared_secret: other}"))
    assert changed(other) == [("web/crm", ["settings.shared_secret"])]
    assert "other" not in repr(other)


def test_a_setting_that_is_no_secret_has_its_default_where_it_is_not_written(backend: TwinBackend) -> None:
    apply(backend, crm("{url: https://crm.example.com/hook, timeout_s: 9}"))
    assert changed(plan(backend, crm())) == [("web/crm", ["settings.timeout_s"])]


def test_variables_hold_secrets_and_a_missing_one_is_named(backend: TwinBackend) -> None:
    text = crm(more=", settings_env: {shared_secret: CRM_SECRET}")
    with pytest.raises(Rejected, match="the variable CRM_SECRET is not set") as refused:
        plan(backend, text, {})
    assert refused.value.field == "settings_env"
    apply(backend, text)
    (destination,) = backend.destinations.all()
    assert destination.settings["shared_secret"] == "hush-hush"


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (crm("{speed: 9}"), "destinations.web/crm: There is no setting 'speed'"),
        (crm(more=", filters: [{title: T, when: match(, actions: [{type: DROP}]}]"), "destinations.web/crm: if"),
        (crm(more=", events: {onyl: [Goal]}"), "unknown field `onyl`"),
        (crm().replace("web/crm", "crm"), "A destination's key is"),
        (crm().replace("web/crm", "app/crm"), "There is no source 'app'"),
        (crm().replace("webhook", "pigeon"), "There is no kind of destination 'pigeon'"),
        ("warehouses: {reports: {kind: postgres}}", "reports is new: write its url"),
        ("sources: {web: {nam: x}}", "There is no field 'nam' here"),
    ],
)
def test_a_text_that_is_refused_names_the_place(backend: TwinBackend, text: str, problem: str) -> None:
    with pytest.raises(Rejected) as refused:
        plan(backend, text)
    assert problem in refused.value.message
    assert sources.listed(backend) == []


def test_a_warehouse_that_cannot_be_reached_is_not_made(backend: TwinBackend) -> None:
    with pytest.raises(Rejected, match="REPORTS_URL is not set"):
        plan(backend, WAREHOUSE, {})
    with pytest.raises(Transient):
        plan(backend, SOURCE + WAREHOUSE)
    planned = apply(backend, WAREHOUSE, {"REPORTS_URL": "postgresql://u:hidden@db/d"})
    assert "hidden" not in repr(planned)
    assert plan(backend, WAREHOUSE, {}).changes == (), "the address is asked for once"


def test_plans_and_selective_sync_are_part_of_the_workspace(backend: TwinBackend) -> None:
    text = "tracking_plans: {Orders: {}}\nsources: {web: {name: W, type: http, tracking_plan: Orders}}\n"
    apply(backend, text)
    assert [source.slug for source in tracking_plans.sources_of(backend, "Orders")] == ["web"]


def test_names_beside_the_workspace_are_left_out(backend: TwinBackend) -> None:
    text = 'flush_s = 0.5\n[sources.web]\nname = "Web"\ntype = "http"\n'
    planned = workspace.plan(backend, text, file="tifo.toml", variables={}, beside=["flush_s"])
    assert [change.key for change in planned.changes] == ["web"]
    with pytest.raises(Rejected, match="flush_s"):
        workspace.plan(backend, text, file="tifo.toml", variables={})
