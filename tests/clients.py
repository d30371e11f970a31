"""Segment's and RudderStack's own clients, unmodified, as processes that do what a test tells them."""

import contextlib
import json
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from tests.maven import jars
from tests.tools import lacking, need
from tifo.app.demo.local import LocalTifo

FOLDER = Path(__file__).parent / "acceptance" / "clients"
NEEDS = ("node", "npm", "chromium", "go", "java", "javac")
Commands = Mapping[str, Sequence[str]]
"""By the client's name; its process takes Tifo's address and a write key, and then reads as `send.cjs` says."""


class Sender:
    """A process that runs a client."""

    def __init__(self, command: Sequence[str], address: str, source: Mapping[str, str]) -> None:
        self.schema = source["schema"]
        self._process = subprocess.Popen(
            [*command, address, source["write_key"]],
            cwd=FOLDER,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def tell(self, **asked: object) -> None:
        assert self._process.stdin
        self._process.stdin.write(json.dumps(asked) + "\n")
        self._process.stdin.flush()

    def failures(self) -> list[str]:
        """What the client gave up on by the end of the last command."""
        assert self._process.stdout
        failures: list[str] = json.loads(self._process.stdout.readline())["failures"]
        return failures

    def close(self) -> None:
        self._process.kill()
        self._process.communicate()


@contextlib.contextmanager
def senders(commands: Commands, tifo: LocalTifo) -> Iterator[dict[str, Sender]]:
    """All clients, each with a source of its own."""
    with contextlib.ExitStack() as stack:
        started: dict[str, Sender] = {}
        for name, command in commands.items():
            source = tifo.command("source", "create", name, "--type", "http")
            started[name] = Sender(command, tifo.address, source)
            stack.callback(started[name].close)
        yield started


def installed(built: Path) -> Commands:
    """Fetches what is missing of the clients, and builds Go's into the folder `built`.

    Skips the test where a tool is missing or refuses; in CI fails it.
    """
    need(*NEEDS)
    _npm_packages()
    return {
        "segment_python": [sys.executable, "send.py", "segment"],
        "segment_node": ["node", "send.cjs", "segment"],
        "segment_browser": [sys.executable, "browse.py", "segment"],
        "segment_go": [_go_program(built)],
        "segment_java": _java("java/Send.java", "java/segment_jars.txt"),
        "rudder_python": [sys.executable, "send.py", "rudder"],
        "rudder_node": ["node", "send.cjs", "rudder"],
        "rudder_browser": [sys.executable, "browse.py", "rudder"],
    }


def _npm_packages() -> None:
    wanted, there = FOLDER / "package-lock.json", FOLDER / "node_modules" / ".package-lock.json"
    if not there.exists() or there.stat().st_mtime < wanted.stat().st_mtime:
        _run("npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", folder=FOLDER)


def _go_program(built: Path) -> str:
    program = built / "send"
    # Without the repository's version: git refuses to tell it where somebody else owns the clone.
    _run("go", "build", "-buildvcs=false", "-o", str(program), ".", folder=FOLDER / "go")
    return str(program)


def _java(program: str, listed: str) -> list[str]:
    return ["java", "-Xmx128m", "-XX:TieredStopAtLevel=1", "-cp", f"{jars(FOLDER / listed)}/*", program]


def _run(*command: str, folder: Path) -> None:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=300, check=False)
    if done.returncode:
        lacking(f"{' '.join(command)} failed: {done.stderr[-500:]}")
