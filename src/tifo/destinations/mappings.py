"""Makes and checks mappings, which decide which call of a vendor's kind an event becomes. Pure."""

from tifo.destinations.ports import Action, ActionMapping, Kind
from tifo.kernel.errors import NotFound, Rejected
from tifo.tracking.fql import compiled


def action_of(kind: Kind, slug: str) -> Action:
    for action in kind.actions:
        if action.slug == slug:
            return action
    known = ", ".join(action.slug for action in kind.actions) or "none: its events go without mappings"
    raise NotFound(f"{kind.id} has no action {slug!r:.100}. Known are {known}.", field="actionId")


def preset_of(kind: Kind, name: str) -> ActionMapping:
    for preset in kind.presets:
        if name in {preset.id, preset.name}:
            return preset
    known = ", ".join(preset.name for preset in kind.presets) or "none"
    raise NotFound(f"{kind.id} has no preset {name!r:.100}. Known are {known}.", field="preset")


def new_mapping(kind: Kind, slug: str) -> ActionMapping:
    """Makes a mapping with the action's own trigger, and its fields' own defaults. It has no id yet."""
    action = action_of(kind, slug)
    return ActionMapping(
        id="",
        name=action.name,
        action=action.slug,
        trigger=action.trigger,
        mapping={field.key: field.default for field in action.fields if field.default is not None},
    )


def checked_mapping(kind: Kind, mapping: ActionMapping) -> ActionMapping:
    """Raises `Rejected` or `NotFound`, naming the field."""
    action_of(kind, mapping.action)  # raises for an action that the kind does not have
    if not mapping.name.strip():
        raise Rejected("name is missing. Give one: people find the mapping by it.", field="name")
    compiled(mapping.trigger, "trigger")
    return mapping
