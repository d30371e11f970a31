"""Starting and stopping, as a user or a service manager does it."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import httpx
import psutil
import pytest

from tifo.app.demo.local import LocalTifo
from tifo.app.roles import RUN
from tifo.web.listening import free_port


def test_an_empty_folder_needs_no_configuration(tmp_path: Path) -> None:
    """As a new user does it: in a folder of her own, without a flag but the port, which a test may not choose."""
    port = str(free_port())
    tifo = [sys.executable, "-m", "tifo"]
    process = subprocess.Popen([*tifo, "up", "--port", port], cwd=tmp_path, stdout=subprocess.DEVNULL)
    try:
        made = subprocess.run(
            [*tifo, "source", "create", "Club", "--type", "http", "--json"],
            cwd=tmp_path,
            capture_output=True,
            check=True,
        )
        key = json.loads(made.stdout)["write_key"]
        assert eventually(lambda: posted(port, key) == 200)
        counting = [*tifo, "sql", "select count(*) as n from club.seen", "--json"]
        assert eventually(
            lambda: (
                subprocess.run(counting, cwd=tmp_path, capture_output=True, check=False).stdout.strip() == b'[{"n":1}]'
            )
        )
    finally:
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=15) == 0
    assert [each.name for each in tmp_path.iterdir()] == ["tifo-data"]


def posted(port: str, key: str) -> int:
    body = {"writeKey": key, "userId": "ada", "event": "Seen", "messageId": "m1"}
    try:
        return httpx.post(f"http://127.0.0.1:{port}/v1/track", json=body).status_code
    except httpx.TransportError:
        return 0


def eventually(is_so: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + 30
    while not is_so():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.2)
    return True


def test_a_port_in_use_is_named_and_nothing_is_started(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        command = [sys.executable, "-m", "tifo", "up", "--data", str(tmp_path / "data"), "--port", str(port)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 2
    assert str(port) in done.stderr
    assert "--port" in done.stderr
    assert "Traceback" not in done.stderr


def test_the_address_is_printed_when_the_port_answers(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "tifo", "up", "--data", str(tmp_path / "data"), "--port", "0"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        line = next(line for line in process.stderr if line.startswith("Tifo is at "))
        address = line.removeprefix("Tifo is at ").partition(",")[0]
        assert httpx.get(f"{address}/health").json() == {"status": "ok"}
        _until(lambda: httpx.get(f"{address}/ready").status_code == 200)
        roles = httpx.get(f"{address}/ready").json()["roles"]
        process.send_signal(signal.SIGTERM)
    assert {name: role["status"] for name, role in roles.items()} == dict.fromkeys(RUN, "up")
    assert process.returncode == 0


@pytest.mark.kill
@pytest.mark.parametrize("after_s", [0.0, 1.0])
def test_sigterm_ends_with_0_within_ten_seconds_even_while_starting(tmp_path: Path, after_s: float) -> None:
    tifo = LocalTifo(tmp_path / "data")
    process = tifo.start()
    if after_s:
        tifo.wait_until_healthy(process)
    else:
        _until(lambda: len(_roles(process.pid)) == len(RUN))
    process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=10) == 0


@pytest.mark.kill
def test_roles_end_when_their_supervisor_is_killed(tmp_path: Path) -> None:
    tifo = LocalTifo(tmp_path / "data")
    process = tifo.start()
    tifo.wait_until_healthy(process)
    roles = _roles(process.pid)
    assert len(roles) == len(RUN)
    process.kill()
    process.wait()
    _until(lambda: not any(map(_is_alive, roles)))


def _roles(parent: int) -> set[int]:
    return {child.pid for child in psutil.Process(parent).children()}


def _is_alive(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def _until(condition: object) -> None:
    assert callable(condition)
    deadline = time.monotonic() + 15
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


@pytest.mark.kill
def test_metrics_are_one_page_for_all_roles_and_outlive_a_role(tmp_path: Path) -> None:
    tifo = LocalTifo(tmp_path / "data")
    write_key = tifo.command("source", "create", "Site", "--type", "http")["write_key"]
    with tifo.up("--flush-s", "0.1") as process:
        event = {"userId": "u", "event": "Seen", "writeKey": write_key}
        assert httpx.post(f"{tifo.address}/v1/track", json=event).status_code == 200
        assert httpx.post(f"{tifo.address}/v1/track", json={"writeKey": write_key}).status_code == 400
        _until(lambda: _metric(tifo, "tifo_loader_rows_total") == 2)  # one in tracks, one in seen
        assert _metric(tifo, 'tifo_ingest_events_total{outcome="received"}') == 1
        assert _metric(tifo, 'tifo_ingest_events_total{outcome="refused"}') == 1
        before = _roles(process.pid)
        for role in before:
            os.kill(role, signal.SIGKILL)
        _until(lambda: len(_roles(process.pid) - before) == len(RUN))
        _until(lambda: _metric(tifo, 'tifo_ingest_events_total{outcome="received"}') == 1)
        assert httpx.post(f"{tifo.address}/v1/track", json=event).status_code == 200
        assert _metric(tifo, 'tifo_ingest_events_total{outcome="received"}') == 2


def _metric(tifo: LocalTifo, name: str) -> float | None:
    """None while the page cannot be had, or has no such line."""
    with contextlib.suppress(httpx.TransportError):
        for line in httpx.get(f"{tifo.address}/metrics").text.splitlines():
            if line.startswith(f"{name} "):
                return float(line.rpartition(" ")[2])
    return None
