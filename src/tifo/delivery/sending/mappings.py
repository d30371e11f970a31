"""Reads and changes a connected destination's mappings, as the workspace stores them."""

from collections.abc import Sequence

import msgspec

from tifo.destinations.ports import ActionMapping
from tifo.kernel.naming import no_such, several
from tifo.workspace.destinations import ConnectedDestination, DestinationChange


def mappings_of(destination: ConnectedDestination) -> list[ActionMapping]:
    return msgspec.convert(list(destination.mappings), list[ActionMapping])


def named_mapping(destination: ConnectedDestination, mapping_id: str) -> ActionMapping:
    """Looks the mapping up by its id, else by its name. Raises `NotFound`, also for a name that several have."""
    known = mappings_of(destination)
    found = [each for each in known if each.id == mapping_id] or [each for each in known if each.name == mapping_id]
    if len(found) == 1:
        return found[0]
    what, field = f"mapping of {destination.name}", "subscriptionId"
    if found:
        raise several(what, mapping_id, {each.id: each.trigger for each in found}, field=field)
    raise no_such(what, mapping_id, [each.name for each in known], make="tifo destination mapping add", field=field)


def with_mappings(destination: ConnectedDestination, mappings: Sequence[ActionMapping]) -> DestinationChange:
    return DestinationChange(mappings=msgspec.to_builtins(list(mappings)), version=destination.version)
