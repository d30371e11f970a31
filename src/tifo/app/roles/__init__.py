"""What `tifo up` runs: the api answers, the relay sends facts, the deliverer and the loader take what came.

Each also runs alone.
"""

from importlib import import_module

from tifo.app.settings import Settings

RUN = ("relay", "api", "deliverer", "loader")
"""In the order of stopping: the relay needs the api, and the loader carries what both have accepted."""


def run(role: str, settings: Settings, *, supervised: bool) -> int:
    """Until SIGTERM, Ctrl-C, or (supervised) until the supervisor is gone.

    Each role is a module of its own, imported when it runs: none waits for what only another needs.
    """
    code: int = import_module(f"tifo.app.roles.{role}").run(settings, supervised)
    return code
