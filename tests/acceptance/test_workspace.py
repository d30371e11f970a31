"""`tifo source` and `tifo workspace`, by the command line."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tifo.app.cli.main import BAD_INPUT, DIFFERENT, OK, run

FILE = """
sources:
  web:
    name: Web shop
    type: javascript
    not_loaded:
      duckdb: [pages, tracks.context_ip]
"""
Tifo = Callable[..., tuple[int, str, str]]


@pytest.fixture
def tifo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Tifo:
    """Runs a command on a fresh folder: its exit code, and what it printed on stdout and stderr."""
    monkeypatch.setenv("TIFO_DATA", str(tmp_path / "data"))

    def tifo(*words: str) -> tuple[int, str, str]:
        code = run(words)
        return (code, *capsys.readouterr())

    return tifo


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "workspace.yaml"
    path.write_text(FILE)
    return path


def as_json(tifo: Tifo, *words: str) -> Any:
    code, out, _ = tifo(*words, "--json")
    assert code == OK
    return json.loads(out)


def test_a_file_is_planned_then_applied_and_exported_again(tifo: Tifo, file: Path) -> None:
    code, out, said = tifo("workspace", "apply", str(file))
    assert (code, out) == (DIFFERENT, "+ sources.web\n1 to create, 0 to change, 0 to delete.\n")
    assert "Nothing is applied" in said
    assert as_json(tifo, "source", "list") == []
    assert as_json(tifo, "workspace", "apply", str(file), "--yes")["applied"]
    [source] = as_json(tifo, "source", "list")
    code, exported, _ = tifo("workspace", "export")
    assert source["write_key"] not in exported
    file.write_text(exported)
    assert tifo("workspace", "apply", str(file))[:2] == (OK, "No changes.\n")
    assert source["write_key"] in tifo("workspace", "export", "--secrets")[1]


def test_a_warehouse_that_cannot_be_reached_is_not_made(
    tifo: Tifo, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file.write_text(FILE + "warehouses:\n  reports: {kind: postgres, url_env: REPORTS_URL}\n")
    code, _, said = tifo("workspace", "apply", str(file), "--yes")
    assert (code, "REPORTS_URL is not set" in said) == (BAD_INPUT, True)
    monkeypatch.setenv("REPORTS_URL", "postgresql://tifo:hidden-word@127.0.0.1:1/reports")
    code, out, said = tifo("workspace", "apply", str(file), "--yes")
    assert code == 75
    assert "hidden-word" not in out + said
    assert as_json(tifo, "source", "list") == []


def test_a_source_lives_on_the_command_line(tifo: Tifo) -> None:
    made = as_json(tifo, "source", "create", "Shop", "--type", "python")
    told = as_json(tifo, "source", "setup", "shop")["setup"]
    assert made["write_key"] in told
    assert "segment.analytics" in told
    new = as_json(tifo, "source", "key", "create", "shop")["write_key"]
    assert as_json(tifo, "source", "key", "remove", "shop", made["write_key"])["write_keys"] == 1
    assert [each["write_key"] for each in as_json(tifo, "source", "key", "list", "shop")] == [new]
    assert tifo("source", "key", "remove", "shop", new)[0] == BAD_INPUT
    renamed = as_json(tifo, "source", "rename", "shop", "Fan shop", "--schema", "fan_shop")
    assert (renamed["name"], renamed["slug"], renamed["schema"]) == ("Fan shop", "shop", "fan_shop")
    assert not as_json(tifo, "source", "disable", "shop")["enabled"]
    assert as_json(tifo, "source", "enable", "shop")["enabled"]
    code, out, said = tifo("source", "delete", "shop", "--json")
    assert (code, json.loads(out)["schema_kept"]) == (OK, "fan_shop")
    assert "stay in the event log" in said
    assert as_json(tifo, "source", "list") == []


def test_a_source_with_an_application_is_deleted_by_force_only(tifo: Tifo) -> None:
    app = as_json(tifo, "app", "create", "Club")
    key = as_json(tifo, "source", "create", "Fans", "--type", "livelike")["write_key"]
    as_json(tifo, "app", "connect", app["client_id"], "--write-key", key)
    code, _, said = tifo("source", "delete", "fans")
    assert (code, app["client_id"] in said) == (BAD_INPUT, True)
    deleted = as_json(tifo, "source", "delete", "fans", "--force")
    assert deleted["applications_disconnected"] == [app["client_id"]]
    assert as_json(tifo, "app", "show", app["client_id"])


def test_what_is_not_loaded_is_told_and_changed_by_table_and_column(tifo: Tifo) -> None:
    as_json(tifo, "source", "create", "Shop", "--type", "http")
    off = ("--off", "pages", "--off", "identifies.email")
    assert as_json(tifo, "source", "sync", "shop", *off) == [
        {"table": "pages", "column": None, "loaded": False},
        {"table": "identifies", "column": "email", "loaded": False},
    ]
    assert as_json(tifo, "source", "sync", "shop", "--on", "pages") == [
        {"table": "identifies", "column": "email", "loaded": False}
    ]
    assert tifo("source", "sync", "shop", "--warehouse", "nowhere")[0] == BAD_INPUT


def test_a_token_is_shown_once_and_revoked_by_its_id(tifo: Tifo) -> None:
    made = as_json(tifo, "workspace", "token", "create", "--name", "ci", "--role", "editor")
    code, out, _ = tifo("workspace", "token", "list", "--json")
    assert (code, made["token"] in out) == (OK, False)
    [listed] = json.loads(out)
    assert (listed["id"], listed["name"], listed["role"]) == (made["id"], "ci", "editor")
    assert as_json(tifo, "workspace", "token", "revoke", made["id"]) == {"revoked": made["id"]}
    assert as_json(tifo, "workspace", "token", "list") == []
    assert tifo("workspace", "token", "revoke", made["id"])[0] == BAD_INPUT


def test_tifo_toml_may_declare_the_workspace_beside_the_settings(
    tifo: Tifo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("tifo.toml").write_text(
        'flush_s = 0.5\n[tracking_plans.Shop]\n[sources.web]\nname = "Web"\ntype = "http"\ntracking_plan = "Shop"\n'
    )
    assert as_json(tifo, "workspace", "apply", "--yes")["applied"]
    assert [source["slug"] for source in as_json(tifo, "source", "list")] == ["web"]
    assert as_json(tifo, "plan", "list")[1]["sources"] == "web"
    assert tifo("workspace", "apply")[:2] == (OK, "No changes.\n")
    Path("tifo.toml").write_text("flus_s = 0.5\n")
    assert tifo("workspace", "apply")[0] == BAD_INPUT


DESTINATIONS = """
sources:
  web: {name: Web shop, type: javascript}
destinations:
  web/crm:
    kind: webhook
    settings: {url: https://crm.example.com/hook, timeout_s: 9}
    settings_env: {shared_secret: CRM_SECRET}
    events: {only: [Order Completed]}
    filters:
      - title: No staff
        when: match(userId, 'staff-*')
        actions: [{type: DROP}]
  web/lake:
    kind: files
    enabled: false
    settings: {place: /data/lake, format: parquet}
"""


def test_destinations_are_declared_planned_and_exported(
    tifo: Tifo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "workspace.yaml"
    file.write_text(DESTINATIONS)
    assert "CRM_SECRET is not set" in tifo("workspace", "apply", str(file))[2]
    monkeypatch.setenv("CRM_SECRET", "hush-hush")
    code, out, said = tifo("workspace", "apply", str(file))
    assert (code, "+ destinations.web/crm" in out) == (DIFFERENT, True)
    assert "hush-hush" not in out + said
    assert as_json(tifo, "workspace", "apply", str(file), "--yes")["applied"]
    crm, lake = as_json(tifo, "destination", "list")
    assert (crm["name"], crm["kind"], crm["settings"]["timeout_s"], crm["enabled"]) == ("crm", "webhook", 9, True)
    assert (lake["enabled"], lake["settings"]["format"]) == (False, "parquet")
    assert [each["title"] for each in as_json(tifo, "destination", "filter", "list", "crm")] == ["No staff"]
    assert tifo("workspace", "apply", str(file))[:2] == (OK, "No changes.\n")

    exported = tifo("workspace", "export")[1]
    assert "hush-hush" not in exported
    assert "hush-hush" in tifo("workspace", "export", "--secrets")[1]
    file.write_text(exported)
    assert tifo("workspace", "apply", str(file))[:2] == (OK, "No changes.\n"), "secrets that are not written stay"

    changed = DESTINATIONS.replace("timeout_s: 9", "timeout_s: 8").replace("staff-*", "team-*")
    monkeypatch.setenv("CRM_SECRET", "another-word")
    file.write_text(changed[: changed.index("  web/lake")])
    out = tifo("workspace", "apply", str(file), "--prune")[1]
    for line in ("settings.timeout_s", "settings.shared_secret", "filters.No staff", "- destinations.web/lake"):
        assert line in out
    assert "another-word" not in out
    assert as_json(tifo, "workspace", "apply", str(file), "--prune", "--yes")["applied"]
    assert [each["name"] for each in as_json(tifo, "destination", "list")] == ["crm"]


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ("kind: webhook", "kind: pigeon", "destinations.web/crm: There is no kind of destination 'pigeon'"),
        ("timeout_s: 9", "timeout_s: 900", "destinations.web/crm: timeout_s is 900"),
        ("timeout_s: 9", "speed: 9", "destinations.web/crm: There is no setting 'speed'"),
        ("match(userId, 'staff-*')", "match(userId", "destinations.web/crm: if: the FQL"),
        ("type: DROP", "type: FLY", "destinations.web/crm: Invalid enum value 'FLY'"),
        ("only: [Order", "onyl: [Order", "destinations.web/crm: Object contains unknown field `onyl`"),
        ("  web/lake", "  lake", "destinations.lake: A destination's key is"),
        ("  web/lake", "  app/lake", "There is no source 'app'"),
    ],
)
def test_a_destination_that_cannot_work_is_refused_with_its_place(
    tifo: Tifo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, old: str, new: str, problem: str
) -> None:
    monkeypatch.setenv("CRM_SECRET", "hush-hush")
    file = tmp_path / "workspace.yaml"
    file.write_text(DESTINATIONS.replace(old, new))
    code, _, said = tifo("workspace", "apply", str(file), "--yes")
    assert (code, problem in said) == (BAD_INPUT, True), said
    assert as_json(tifo, "destination", "list") == []
