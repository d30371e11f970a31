"""A connected destination's mappings, as they are kept in the workspace."""

from collections.abc import Sequence

import msgspec

from tifo.destinations.ports import ActionMapping
from tifo.kernel.errors import NotFound
from tifo.workspace.destinations import ConnectedDestination, DestinationChange


def mappings_of(destination: ConnectedDestination) -> list[ActionMapping]:
    return msgspec.convert(list(destination.mappings), list[ActionMapping])


def named_mapping(destination: ConnectedDestination, mapping_id: str) -> ActionMapping:
    """By its id, or its name."""
    found = mappings_of(destination)
    for each in [one for one in found if one.id == mapping_id] or [one for one in found if one.name == mapping_id]:
        return each
    raise NotFound(f"The destination has no mapping {mapping_id!r:.100}.", field="subscriptionId")


def with_mappings(destination: ConnectedDestination, mapped: Sequence[ActionMapping]) -> DestinationChange:
    return DestinationChange(mappings=msgspec.to_builtins(list(mapped)), version=destination.version)
