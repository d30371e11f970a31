"""Parameters that many commands share, and the backend that a command works on."""

from contextlib import AbstractContextManager
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from tifo.app import compose
from tifo.app.settings import load_settings

Data = Annotated[Path | None, Parameter(help="Folder that holds all state (default: tifo-data).")]
Json = Annotated[bool, Parameter(name="--json", negative="", help="Print one JSON document.")]
WarehouseName = Annotated[str, Parameter(help="The warehouse's name; duckdb is the built-in one.")]


def backend(data: Path | None) -> AbstractContextManager[compose.OpenedBackend]:
    """Opens the installation in this folder; leaving the block closes it. Works whether or not `tifo up` runs."""
    return compose.opened(load_settings({"data": data}))
