"""Reads and changes a connected destination's mappings, as the workspace stores them."""

from collections.abc import Sequence

import msgspec

from tifo.destinations.ports import ActionMapping
from tifo.kernel.errors import NotFound
from tifo.workspace.destinations import ConnectedDestination, DestinationChange


def mappings_of(destination: ConnectedDestination) -> list[ActionMapping]:
    return msgspec.convert(list(destination.mappings), list[ActionMapping])


def named_mapping(destination: ConnectedDestination, mapping_id: str) -> ActionMapping:
    """Looks the mapping up by its id, else by its name. Raises `NotFound`."""
    mappings = mappings_of(destination)
    for identity in ("id", "name"):
        for mapping in mappings:
            if getattr(mapping, identity) == mapping_id:
                return mapping
    raise NotFound(f"The destination has no mapping {mapping_id!r:.100}.", field="subscriptionId")


def with_mappings(destination: ConnectedDestination, mappings: Sequence[ActionMapping]) -> DestinationChange:
    return DestinationChange(mappings=msgspec.to_builtins(list(mappings)), version=destination.version)
