"""A destination's filters: which events it does not get, and which parts of an event it does not see."""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from datetime import UTC, datetime

from tifo.kernel.ids import NewId
from tifo.kernel.json import JsonObject
from tifo.operations import destinations
from tifo.operations.backend import Backend
from tifo.tracking.filters import Filter, FilterAction, Filters
from tifo.workspace import filters as rules

_NEVER = datetime.fromtimestamp(0, UTC)


@dataclass(frozen=True, kw_only=True)
class NewFilter:
    condition: str
    """FQL, such as `type = 'identify'`."""
    actions: Sequence[FilterAction]
    title: str
    description: str = ""
    enabled: bool = True


@dataclass(frozen=True, kw_only=True)
class FilterChange:
    """Names what changes of a filter; None leaves a field as it is."""

    if_: str | None = None
    actions: Sequence[FilterAction] | None = None
    title: str | None = None
    description: str | None = None
    enabled: bool | None = None


def listed(backend: Backend, destination: str) -> Sequence[Filter]:
    return rules.filters_of(destinations.find(backend, destination))


def find(backend: Backend, destination: str, name: str) -> Filter:
    """Finds a filter by its id or title. Raises `NotFound`."""
    return rules.named_filter(destinations.find(backend, destination), name)


def add(backend: Backend, destination: str, new: NewFilter) -> Filter:
    """Raises `Rejected`, naming the field, for a filter that is none and for one too many."""
    found = destinations.find(backend, destination)
    made = _made(new, new_id=backend.new_id, now=backend.clock())
    backend.destinations.change(found.id, rules.with_filter(found, made))
    return made


def change(backend: Backend, destination: str, name: str, change: FilterChange) -> Filter:
    found = destinations.find(backend, destination)
    given = {each.name: getattr(change, each.name) for each in fields(change)}
    changed = {name: value for name, value in given.items() if value is not None}
    made, changed_filter = rules.with_changed(found, name, changed, backend.clock())
    backend.destinations.change(found.id, made)
    return changed_filter


def remove(backend: Backend, destination: str, name: str) -> Filter:
    found = destinations.find(backend, destination)
    removed = rules.named_filter(found, name)
    backend.destinations.change(found.id, rules.without_filter(found, removed.id))
    return removed


def preview(condition: str, actions: Sequence[FilterAction], message: JsonObject) -> JsonObject | None:
    """Returns what a filter would leave of the message; None where it would drop it. Nothing is stored.

    Needs no backend: it asks nothing of the installation.
    """
    new = NewFilter(condition=condition, actions=actions, title="preview")
    return Filters([_made(new, new_id=str, now=_NEVER)])(message).message


def _made(new: NewFilter, *, new_id: NewId, now: datetime) -> Filter:
    return rules.new_filter(
        new.condition,
        list(new.actions),
        new.title,
        description=new.description,
        enabled=new.enabled,
        new_id=new_id,
        now=now,
    )
