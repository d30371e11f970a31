"""Judges whether a node can work: what it needs, by name, and what it lacks."""

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from enum import StrEnum

from tifo.kernel.errors import TifoError


class NeedStatus(StrEnum):
    UP = "up"
    STARTING = "starting"
    DOWN = "down"


@dataclass(frozen=True)
class Need:
    status: NeedStatus
    reason: str = ""
    """Why it is not up, in a sentence that may be shown to anybody."""
    free_bytes: int | None = None
    """The disk's."""


@dataclass(frozen=True)
class Readiness:
    needs: Mapping[str, Need]
    roles: Mapping[str, Need]

    @property
    def reasons(self) -> list[str]:
        every = {**self.needs, **{f"role {name}": need for name, need in self.roles.items()}}
        return [
            f"{name}: {need.reason or need.status.value}"
            for name, need in every.items()
            if need.status is not NeedStatus.UP
        ]

    @property
    def is_ready(self) -> bool:
        return not self.reasons


Check = Callable[[], Need]
"""Looks at one need; blocks. An error that it raises is the reason."""


def readiness(checks: Mapping[str, Check], roles: Callable[[], Mapping[str, Need]]) -> Readiness:
    """Looks at all needs side by side: one that is slow to fail holds back no other."""
    with ThreadPoolExecutor(len(checks), "ready") as threads:
        looked = {name: threads.submit(_looked, check) for name, check in checks.items()}
        return Readiness({name: each.result() for name, each in looked.items()}, roles())


def _looked(check: Check) -> Need:
    try:
        return check()
    except TifoError as error:
        return Need(NeedStatus.DOWN, error.message)
    except OSError as error:
        # Without the path: anybody may ask.
        return Need(NeedStatus.DOWN, error.strerror or type(error).__name__)
