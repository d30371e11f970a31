"""Looks at what a node needs: its state, its event log, its disk, its roles."""

import os
import shutil
import tempfile
from collections.abc import Callable

from sqlalchemy import text

from tifo.app.compose import OpenedBackend
from tifo.app.roles.held import what_holds
from tifo.app.roles.presence import WANTED, roles_seen
from tifo.app.settings import Settings
from tifo.eventlog.ports import EventLog
from tifo.operations.readiness import Need, NeedStatus, Readiness, readiness
from tifo.store.sql.database import Database

LEAST_FREE_BYTES = 16 << 20
"""With less, the log and SQLite soon refuse writes."""
_UP = Need(NeedStatus.UP)


def readiness_of(settings: Settings, backend: OpenedBackend, log: EventLog) -> Callable[[], Readiness]:
    wanted = os.environ.get(WANTED, "api").split(",")
    checks = {
        "state": lambda: _state(backend.database),
        "log": lambda: _log(settings, log),
        "disk": lambda: _disk(settings),
    }
    return lambda: readiness(checks, lambda: roles_seen(settings.data, wanted))


def _state(database: Database) -> Need:
    # As a write does, and without changing anything: a state that can only be read is no use.
    with database.writing(in_turn=False) as connection:
        connection.execute(text("SELECT 1"))
    return _UP


def _log(settings: Settings, log: EventLog) -> Need:
    log.end()
    held = what_holds(settings)
    return Need(NeedStatus.DOWN, held) if held else _UP


def _disk(settings: Settings) -> Need:
    with tempfile.TemporaryFile(dir=settings.data) as file:
        file.write(b"\0" * 4096)
        file.flush()
    free_bytes = shutil.disk_usage(settings.data).free
    if free_bytes < LEAST_FREE_BYTES:
        reason = f"{free_bytes:,} bytes are free, of {LEAST_FREE_BYTES:,} that Tifo needs"
        return Need(NeedStatus.DOWN, reason, free_bytes)
    return Need(NeedStatus.UP, free_bytes=free_bytes)
