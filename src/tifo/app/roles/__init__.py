"""The roles of `tifo up`: the api answers, the relay sends facts, the deliverer and the loader read the event log.

Each role also runs alone, on this machine or another.
"""

from importlib import import_module

from tifo.app.settings import Settings

RUN = ("relay", "api", "deliverer", "loader")
"""The order in which roles stop: the relay needs the api, and the loader loads what both have accepted."""


def run(role: str, settings: Settings, *, supervised: bool) -> int:
    """Runs the role until SIGTERM, Ctrl-C, or (supervised) until the supervisor is gone. Returns the exit code.

    A role's module is imported when it runs, so that no role waits for a library that only another needs.
    """
    code: int = import_module(f"tifo.app.roles.{role}").run(settings, supervised)
    return code
