"""Adds, changes and removes a destination's filters. Pure: each function returns the change of the destination."""

from collections.abc import Callable
from datetime import datetime
from typing import Any

import msgspec

from tifo.kernel.clock import to_iso
from tifo.kernel.errors import Rejected
from tifo.kernel.naming import no_such, several
from tifo.tracking.filters import MAX_FILTERS, Filter, FilterAction, checked_filter, read_filters
from tifo.workspace.destinations import ConnectedDestination, DestinationChange

NewId = Callable[[], str]


def new_filter(
    condition: str,
    actions: list[FilterAction],
    title: str,
    *,
    description: str = "",
    enabled: bool = True,
    new_id: NewId,
    now: datetime,
) -> Filter:
    """Makes a filter with a new id. Raises `Rejected`, naming the field."""
    at = to_iso(now)
    return checked_filter(
        Filter(
            id=new_id(),
            if_=condition,
            actions=actions,
            title=title,
            description=description,
            enabled=enabled,
            created_at=at,
            updated_at=at,
        )
    )


def filters_of(destination: ConnectedDestination) -> list[Filter]:
    return read_filters(destination.filters)


def named_filter(destination: ConnectedDestination, filter_id: str) -> Filter:
    """Finds a filter by its id, or else by its title. Raises `NotFound`, also for a title that several have."""
    known = filters_of(destination)
    # People name a filter by its title, the API by its id.
    found = [each for each in known if each.id == filter_id] or [each for each in known if each.title == filter_id]
    if len(found) == 1:
        return found[0]
    what = f"filter of {destination.name}"
    if found:
        raise several(what, filter_id, {each.id: each.if_ for each in found}, field="filterId")
    raise no_such(what, filter_id, [each.title for each in known], make="tifo destination filter add", field="filterId")


def with_filter(destination: ConnectedDestination, added: Filter) -> DestinationChange:
    if len(destination.filters) >= MAX_FILTERS:
        raise Rejected(f"The destination has {MAX_FILTERS} filters already. Remove one, or join two.", field="if")
    return _change(destination, [*filters_of(destination), added])


def with_changed(
    destination: ConnectedDestination, filter_id: str, changed: dict[str, Any], now: datetime
) -> tuple[DestinationChange, Filter]:
    """`changed` holds new values by the names of `Filter`'s fields."""
    old = named_filter(destination, filter_id)
    new = checked_filter(msgspec.structs.replace(old, **changed, updated_at=to_iso(now)))
    return _change(destination, [new if each.id == old.id else each for each in filters_of(destination)]), new


def without_filter(destination: ConnectedDestination, filter_id: str) -> DestinationChange:
    gone = named_filter(destination, filter_id)
    return _change(destination, [each for each in filters_of(destination) if each.id != gone.id])


def _change(destination: ConnectedDestination, filters: list[Filter]) -> DestinationChange:
    # With the version that was read: a filter that somebody else added meanwhile is not lost.
    return DestinationChange(filters=msgspec.to_builtins(filters), version=destination.version)
