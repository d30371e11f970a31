"""Plans a file of rules: compares its document with the game's."""

from collections.abc import Iterator, Sequence
from typing import Any

import msgspec

from tifo.documents.changes import Change, FieldChange, Verb, section_changes
from tifo.documents.model import Text
from tifo.engagement.text.document import (
    SECTIONS,
    AttributeText,
    Document,
    EntryText,
    ProgressionText,
    RewardText,
    TaskText,
)

_IDENTITIES: dict[type, tuple[tuple[str, ...], ...]] = {
    AttributeText: (("key",),),
    EntryText: (("action", "item"),),
    ProgressionText: (("item",),),
    RewardText: (("item",),),
    TaskText: (("key",), ("name",)),
}
"""Fields that identify an element of a list, in groups: two elements are the same one where all fields of a group are
written and equal. Earlier groups are tried first.
"""


def changes(now: Document, wanted: Document, *, prune: bool) -> tuple[Change, ...]:
    """Returns what differs, in an order in which it can be applied: definitions come before those that refer to them.

    A definition that `wanted` does not name stays as it is, or is archived with `prune`.
    """
    made = [*_application(now, wanted)]
    for section in SECTIONS:
        made += section_changes(section, getattr(now, section), getattr(wanted, section), _differences)
    if prune:
        made += _pruned(now, wanted)
    return tuple(made)


def _application(now: Document, wanted: Document) -> Iterator[Change]:
    # The application exists already, so a field that is not written has no default to go back to.
    merged = msgspec.structs.replace(now.application, **wanted.application.written_fields())
    if fields := tuple(_differences(now.application, merged)):
        yield Change(Verb.CHANGE, "application", "", fields)


def _pruned(now: Document, wanted: Document) -> list[Change]:
    """Archives definitions before those that they refer to. The default program stays: every application has one."""
    return [
        Change(Verb.ARCHIVE, section, key)
        for section in reversed(SECTIONS)
        for key in getattr(now, section)
        if key not in getattr(wanted, section) and (section, key) != ("programs", "default")
    ]


def pairs(old: Sequence[Any], new: Sequence[Any]) -> list[int | None]:
    """Returns, for each new element of a list, the place of the old element that it continues; None for a new one.

    An element continues the first free one with its identity (a task's key or else its name, an entry's action and
    item), else the one in the same place, if that is free: so a task that is renamed stays the same task.
    """
    free = dict(enumerate(old))
    found: list[int | None] = [None] * len(new)

    def pair(place: int, continued: int | None) -> None:
        if found[place] is None and continued in free:
            del free[continued]
            found[place] = continued

    kind = type(next(iter([*new, *old]), None))
    for fields in _IDENTITIES.get(kind, ((),)):
        for place, each in enumerate(new):
            if found[place] is None and (mine := _identity(each, fields)) is not None:
                pair(place, next((at for at, other in free.items() if _identity(other, fields) == mine), None))
    for place in range(len(new)):
        pair(place, place)
    return found


def _identity(element: Any, fields: tuple[str, ...]) -> object:
    """Returns the values of the fields; None where one is not written. Without fields the element identifies itself."""
    if not fields:
        return element
    values = tuple(getattr(element, name) for name in fields)
    return None if None in values else values


def _differences(old: Any, new: Any, path: str = "") -> Iterator[FieldChange]:
    if isinstance(old, Text) and isinstance(new, Text):
        for name in new.__struct_fields__:
            yield from _differences(getattr(old, name), getattr(new, name), f"{path}.{name}" if path else name)
    elif isinstance(old, tuple) and isinstance(new, tuple):
        yield from _list_differences(old, new, path)
    elif old != new:
        yield FieldChange(path, old, new)


def _list_differences(old: tuple[Any, ...], new: tuple[Any, ...], path: str) -> Iterator[FieldChange]:
    paired = pairs(old, new)
    continued = [place for place in paired if place is not None]
    for place, each in enumerate(new):
        if (before := paired[place]) is None:
            yield FieldChange(f"{path}[{place}]", None, each)
        else:
            yield from _differences(old[before], each, f"{path}[{place}]")
    for place, each in enumerate(old):
        if place not in continued:
            yield FieldChange(f"{path}[{place}]", each, None)
    # Tasks are always in the order in which they were made: a file cannot change it.
    if continued != sorted(continued) and not isinstance(new[0], TaskText):
        orders = (sorted(continued), continued)
        yield FieldChange(f"{path} (order)", *(tuple(old[place] for place in order) for order in orders))
