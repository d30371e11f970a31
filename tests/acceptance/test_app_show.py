"""`tifo app show` tells what the relay meets, while Tifo runs and when it does not."""

import json
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.commands import command
from tifo.app.demo.local import LocalTifo
from tifo.app.settings import Settings

Call = Callable[..., Any]


def test_an_applications_line_is_shown_whether_or_not_tifo_runs(tmp_path: Path, call: Call) -> None:
    tifo = LocalTifo(tmp_path / "data")
    settings = Settings(data=tifo.data)
    app = command(settings, "app", "create", "Club")
    source = command(settings, "source", "create", "LiveLike_Demo", "--type", "livelike")
    client_id = app["client_id"]

    def shown_when(state: str) -> Any:
        deadline = time.monotonic() + 20
        while (shown := command(settings, "app", "show", client_id))["state"] != state:
            assert time.monotonic() < deadline, shown
            time.sleep(0.05)
        return shown

    def show(*words: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "tifo", "app", "show", *words, "--data", str(tifo.data)]
        return subprocess.run(command, capture_output=True, text=True, check=False)

    command(settings, "app", "connect", client_id, "--write-key", "their-key", "--endpoint", "http://127.0.0.1:1")
    with tifo.up("--flush-s", "0.3"):
        base, token = f"{tifo.address}/api/v1", app["producer_token"]
        badge = call("POST", f"{base}/badges/", {"client_id": client_id, "name": "Welcome"}, token=token).body
        fan = call("POST", f"{base}/applications/{client_id}/profile/", raw=b"", token="").body
        call("POST", f"{base}/profiles/{fan['id']}/badges/", {"badge_id": badge["id"]}, token=token)
        shown = shown_when("retrying")
        assert (shown["waiting"], shown["last_sent"]) == (1, None)
        assert shown["sources"] == [{"source": None, "endpoint": "http://127.0.0.1:1"}]
        assert "Connect" in shown["trouble"]["error"]
    down = json.loads(show(client_id, "--json").stdout)
    assert (down["state"], down["waiting"]) == ("retrying", 1)
    assert down["trouble"]["since"] == shown["trouble"]["since"] <= down["trouble"]["tried_at"]
    assert "their-key" not in str(down)
    command(settings, "app", "connect", client_id, "--write-key", source["write_key"])
    with tifo.up("--flush-s", "0.3"):
        shown = shown_when("idle")
        assert shown["sources"] == [{"source": "livelike_demo", "endpoint": "Tifo"}]
        assert (shown["trouble"], shown["waiting"]) == (None, 0)
        text = show(client_id).stdout
        assert "livelike_demo at Tifo" in text
        assert shown["last_sent"]["id"] in text
    unknown = show("nothing")
    assert unknown.returncode == 2
    assert "nothing" in unknown.stderr
