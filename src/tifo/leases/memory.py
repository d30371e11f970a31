"""Holds leases in memory, for tests."""

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from tifo.leases.ports import Lease, lease_lost

_FORGOTTEN_AFTER_S = 24 * 3600.0


@dataclass
class _Standing:
    number: int = 0
    holder: str = ""
    expires_at: float = float("-inf")


class InMemoryLeases:
    """Implements `Leases`. `clock` counts seconds, and stands for the database's clock."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._standings: dict[str, _Standing] = {}

    def acquire(self, names: Sequence[str], holder: str, *, for_s: float) -> list[Lease]:
        with self._lock:
            return [self._take(name, holder, for_s) for name in names if self._is_free(name)]

    def renew(self, holder: str, *, for_s: float) -> list[Lease]:
        with self._lock:
            mine = self._of(holder)
            for name in mine:
                self._standings[name].expires_at = self._clock() + for_s
            return [self._lease(name) for name in mine]

    def release(self, holder: str, names: Sequence[str] | None = None) -> None:
        with self._lock:
            for name in self._of(holder):
                if names is None or name in names:
                    number = self._standings[name].number
                    self._standings[name] = _Standing(number, expires_at=self._clock())

    def held(self, group: str) -> list[Lease]:
        with self._lock:
            inside = sorted(name for name in self._standings if name.startswith(f"{group}/"))
            return [self._lease(name) for name in inside if not self._is_free(name)]

    def forget(self) -> None:
        with self._lock:
            before = self._clock() - _FORGOTTEN_AFTER_S
            self._standings = {name: each for name, each in self._standings.items() if each.expires_at >= before}

    def require(self, lease: Lease) -> None:
        """Raises `LeaseLost`; twins of stores call it where the SQL ones look at the lease's row."""
        with self._lock:
            if lease.name not in self._standings or self._lease(lease.name) != lease:
                raise lease_lost(lease)

    def _take(self, name: str, holder: str, for_s: float) -> Lease:
        number = self._standings.get(name, _Standing()).number + 1
        self._standings[name] = _Standing(number, holder, self._clock() + for_s)
        return self._lease(name)

    def _is_free(self, name: str) -> bool:
        return name not in self._standings or self._standings[name].expires_at <= self._clock()

    def _of(self, holder: str) -> list[str]:
        return sorted(name for name, each in self._standings.items() if each.holder == holder)

    def _lease(self, name: str) -> Lease:
        standing = self._standings[name]
        return Lease(name, standing.holder, standing.number)
