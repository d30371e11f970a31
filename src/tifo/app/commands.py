"""What each command does, on the parts that `compose.py` makes. Works whether or not `tifo up` runs.

What only some commands need is imported by them: a command starts three times as quickly without HTTP and the roles.
"""

from typing import Any

from tifo.app import compose
from tifo.app.settings import Settings


def query(settings: Settings, sql: str) -> list[dict[str, Any]]:
    return compose.open_warehouse(settings).query(sql)


def audit(settings: Settings) -> dict[str, Any]:
    from tifo.app.audit import run_audit

    return run_audit(settings)
