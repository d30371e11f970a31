"""A connected destination's mappings, as they are kept in the workspace."""

from collections.abc import Sequence

import msgspec

from tifo.destinations.ports import Mapped
from tifo.kernel.errors import NotFound
from tifo.workspace.destinations import ConnectedDestination, DestinationChange


def mapped_of(destination: ConnectedDestination) -> list[Mapped]:
    return msgspec.convert(list(destination.mappings), list[Mapped])


def named_mapped(destination: ConnectedDestination, mapping_id: str) -> Mapped:
    """By its id, or its name."""
    found = mapped_of(destination)
    for each in [one for one in found if one.id == mapping_id] or [one for one in found if one.name == mapping_id]:
        return each
    raise NotFound(f"The destination has no mapping {mapping_id!r:.100}.", field="subscriptionId")


def with_mapped(destination: ConnectedDestination, mapped: Sequence[Mapped]) -> DestinationChange:
    return DestinationChange(mappings=msgspec.to_builtins(list(mapped)), version=destination.version)
