"""Values of a plan: the changes that applying a file would make, shown before they are made."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from enum import StrEnum
from typing import Any, NamedTuple, TypeVar

D = TypeVar("D")


class Verb(StrEnum):
    CREATE = "create"
    CHANGE = "change"
    ARCHIVE = "archive"
    """A game's definitions are never deleted: fans may hold what they gave."""
    DELETE = "delete"


class FieldChange(NamedTuple):
    """One field's change. `old` is None for a new field, `new` for one that goes. Values are those of documents."""

    path: str
    old: Any
    new: Any


class Change(NamedTuple):
    """One change of the definition `key` in `section`; the key is empty where a section is one definition."""

    verb: Verb
    section: str
    key: str
    fields: tuple[FieldChange, ...] = ()


def section_changes(
    section: str,
    now: Mapping[str, D],
    wanted: Mapping[str, D],
    differences: Callable[[D, D], Iterable[FieldChange]],
) -> Iterator[Change]:
    """Compares the definitions of one section. A definition that `wanted` does not name gives no change."""
    for key, definition in wanted.items():
        if key not in now:
            yield Change(Verb.CREATE, section, key)
        elif fields := tuple(differences(now[key], definition)):
            yield Change(Verb.CHANGE, section, key, fields)
