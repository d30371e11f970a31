"""What a file would change: the difference between the rules as they are and as the file says."""

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
"""Fields that make two elements of a list the same one: those of the first group that some two agree in, if they say
anything there.
"""


def changes(now: Document, wanted: Document, *, prune: bool) -> tuple[Change, ...]:
    """In an order in which they can be done: what is named by others comes before them.

    What `wanted` does not name stays as it is, or is archived with `prune`.
    """
    made = [*_application(now, wanted)]
    for section in SECTIONS:
        made += section_changes(section, getattr(now, section), getattr(wanted, section), _differences)
    if prune:
        made += _pruned(now, wanted)
    return tuple(made)


def _application(now: Document, wanted: Document) -> Iterator[Change]:
    merged = msgspec.structs.replace(now.application, **wanted.application.said())
    if fields := tuple(_differences(now.application, merged)):
        yield Change(Verb.CHANGE, "application", "", fields)


def _pruned(now: Document, wanted: Document) -> list[Change]:
    """Those that name others go before them. The default program stays: every application has one."""
    return [
        Change(Verb.ARCHIVE, section, key)
        for section in reversed(SECTIONS)
        for key in getattr(now, section)
        if key not in getattr(wanted, section) and (section, key) != ("programs", "default")
    ]


def pairs(old: Sequence[Any], new: Sequence[Any]) -> list[int | None]:
    """For each new element of a list the place of the old one that it continues.

    That is the first free one with its identity (a task's key or else its name, an entry's action and item); else the
    one in the same place, where that is not continued by another: so a task that is renamed stays the same task.
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
    """None where it says nothing there."""
    said = tuple(getattr(element, name) for name in fields)
    return element if not fields else None if None in said else said


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
    kept = [place for place in paired if place is not None]
    for place, each in enumerate(new):
        if (continued := paired[place]) is None:
            yield FieldChange(f"{path}[{place}]", None, each)
        else:
            yield from _differences(old[continued], each, f"{path}[{place}]")
    for place, each in enumerate(old):
        if place not in kept:
            yield FieldChange(f"{path}[{place}]", each, None)
    if kept != sorted(kept) and not isinstance(new[0], TaskText):  # tasks are in the order of making
        before, after = ([old[place] for place in order] for order in (sorted(kept), kept))
        yield FieldChange(f"{path} (order)", tuple(before), tuple(after))
