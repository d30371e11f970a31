"""A real PostgreSQL for tests: one server, made anew, with a database for whoever asks for one."""

import itertools
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

_STARTS_WITHIN_S = 30.0
_ALWAYS = ("max_connections=60", "listen_addresses=127.0.0.1")
_QUICK = ("fsync=off",)
"""Tests kill us, never the machine."""


class PostgresServer:
    def __init__(self, folder: Path, user: str | None, settings: Sequence[str]) -> None:
        self._settings = (*_ALWAYS, *settings)
        self._folder = folder
        self._user = user
        self._numbers = itertools.count()
        self._process: subprocess.Popen[bytes] | None = None
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = int(probe.getsockname()[1])

    def url(self, database: str = "postgres", user: str = "postgres") -> str:
        return f"postgresql://{user}@127.0.0.1:{self.port}/{database}"

    def new_database(self) -> str:
        """Its address."""
        name = f"db{next(self._numbers)}_{os.getpid()}"
        self.run(f"CREATE DATABASE {name}")
        return self.url(name)

    def run(self, sql: str, url: str | None = None) -> str:
        """What psql prints, a row a line."""
        command = [_binary("psql"), "-XAt", "-v", "ON_ERROR_STOP=1", "-d", url or self.url(), "-c", sql]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()

    def start(self) -> None:
        settings = [word for setting in self._settings for word in ("-c", setting)]
        command = [_binary("postgres"), "-D", "data", "-p", str(self.port), "-k", str(self._folder)]
        with (self._folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [*command, *settings], cwd=self._folder, user=self._user, stdout=log, stderr=log
            )
        deadline = time.monotonic() + _STARTS_WITHIN_S
        while time.monotonic() < deadline and self._process.poll() is None:
            try:
                self.run("SELECT 1")
            except subprocess.CalledProcessError:
                time.sleep(0.05)
            else:
                return
        raise RuntimeError(f"PostgreSQL did not start:\n{(self._folder / 'log').read_text()}")

    def stop(self) -> None:
        """At once; who is connected is cut off."""
        if self._process is not None:
            self._process.send_signal(signal.SIGQUIT)
            self._process.wait(30)
            self._process = None

    def pause(self) -> None:
        """Takes connections, and answers nobody, until `resume`."""
        for process in self._processes():
            process.suspend()

    def resume(self) -> None:
        for process in self._processes():
            process.resume()

    def _processes(self) -> Sequence[psutil.Process]:
        if self._process is None:
            return []
        # The parent first, which would start others.
        parent = psutil.Process(self._process.pid)
        return [parent, *parent.children(recursive=True)]


@contextmanager
def postgres_server(*, durable: bool = False) -> Iterator[PostgresServer]:
    """Skips the test where there is no PostgreSQL; in CI there must be one."""
    if not all(map(_binary, ("initdb", "postgres", "psql"))):
        if os.environ.get("CI"):
            pytest.fail("There is no PostgreSQL here: install the package postgresql.")
        pytest.skip("needs PostgreSQL: initdb, postgres and psql")
    user = "postgres" if os.geteuid() == 0 else None  # the server refuses to run as root
    with tempfile.TemporaryDirectory(dir="/tmp") as name:
        folder = Path(name)
        if user is not None:
            shutil.chown(folder, user)
        arguments = [
            _binary("initdb"),
            "-D",
            "data",
            "-U",
            "postgres",
            "--auth=trust",
            "-N",
            "-E",
            "UTF8",
            "--locale=C",
        ]
        subprocess.run(arguments, cwd=folder, user=user, check=True, stdout=subprocess.DEVNULL)
        server = PostgresServer(folder, user, () if durable else _QUICK)
        server.start()
        try:
            yield server
        finally:
            server.resume()
            server.stop()


def _binary(name: str) -> str:
    """Debian keeps the server's programs off the PATH. Empty where there is none."""
    newest = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"), key=lambda p: -float(p.parts[-3]))
    return str(newest[0]) if newest else shutil.which(name) or ""
