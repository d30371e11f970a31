"""A destination's mappings (Segment's subscriptions): which events become which call of a vendor's kind."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from tifo.delivery.sending.mappings import mappings_of, named_mapping, with_mappings
from tifo.destinations.catalog import kind_of
from tifo.destinations.mappings import checked_mapping, new_mapping, preset_of
from tifo.destinations.ports import ActionMapping
from tifo.operations import destinations
from tifo.operations.backend import Backend
from tifo.workspace.destinations import ConnectedDestination


@dataclass(frozen=True, kw_only=True)
class MappingChange:
    """Names what changes of a mapping; None leaves a field as it is."""

    name: str | None = None
    trigger: str | None = None
    """FQL of mappings."""
    mapping: Mapping[str, Any] | None = None
    enabled: bool | None = None


_AS_IT_IS = MappingChange()


class Preset(NamedTuple):
    """A ready-made mapping of a kind."""

    mapping: ActionMapping
    automatic: bool
    """Whether a new destination begins with it."""


def presets(kind_id: str) -> Sequence[Preset]:
    kind = kind_of(kind_id)
    automatic = {each.id for each in kind.automatic}
    return [Preset(each, each.id in automatic) for each in kind.presets]


def listed(backend: Backend, destination: str) -> Sequence[ActionMapping]:
    return mappings_of(destinations.find(backend, destination))


def find(backend: Backend, destination: str, mapping: str) -> ActionMapping:
    """Finds a mapping by its id or name. Raises `NotFound`."""
    return named_mapping(destinations.find(backend, destination), mapping)


def add_preset(backend: Backend, destination: str, preset: str, change: MappingChange = _AS_IT_IS) -> ActionMapping:
    """Adds a preset of the destination's kind, changed as the change says."""
    found = destinations.find(backend, destination)
    return _add(backend, found, preset_of(kind_of(found.kind), preset), change)


def add_action(backend: Backend, destination: str, action: str, change: MappingChange = _AS_IT_IS) -> ActionMapping:
    """Adds a mapping to an action of the destination's kind. What the change leaves open comes from the action: its
    trigger, and its fields' defaults.
    """
    found = destinations.find(backend, destination)
    return _add(backend, found, new_mapping(kind_of(found.kind), action), change)


def change(backend: Backend, destination: str, mapping: str, change: MappingChange) -> ActionMapping:
    """Changes what the change names. Raises `Rejected` or `NotFound`, naming the field, for a mapping that is none."""
    found = destinations.find(backend, destination)
    old = named_mapping(found, mapping)
    made = _changed(old, change)
    # Enabling and disabling check nothing: a mapping whose action the vendor has removed can still be disabled.
    if made != replace(old, enabled=made.enabled):
        checked_mapping(kind_of(found.kind), made)
    stored = [made if each.id == old.id else each for each in mappings_of(found)]
    backend.destinations.change(found.id, with_mappings(found, stored))
    return made


def remove(backend: Backend, destination: str, mapping: str) -> ActionMapping:
    """Deletes the mapping, given by id or name. Returns it as it was."""
    found = destinations.find(backend, destination)
    removed = named_mapping(found, mapping)
    left = [each for each in mappings_of(found) if each.id != removed.id]
    backend.destinations.change(found.id, with_mappings(found, left))
    return removed


def _add(
    backend: Backend, destination: ConnectedDestination, base: ActionMapping, change: MappingChange
) -> ActionMapping:
    made = checked_mapping(kind_of(destination.kind), replace(_changed(base, change), id=backend.new_id()))
    backend.destinations.change(destination.id, with_mappings(destination, [*mappings_of(destination), made]))
    return made


def _changed(base: ActionMapping, change: MappingChange) -> ActionMapping:
    return replace(
        base,
        name=base.name if change.name is None else change.name,
        trigger=base.trigger if change.trigger is None else change.trigger,
        mapping=base.mapping if change.mapping is None else change.mapping,
        enabled=base.enabled if change.enabled is None else change.enabled,
    )
