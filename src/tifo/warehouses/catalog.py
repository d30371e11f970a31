"""Finds kinds of warehouses by their ids. Each is described in `drivers/kinds.py`, and nowhere else."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from tifo.kernel.errors import Conflict, NotFound
from tifo.kernel.ids import NO_SHARD
from tifo.warehouses.driver import WarehouseDriver
from tifo.warehouses.drivers.kinds import DRIVERS

if TYPE_CHECKING:
    from tifo.warehouses.ports import Warehouse


def kinds() -> Sequence[WarehouseDriver]:
    return DRIVERS


def kind_of(kind_id: str) -> WarehouseDriver:
    """Raises `NotFound`, naming the kinds that there are."""
    for kind in DRIVERS:
        if kind.id == kind_id:
            return kind
    known = ", ".join(kind.id for kind in DRIVERS)
    raise NotFound(f"There is no kind of warehouse {kind_id!r:.100}. Known are {known}.", field="metadataId")


def connectable_kinds() -> Sequence[WarehouseDriver]:
    return [kind for kind in DRIVERS if not kind.is_built_in]


def connectable_kind(kind_id: str) -> WarehouseDriver:
    """Raises `NotFound` for an unknown kind, `Conflict` for the built-in one."""
    kind = kind_of(kind_id)
    if kind.is_built_in:
        raise Conflict(f"There is one {kind.id}, and it is built in.", field="metadataId")
    return kind


def open_warehouse(kind_id: str, url: str) -> "Warehouse":
    """Nothing is connected to before the warehouse is used. `url` of the built-in kind is its file's path."""
    return kind_of(kind_id).open(url)


def check_warehouse(kind_id: str, url: str) -> None:
    """Connects once. Raises `Rejected` for what is no address, `Transient` where no warehouse can be reached there."""
    kind = connectable_kind(kind_id)
    kind.open(kind.check_url(url)).positions(NO_SHARD)
