"""Parameters that many commands share, and the backend that a command works on."""

from contextlib import AbstractContextManager
from pathlib import Path
from typing import Annotated, Any

import msgspec
from cyclopts import Parameter

from tifo.app import compose
from tifo.app.settings import load_settings
from tifo.kernel.errors import Rejected
from tifo.kernel.ids import ClientId
from tifo.kernel.json import JsonObject
from tifo.operations import applications

Data = Annotated[Path | None, Parameter(help="Folder that holds all state (default: tifo-data).")]
Json = Annotated[bool, Parameter(name="--json", negative="", help="Print one JSON document.")]
Application = Annotated[str, Parameter(help="The application's client id or name; see tifo app list.")]
WarehouseName = Annotated[str, Parameter(help="The warehouse's name; duckdb is the built-in one.")]


def backend(data: Path | None, *, make: bool = False) -> AbstractContextManager[compose.OpenedBackend]:
    """Opens the installation in this folder; leaving the block closes it. Works whether or not `tifo up` runs.

    Raises `NotFound` where there is none, unless the command is one of those that `make` one.
    """
    return compose.opened(load_settings({"data": data}), make=make)


def client_id_of(opened: compose.OpenedBackend, application: str) -> ClientId:
    """Raises `NotFound` for a name that no application has, or several."""
    return applications.find(opened, application).id


def read_object(file: Path, field: str) -> JsonObject:
    """Reads a file that holds one JSON object. Raises `Rejected`, naming the field, for anything else."""
    try:
        return msgspec.json.decode(file.read_bytes(), type=dict[str, Any])
    except OSError as error:
        raise Rejected(f"{file} cannot be read: {error}", field=field) from error
    except msgspec.DecodeError as error:
        raise Rejected(f"{file} is no JSON object: {error}", field=field) from error
