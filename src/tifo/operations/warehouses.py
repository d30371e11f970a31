"""Warehouses: the built-in file and those that are connected beside it."""

from tifo.operations.backend import Backend
from tifo.workspace.warehouses import every_warehouse, named_warehouse


def known_name(backend: Backend, name: str) -> str:
    """Returns the name of a warehouse that there is. Raises `NotFound`."""
    return named_warehouse(every_warehouse(backend.warehouses.connected()), name).name
