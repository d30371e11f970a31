"""Roles are seen by the api: starting, up, and down however their process ended."""

import subprocess
import sys
from pathlib import Path

from tifo.app.roles.presence import present, roles_seen

_DIES = """
import os, sys
from pathlib import Path
from tifo.app.roles.presence import present
with present(Path(sys.argv[1]), "loader") as presence:
    presence.up()
    os._exit(9)
"""


def seen(data: Path, *wanted: str) -> dict[str, str]:
    return {role: need.status.value for role, need in roles_seen(data, wanted).items()}


def test_a_role_is_starting_then_up_then_down(tmp_path: Path) -> None:
    assert seen(tmp_path, "relay") == {"relay": "down"}
    with present(tmp_path, "relay") as presence:
        assert seen(tmp_path, "relay") == {"relay": "starting"}
        presence.up()
        assert seen(tmp_path, "relay") == {"relay": "up"}
    assert seen(tmp_path, "relay") == {"relay": "down"}


def test_a_killed_role_is_down(tmp_path: Path) -> None:
    subprocess.run([sys.executable, "-c", _DIES, str(tmp_path)], check=False)
    assert seen(tmp_path, "loader") == {"loader": "down"}


def test_a_role_that_another_command_runs_on_the_folder_is_shown_while_it_runs(tmp_path: Path) -> None:
    with present(tmp_path, "loader"):
        assert seen(tmp_path, "api") == {"api": "down", "loader": "starting"}
    assert seen(tmp_path, "api") == {"api": "down"}
