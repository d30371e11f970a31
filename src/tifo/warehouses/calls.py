"""Describes calls as a warehouse sees them: their table, standard columns, and the columns that their keys ask for.

It imports no Arrow: commands that only ask for a name are quick.
"""

from dataclasses import dataclass

from tifo.warehouses.naming import NameOf, property_name, table_name
from tifo.warehouses.ports import LOADED_AT

TEXTS = ("anonymous_id", "user_id")
TIMES = ("received_at", "sent_at", "timestamp", "original_timestamp")
STANDARD = ("id", *TEXTS, *TIMES)


@dataclass(frozen=True)
class Call:
    """Describes how one type of call becomes rows."""

    table: str
    fields: tuple[str, ...]
    """Standard columns that only this call has."""
    payload: str
    """The field that is flattened without a prefix."""
    other: str
    """The one of `properties` and `traits` that is not the payload; where a call has it too, its name prefixes it."""
    name_of: NameOf


def _call(table: str, payload: str, *fields: str) -> Call:
    other, alternative = ("traits", "property") if payload == "properties" else ("properties", "trait")
    return Call(table, fields, payload, other, property_name((*STANDARD, LOADED_AT, *fields), alternative))


CALLS = {
    "track": _call("tracks", "properties", "event", "event_text"),
    "identify": _call("identifies", "traits"),
    "page": _call("pages", "properties", "name", "category"),
    "screen": _call("screens", "properties", "name", "category"),
    "group": _call("groups", "traits", "group_id"),
    "alias": _call("aliases", "traits", "previous_id"),
}
STANDARD_COLUMNS = frozenset((LOADED_AT, *STANDARD, *(field for call in CALLS.values() for field in call.fields)))


def place_of(call: str, name: str) -> tuple[str, NameOf]:
    """Returns the table that holds the properties (or traits) of such calls, and the columns that its keys ask for."""
    kind = CALLS[call]
    return (table_name(name) if kind.table == "tracks" else kind.table), kind.name_of
