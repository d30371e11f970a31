"""Runs a process beside Tifo that does part of a destination's work, and replaces one that hangs, grows or dies.

Requests are lines of JSON on stdin with an `id`, answers are lines on stdout with the same `id`.
"""

import asyncio
import contextlib
import json
import os
import time
from asyncio.subprocess import PIPE, Process
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import structlog

from tifo.kernel.errors import Transient

# Segment's library keeps state that grows. Measured: 150 MB once loaded, 180 to 440 MB under load.
MAX_MB = 600.0
"""Memory beyond which a new process takes over. The old one ends when its requests are done."""
HANGS_AFTER_S = 10.0
"""Time beyond a request's own timeout after which the process counts as hanging."""
_RESTART_S = 1.0
"""Least time between two starts: a program that dies at once must not be started in a loop."""
# asyncio's own limit is 64 KB, and a batch's answer holds the request and the response of each event.
_LINE_BYTES = 64 << 20
_INHERITED = ("PATH", "HOME", "LANG", "NODE_EXTRA_CA_CERTS", "SSL_CERT_FILE", "SSL_CERT_DIR", "TZ")
"""The variables that a process inherits: none that holds a secret of Tifo's."""

_log = structlog.get_logger("tifo.workers")


@dataclass(frozen=True)
class WorkerProgram:
    command: Sequence[str]
    folder: Path
    environment: Mapping[str, str] = field(default_factory=dict, repr=False)
    """Variables beside the few that every program inherits."""


class WorkerGone(Transient):
    code = "worker_gone"


class Worker:
    """Used from one event loop; any number of requests at once."""

    def __init__(self, program: Callable[[], WorkerProgram]) -> None:
        self._program = program
        self._current: _Running | None = None
        self._all: set[_Running] = set()
        self._starting = asyncio.Lock()
        self._started_at = float("-inf")

    async def ask(self, request: dict[str, Any], timeout_s: float) -> dict[str, Any]:
        """Returns the worker's answer. Raises `WorkerGone`, also for a worker that hangs, which is then killed."""
        running = await self._ready()
        try:
            # Not wait_for: it may swallow the cancellation of a deliverer that stops.
            async with asyncio.timeout(timeout_s + HANGS_AFTER_S):
                answer = await running.ask(request)
        except TimeoutError:
            _log.warning("worker.hangs", pid=running.pid)
            running.kill()
            raise WorkerGone(f"The worker did not answer within {timeout_s + HANGS_AFTER_S:g} s.") from None
        # The old process finishes its requests beside the new one: no event has to be sent again.
        if answer.get("rss_mb", 0.0) > MAX_MB and self._current is running:
            _log.info("worker.replaced", pid=running.pid, rss_mb=round(answer["rss_mb"]))
            self._current = None
            running.retire()
        if "broken" in answer:
            raise WorkerGone(f"The worker could not read the request: {answer['broken']:.500}")
        return answer

    async def close(self) -> None:
        for running in list(self._all):
            running.kill()
            await running.ended()

    async def _ready(self) -> "_Running":
        # Requests that come together must not each start a process.
        async with self._starting:
            if self._current is None or self._current.is_gone:
                wait_s = self._started_at + _RESTART_S - time.monotonic()
                if wait_s > 0:
                    await asyncio.sleep(wait_s)
                self._started_at = time.monotonic()
                self._current = await self._start()
            return self._current

    async def _start(self) -> "_Running":
        program = self._program()
        environment = {name: os.environ[name] for name in _INHERITED if name in os.environ}
        process = await asyncio.create_subprocess_exec(
            *program.command,
            cwd=program.folder,
            env={**environment, **program.environment},
            stdin=PIPE,
            stdout=PIPE,
            stderr=PIPE,
            limit=_LINE_BYTES,
        )
        running = _Running(process, self._all.discard)
        self._all.add(running)
        return running


class _Running:
    """Speaks with one process."""

    def __init__(self, process: Process, on_end: Callable[["_Running"], None]) -> None:
        self._process = process
        self._on_end = on_end
        self._asked = 0
        self._open: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self._retiring = False
        self.is_gone = False
        self._reading = asyncio.create_task(self._read())
        self._complaining = asyncio.create_task(self._complain())

    @property
    def pid(self) -> int:
        return self._process.pid

    async def ask(self, request: dict[str, Any]) -> dict[str, Any]:
        if self.is_gone or self._process.stdin is None:
            raise WorkerGone("The worker has just ended.")
        self._asked += 1
        number = self._asked
        self._open[number] = asyncio.get_running_loop().create_future()
        try:
            self._process.stdin.write(json.dumps({**request, "id": number}).encode() + b"\n")
            await self._process.stdin.drain()
            return await self._open[number]
        except (ConnectionError, RuntimeError) as error:
            raise WorkerGone(f"The worker ended: {error}") from error
        finally:
            self._open.pop(number, None)
            if self._retiring and not self._open:
                self.kill()

    def retire(self) -> None:
        self._retiring = True
        if not self._open:
            self.kill()

    def kill(self) -> None:
        self.is_gone = True  # at once, not when the process has ended: it must be asked nothing more
        with contextlib.suppress(ProcessLookupError):
            self._process.kill()

    async def ended(self) -> None:
        await asyncio.gather(self._reading, self._complaining, return_exceptions=True)

    async def _read(self) -> None:
        assert self._process.stdout is not None  # noqa: S101 (as it was asked for)
        try:
            while line := await self._process.stdout.readline():
                answer = json.loads(line)
                waiting = self._open.get(answer["id"])
                if waiting is not None and not waiting.done():
                    waiting.set_result(answer)
        except ValueError as error:
            _log.error("worker.speaks_nonsense", pid=self.pid, error=str(error))
            self.kill()
        code = await self._process.wait()
        self.is_gone = True
        self._on_end(self)
        # Nobody knows whether these requests arrived: delivery sends their events again.
        for waiting in self._open.values():
            if not waiting.done():
                waiting.set_exception(WorkerGone(f"The worker ended with code {code}."))

    async def _complain(self) -> None:
        """Logs what the program prints to stderr; unread, the pipe would fill up and block it."""
        assert self._process.stderr is not None  # noqa: S101 (as above)
        with contextlib.suppress(ValueError):
            while line := await self._process.stderr.readline():
                _log.info("worker.says", pid=self.pid, text=line.decode(errors="replace").rstrip()[:500])
