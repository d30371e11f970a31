"""The command line, run inside the test process: quicker than a process for each command, and its errors are raised."""

import contextlib
import io
import json
import os
from dataclasses import fields
from typing import Any
from unittest.mock import patch

from tifo.app.cli.main import app
from tifo.app.settings import Settings


def command(settings: Settings, *words: str, always_json: bool = False) -> Any:
    """Returns what `tifo … --json` prints; a command that always prints JSON does not know the flag.

    Raises `Rejected` or `Transient` where the command would print an error.
    """
    given = {known.name: getattr(settings, known.name) for known in fields(Settings)}
    variables = {f"TIFO_{name.upper()}": str(value) for name, value in given.items() if value}
    with patch.dict(os.environ, variables), contextlib.redirect_stdout(io.StringIO()) as printed:
        app(
            [*words, *(() if always_json else ("--json",))],
            exit_on_error=False,
            print_error=False,
            result_action="return_value",
        )
    return json.loads(printed.getvalue())
