"""Runs one loader for each warehouse, in a thread of its own: one that is down or slow holds back no other."""

import threading
from collections.abc import Callable, Collection
from typing import Protocol

import structlog

from tifo.kernel.errors import Transient

_log = structlog.get_logger("tifo.loader")
_LEAVE_S = 15.0
"""The wait for each loader at the end: it drains for 8 seconds at most."""


class Runs(Protocol):
    def run(self, stop: threading.Event) -> None: ...


class LoaderSupervisor:
    """Keeps loaders running. `wanted` names the warehouses that should be loaded now; `make` makes the loader of one,
    in its own thread.
    """

    def __init__(
        self,
        wanted: Callable[[], Collection[str]],
        make: Callable[[str], Runs],
        *,
        look_s: float = 1.0,
        again_s: float = 5.0,
    ) -> None:
        self._wanted = wanted
        self._make = make
        self._look_s = look_s
        self._again_s = again_s
        self._running: dict[str, tuple[threading.Thread, threading.Event]] = {}

    def run(self, stop: threading.Event) -> None:
        """Supervises until `stop`; then every loader finishes as its `run` says."""
        while not stop.is_set():
            try:
                self._follow(self._wanted())
            except Transient as error:
                _log.warning("loader.warehouses_unknown", error=error.message, hint="those that run go on")
            stop.wait(self._look_s)
        for _, own_stop in self._running.values():
            own_stop.set()
        # All are stopped before the first is waited for, so that they drain side by side.
        for thread, _ in self._running.values():
            thread.join(_LEAVE_S)

    def _follow(self, wanted: Collection[str]) -> None:
        """Stops the loaders of removed warehouses, and starts those of new ones."""
        for name in self._running.keys() - wanted:
            # Not joined: the loader drains for seconds, and the other warehouses must not wait for that.
            self._running.pop(name)[1].set()
            _log.info("loader.warehouse_removed", warehouse=name)
        for name in wanted:
            if name not in self._running:
                own_stop = threading.Event()
                # A daemon: a loader that hangs in its warehouse must not keep the process from ending
                thread = threading.Thread(
                    target=self._supervise, args=(name, own_stop), name=f"load-{name}", daemon=True
                )
                self._running[name] = thread, own_stop
                thread.start()

    def _supervise(self, name: str, stop: threading.Event) -> None:
        """Makes a loader anew, whatever ends it: what it had not committed is read again."""
        while not stop.is_set():
            try:
                self._make(name).run(stop)
            except Exception:  # noqa: BLE001 (whatever it is, the other warehouses go on)
                _log.exception("loader.died", warehouse=name, again_s=self._again_s)
                stop.wait(self._again_s)
