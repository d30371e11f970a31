"""Runs each role in a process of its own, restarts one that dies, and stops them in the order that loses nothing."""

import itertools
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import structlog

from tifo.kernel.backoff import Backoff

_log = structlog.get_logger("tifo.supervisor")

STOP_WITHIN_S = 9.0
"""Time for all roles together. A role that still runs then is killed, which loses nothing that was acknowledged."""
_BACKOFF = Backoff(base_s=0.1, cap_s=10.0, jitter=0.0)  # four roles of one machine need no chance between them
_HEALTHY_AFTER_S = 1.0


@dataclass
class Child:
    role: str
    process: subprocess.Popen[bytes]
    started: float
    failures: int = 0
    """Deaths in a row, each before the role had run for `_HEALTHY_AFTER_S`."""
    restart_at: float | None = None


def pause_s(failures: int) -> float:
    """Returns the pause before a role is started again: none after its first death, then one that doubles."""
    return 0.0 if failures <= 1 else _BACKOFF.pause_s(failures, 0.0)


@dataclass
class Supervisor:
    """Starts the roles in the order given, restarts those that die, and stops them in the same order.

    The order lets each role hand on its work before the next one stops. A role's standard input ends when the
    supervisor is gone, even by SIGKILL: that is how the role notices.
    """

    roles: Sequence[str]
    arguments: Sequence[str]
    environment: Mapping[str, str]
    """Variables of each role, beside this process's own."""
    on_death: Callable[[int], object] = lambda _pid: None
    """Called with the process id of each role that died."""
    children: dict[str, Child] = field(default_factory=dict)
    stopping: threading.Event = field(default_factory=threading.Event)

    def run(self) -> int:
        """Returns the exit code: 0 when every role stopped by itself in time."""
        for signal_number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(signal_number, lambda *_: self.stopping.set())
        for role in self.roles:
            self.children[role] = Child(role, self._start(role), time.monotonic())
        while not self.stopping.wait(0.1):
            for child in self.children.values():
                self._look_after(child)
        return self._stop()

    def _start(self, role: str) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "tifo", "up", "--roles", role, *self.arguments]
        # A session of its own: Ctrl-C reaches the supervisor alone, which then stops the roles in order.
        return subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            start_new_session=True,
            env={**os.environ, **self.environment, "TIFO_SUPERVISED": "1"},
        )

    def _look_after(self, child: Child) -> None:
        now = time.monotonic()
        if child.restart_at is not None:
            if now >= child.restart_at:
                child.process, child.started, child.restart_at = self._start(child.role), now, None
            return
        code = child.process.poll()
        if code is None:
            return
        self.on_death(child.process.pid)
        child.failures = child.failures + 1 if now - child.started < _HEALTHY_AFTER_S else 1
        child.restart_at = now + pause_s(child.failures)
        _log.warning("role died", role=child.role, exit_code=code, restart_in_s=round(child.restart_at - now, 1))

    def _stop(self) -> int:
        deadline = time.monotonic() + STOP_WITHIN_S
        clean = True
        for role, last in zip(self.roles, itertools.chain(self.roles[1:], [None]), strict=True):
            process = self.children[role].process
            if process.poll() is not None:
                continue
            process.send_signal(signal.SIGTERM)
            # The last role may use all that is left; each before it leaves two seconds to those that follow.
            left = deadline - time.monotonic() - (0 if last is None else 2.0)
            try:
                # A role that is still starting ends by the signal itself: it has accepted nothing yet.
                clean = process.wait(max(0.5, left)) in {0, -signal.SIGTERM} and clean
            except subprocess.TimeoutExpired:
                _log.error("role did not stop in time and is killed", role=role)
                process.kill()
                process.wait()
                clean = False
        return 0 if clean else 1
