"""`tifo migrate` by its real process, and Tifo going on where its state has moved to."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.postgres import PostgresServer
from tifo.app.demo.local import LocalTifo
from tifo.store.engagement.audit import SqlLedgerAudit
from tifo.store.sql.database import open_postgres

Call = Callable[..., Any]
PASSWORD = "hunter2secret"  # the server lets everyone in; it must only never be shown
PAID = 5


def test_a_folder_moves_to_postgresql_and_the_game_goes_on_there(
    tmp_path: Path, postgres: PostgresServer, call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = postgres.new_database().replace("postgres@", f"postgres:{PASSWORD}@")
    tifo = LocalTifo(tmp_path / "data")
    with tifo.up("--flush-s", "0.3"):
        app = tifo.command("app", "create", "Club")
        source = tifo.command("source", "create", "Play", "--type", "livelike")
        tifo.command("app", "connect", app["client_id"], "--write-key", source["write_key"])
        item = _set_up(tifo, app, call)
        assert _vote(tifo, app, call, "before").status == 201
        assert tifo.audit()["ok"]
        while_it_runs = _migrate(tifo, url)
    assert while_it_runs.returncode == 75
    assert "Another process writes" in while_it_runs.stderr

    # As set already for the start to come: the folder is moved all the same.
    monkeypatch.setenv("TIFO_DATABASE_URL", url)
    moved = _migrate(tifo, url, "--json")
    assert moved.returncode == 0, moved.stderr
    found = json.loads(moved.stdout)
    assert (found["ok"], found["differences"], found["balances"]) == (True, [], {item: PAID})
    assert (found["tables"]["profiles"], found["tables"]["transactions"], found["tables"]["sources"]) == (1, 1, 1)

    again = _migrate(tifo, url)
    assert again.returncode == 2
    assert "holds rows already" in again.stderr

    with tifo.up("--flush-s", "0.3"):
        assert _vote(tifo, app, call, "before").status == 409
        assert _vote(tifo, app, call, "after").status == 201
        verdict = tifo.audit()
    assert verdict == {"ok": True, "ledger": 2, "events": 2, "rows": 2, "problems": [], "notes": []}
    database = open_postgres(url)
    assert SqlLedgerAudit(database).problems() == []
    database.dispose()
    told = "".join(each.stdout + each.stderr for each in (while_it_runs, moved, again))
    assert PASSWORD not in told


def test_a_folder_without_a_state_is_not_moved(tmp_path: Path) -> None:
    refused = _migrate(LocalTifo(tmp_path / "typo"), f"postgresql://postgres:{PASSWORD}@127.0.0.1:1/tifo")
    assert refused.returncode == 2
    assert "There is no state in" in refused.stderr
    assert PASSWORD not in refused.stdout + refused.stderr
    assert not (tmp_path / "typo").exists()


def _migrate(tifo: LocalTifo, url: str, *words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "tifo", "migrate", "--to", url, "--data", str(tifo.data), *words]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def _set_up(tifo: LocalTifo, app: dict[str, str], call: Call) -> str:
    def make(path: str, **body: object) -> Any:
        body["client_id"] = app["client_id"]
        answer = call("POST", f"{tifo.address}/api/v1/{path}", body, token=app["producer_token"])
        assert answer.status == 201, answer
        return answer.body

    item: str = make("reward-items/", name="Points")["id"]
    make("reward-actions/", key="vote", name="Vote")
    entry = {"reward_item_id": item, "reward_item_amount": PAID, "action": "vote"}
    make("reward-tables/", name="Match", entries=[entry])
    make(f"profile-by-custom-id/{app['client_id']}/fan/")
    return item


def _vote(tifo: LocalTifo, app: dict[str, str], call: Call, code: str) -> Any:
    vote = {"program_id": app["program_id"], "reward_action_key": "vote", "custom_profile_id": "fan", "code": code}
    return call("POST", f"{tifo.address}/api/v1/invoked-actions/", vote, token=app["producer_token"])
