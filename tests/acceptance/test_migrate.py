"""`tifo migrate` by its real process, and Tifo going on where the state has moved to."""

import dataclasses
import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.conftest import Call
from tests.postgres import PostgresServer
from tifo.app.local import LocalTifo
from tifo.store.audit import state_problems
from tifo.store.database import open_postgres

PASSWORD = "hunter2secret"  # the server trusts everyone; it must only never be shown


@pytest.fixture
def club(tmp_path: Path) -> LocalTifo:
    return LocalTifo(tmp_path / "data")


def migrate(tifo: LocalTifo, url: str, *words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "tifo", "migrate", "--to", url, "--data", str(tifo.data), *words]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def play(call: Call, tifo: LocalTifo, app: dict[str, str], amounts: Sequence[int]) -> None:
    api = f"{tifo.address}/api/v1"
    mine = {"client_id": app["client_id"]}
    token = app["producer_token"]
    found = call("GET", f"{api}/reward-items/?client_id={app['client_id']}", token=token).body["results"]
    item = found[0] if found else call("POST", f"{api}/reward-items/", {**mine, "name": "Points"}, token=token).body
    for amount in amounts:
        fan = call("POST", f"{api}/applications/{app['client_id']}/profile/", {"custom_id": f"fan-{amount}"}).body
        body = {**mine, "reward_item_id": item["id"], "reward_item_amount": amount, "profile_id": fan["id"]}
        answer = call("POST", f"{api}/reward-item-credits/", body, token=token)
        assert answer.status == 201, answer
