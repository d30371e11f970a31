"""`/metrics`: shows the counters of every role under this supervisor as one page for Prometheus.

Each role counts in its own files in the metrics folder, so its counts survive its death and restart.
"""

import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from prometheus_client import REGISTRY, CollectorRegistry, make_asgi_app
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead

_FOLDER = "PROMETHEUS_MULTIPROC_DIR"
"""The library reads it once, when it is first imported: it must stand in a role's environment from the start."""


def fresh_folder(data: Path) -> Mapping[str, str]:
    """Returns the variables that let each role count where the page reads. Counts begin at 0 with a supervisor."""
    folder = data / "metrics"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True, mode=0o700)
    return {_FOLDER: str(folder)}


def forget_gauges(environment: Mapping[str, str], pid: int) -> None:
    """Deletes a dead process's gauges, which no longer hold. Its counters stay: they did happen."""
    mark_process_dead(pid, environment[_FOLDER])  # type: ignore[no-untyped-call]  # the library types no more than its classes


def metrics_page() -> Any:
    """Returns the ASGI application of `/metrics`."""
    if _FOLDER not in os.environ:
        return make_asgi_app(REGISTRY)
    registry = CollectorRegistry()
    MultiProcessCollector(registry)  # type: ignore[no-untyped-call]  # likewise
    return make_asgi_app(registry)
