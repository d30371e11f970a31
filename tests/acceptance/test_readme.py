"""The README's commands, run as they are written, on a fresh folder: what it shows works."""

import json
import os
import re
import shlex
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.commands import command
from tifo.app.demo.local import LocalTifo
from tifo.app.settings import Settings

ROOT = Path(__file__).parents[2]
README = ROOT / "README.md"
WRITTEN_ADDRESS = "http://127.0.0.1:8100"
NOT_RUN = ("make ", "tifo up", ". .venv")
"""`make demo` and `make test` are run by CI itself; `tifo up` runs beside, on a free port."""
NOT_AGREED = 1
"""Exit code of `tifo game apply` where there is nobody to ask."""


def blocks(text: str) -> Iterator[str]:
    yield from re.findall(r"^```sh\n(.*?)^```", text, re.MULTILINE | re.DOTALL)


def commands(block: str) -> Iterator[str]:
    """Yields the commands of a block, each with its continuation lines."""
    written = ""
    for line in block.splitlines():
        written += line
        try:
            complete = not written.endswith("\\") and bool(shlex.split(written, comments=True) or True)
        except ValueError:  # a quotation goes on
            complete = False
        if complete:
            if written.strip():
                yield written
            written = ""
        else:
            written += "\n"


class Reader:
    """Does what a reader does: runs a command, and fills the names in capitals with what earlier ones printed."""

    def __init__(self, tifo: LocalTifo, folder: Path) -> None:
        self._tifo = tifo
        self._folder = folder
        self.names: dict[str, str] = {}
        self.answers: list[tuple[str, str]] = []

    def run(self, written: str) -> None:
        text = written.replace(WRITTEN_ADDRESS, self._tifo.address)
        for name, value in self.names.items():
            text = re.sub(rf"\b{name}\b", value, text)
        producer = f"Authorization: Bearer {self.names.get('PRODUCER_TOKEN', '')}"
        done = subprocess.run(
            ["bash", "-c", text],
            cwd=self._folder,
            env={
                **os.environ,
                "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
                "TIFO_DATA": str(self._tifo.data),
                "API": f"{self._tifo.address}/api/v1",
                "PRODUCER": producer,
            },
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        expected = {0, NOT_AGREED} if "game apply" in text else {0}
        assert done.returncode in expected, f"{written}\n{done.stderr}"
        self.answers.append((written, done.stdout))
        self._learn(written, done.stdout)

    def _learn(self, written: str, printed: str) -> None:
        if "curl" in written:
            answer = json.loads(printed)
            if "detail" in answer or "message" in answer or "code" in answer:
                assert "id" in answer or answer.get("success"), printed
            if "/reward-items/" in written:
                self.names["ITEM_ID"] = answer["id"]
            return
        told = dict(line.split(maxsplit=1) for line in printed.splitlines() if len(line.split(maxsplit=1)) == 2)
        if "source create" in written:
            self.names["WRITE_KEY" if "livelike" in written else "WEB_KEY"] = told["write_key"]
        if "app create" in written:
            self.names |= {name.upper(): told[name] for name in ("client_id", "producer_token", "program_id")}


@pytest.fixture
def reader(tmp_path: Path) -> Iterator[Reader]:
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    tifo = LocalTifo(tmp_path / "tifo-data")
    with tifo.up("--flush-s", "0.3"):
        yield Reader(tifo, tmp_path)


def wait_for_rows(tifo: LocalTifo, sql: str) -> Any:
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        found = subprocess.run(
            [sys.executable, "-m", "tifo", "sql", sql, "--json", "--data", str(tifo.data)],
            capture_output=True,
            text=True,
            check=False,
        )
        if found.returncode == 0 and json.loads(found.stdout):
            return json.loads(found.stdout)
        time.sleep(0.1)
    raise AssertionError(f"no rows: {sql}")


def test_the_readmes_commands_do_what_it_says(reader: Reader) -> None:
    tifo = reader._tifo
    for block in blocks(README.read_text()):
        for written in commands(block):
            if written.startswith(NOT_RUN):
                continue
            if written.startswith("tifo sql"):
                wait_for_rows(tifo, "select 1 from livelike_demo.reward_item_rewarded")
            reader.run(written)
    printed = dict(reader.answers)
    [reward] = [out for written, out in printed.items() if written.startswith("tifo sql")]
    assert reward.split()[-4:] == ["fan-1", "Points", "5", "5"]
    order = wait_for_rows(tifo, "select user_id, total from web_shop.order_completed")
    assert order == [{"user_id": "fan-1", "total": 12.5}]
    settings = Settings(data=tifo.data)
    for source in ("livelike_demo", "web_shop"):
        assert command(settings, "plan", "violations", source) == [], "an example sends what its source does not expect"


def test_every_name_that_a_reader_fills_in_is_printed_before(reader: Reader) -> None:
    text = README.read_text()
    filled = {"CLIENT_ID", "PRODUCER_TOKEN", "PROGRAM_ID", "ITEM_ID", "WRITE_KEY", "WEB_KEY"}
    used = {name for block in blocks(text) for name in re.findall(r"\b[A-Z]+_[A-Z]+\b", block)}
    assert used <= filled
    assert reader.names == {}


def test_setup_names_the_address_of_the_running_node(reader: Reader) -> None:
    settings = Settings(data=reader._tifo.data)
    for kind in ("livelike", "http", "javascript", "node", "python", "rudder-node", "rudder-python"):
        made = command(settings, "source", "create", f"A {kind}", "--type", kind)
        told = command(settings, "source", "setup", made["slug"])["setup"]
        assert reader._tifo.address in told
        assert made["write_key"] in told
        assert not re.search(r"\bSOURCE\b|[{]\w+[}]", told), told
    hook = command(settings, "source", "webhooks-in", "a_livelike", "--secret", "s")
    assert hook["url"] == f"{reader._tifo.address}/webhooks/livelike/a_livelike"


def test_every_route_that_an_example_names_is_served(reader: Reader, call: Any) -> None:
    document = call("GET", f"{reader._tifo.address}/docs/openapi.json").body
    texts = [path.read_text() for path in (ROOT / "examples").glob("*.yaml")]
    named = [each for text in texts for each in re.findall(r"(GET|POST|PATCH|DELETE) (/api/v1/[\w/-]+)", text)]
    assert named
    served = {(method.upper(), path) for path, methods in document["paths"].items() for method in methods}
    assert set(named) <= served, sorted(served)[:3]
