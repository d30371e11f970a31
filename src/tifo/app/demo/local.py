"""Runs a Tifo on one folder of this machine, and uses it as a stranger would: by its command line and HTTP."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from tifo.kernel.errors import Transient
from tifo.web.listening import free_port

_STARTS_WITHIN_S = 30.0


class LocalTifo:
    """Starts Tifo and runs its commands. The port is a free one, and stays the same when Tifo is started again.

    The folder `data` need not exist. `settings` are variables for all commands, such as `TIFO_DATABASE_URL`.
    """

    def __init__(self, data: Path, settings: Mapping[str, str] | None = None) -> None:
        self.data = data
        self.settings = settings or {}
        self.port = free_port()
        self.address = f"http://127.0.0.1:{self.port}"

    @contextlib.contextmanager
    def up(self, *flags: str) -> Iterator[subprocess.Popen[bytes]]:
        """Runs Tifo until the block ends, then stops it by SIGTERM. Raises `Transient` unless it exits with 0."""
        process = self.start(*flags)
        try:
            self.wait_until_healthy(process)
            yield process
        finally:
            process.send_signal(signal.SIGTERM)
            code = process.wait(timeout=15)
        if code != 0:
            raise Transient(f"tifo up ended with exit code {code}; see its log above.")

    def start(self, *flags: str) -> subprocess.Popen[bytes]:
        command = [*_TIFO, "up", "--host", "127.0.0.1", "--port", str(self.port), *flags]
        return subprocess.Popen(command, stdout=subprocess.DEVNULL, env=self._env())

    def wait_until_healthy(self, process: subprocess.Popen[bytes]) -> None:
        deadline = time.monotonic() + _STARTS_WITHIN_S
        while time.monotonic() < deadline and process.poll() is None:
            with contextlib.suppress(OSError), urllib.request.urlopen(f"{self.address}/health", timeout=2):  # noqa: S310 (our own http address)
                return
            time.sleep(0.05)
        raise Transient("Tifo did not come up in time; its log above says why.")

    def command(self, *words: str) -> Any:
        """Returns what the command prints with `--json`. Raises CalledProcessError for an exit code other than 0."""
        done = subprocess.run(
            [*_TIFO, *words, "--json"], stdout=subprocess.PIPE, text=True, check=True, env=self._env()
        )
        return json.loads(done.stdout)

    def query(self, sql: str) -> Any:
        return self.command("sql", sql)

    def audit(self) -> Any:
        """Returns the verdict. The command exits with 1 where it found a problem; the document names it."""
        done = subprocess.run(
            [*_TIFO, "audit", "--json"], stdout=subprocess.PIPE, text=True, check=False, env=self._env()
        )
        return json.loads(done.stdout)

    def rows(self, schema: str, tables: list[str]) -> dict[str, int]:
        """Counts rows by table. A table that does not exist yet is left out."""
        if not (self.data / "warehouse.duckdb").exists():
            return {}
        known = {
            row["table_name"]
            for row in self.query(f"select table_name from information_schema.tables where table_schema = '{schema}'")
        }
        there = [table for table in tables if table in known]
        if not there:
            return {}
        parts = " union all ".join(f"select '{t}' as t, count(*)::bigint as n from {schema}.{t}" for t in there)
        return {row["t"]: row["n"] for row in self.query(parts)}

    def _env(self) -> dict[str, str]:
        return {**os.environ, **self.settings, "TIFO_DATA": str(self.data)}


_TIFO = (sys.executable, "-m", "tifo")
