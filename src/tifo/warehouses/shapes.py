"""Learns the keys of an event's payloads, and then reads them by a compiled type, several times quicker.

`columns.flatten` takes whatever comes: a payload becomes a dict, and dicts that have the same keys become columns
together. Yet most messages of an event have the keys that its earlier ones had, each with a plain value. For these a
compiled type reads the values straight from the JSON. The results are the same to the last value; only new columns may
come in another order. A payload that is not as expected (an unknown key, a nested object, no object at all) sends all
of the event's payloads to `flatten`; its keys are learned where possible.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from operator import attrgetter
from typing import Any

import msgspec

from tifo.kernel.json import JsonObject
from tifo.warehouses.columns import MAX_CELLS, Naming, typed
from tifo.warehouses.ports import Column

MAX_KEYS = 100
"""A missing key costs nearly as much as a present one, so an event with many rare keys gains nothing."""
MIN_PAYLOADS = 50
"""Fewer payloads at once are not worth a compiled type."""
_MAX_SHAPES = 1_000
_UNNAMEABLE = re.compile(r'["\\\x00-\x1f]')
"""msgspec refuses these characters in a field's name."""


@dataclass(frozen=True)
class _Shape:
    keys: tuple[str, ...]
    columns: tuple[str, ...]
    decoder: msgspec.json.Decoder[Any]

    def values(self, payloads: Sequence[msgspec.Raw]) -> dict[str, list[Any]]:
        objects = self.decoder.decode_lines(b"\n".join(payloads))
        return {column: list(map(attrgetter(_field(n)), objects)) for n, column in enumerate(self.columns)}


class Shapes:
    """Remembers a shape for each name, such as the table's, under which payloads are alike."""

    def __init__(self) -> None:
        self._shapes: dict[str, _Shape | None] = {}
        """None for payloads that cannot be learned: they nest, or have too many keys."""

    def columns(self, name: str, payloads: Sequence[msgspec.Raw]) -> dict[str, Column] | None:
        """Returns what `flatten` returns for these payloads, each on one line; None where that must be asked."""
        shape = self._shapes.get(name)
        if shape is None or len(shape.keys) * len(payloads) > MAX_CELLS:
            return None
        try:
            values = shape.values(payloads)
        except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
            return None
        # A nested object is flattened to more columns than its key's: only `flatten` can say to which.
        if any(dict in set(map(type, each)) for each in values.values()):
            self._shapes[name] = None
            return None
        return _typed(values)

    def learn(self, name: str, objects: Sequence[JsonObject], names: Naming) -> None:
        """Learns from payloads that `columns` could not read and `flatten` could."""
        known = self._shapes.get(name)
        if len(objects) < MIN_PAYLOADS or (known is None and name in self._shapes):
            return
        # A source that makes up event names must not fill the memory. What is in use is learned again.
        if len(self._shapes) >= _MAX_SHAPES:
            self._shapes.clear()
        keys = tuple(dict.fromkeys(chain(known.keys if known else (), *objects)))
        if _nests(objects) or len(keys) > MAX_KEYS or any(map(_UNNAMEABLE.search, keys)):
            self._shapes[name] = None
        # A key without a column may get one later, so it does not make the event unlearnable.
        elif columns := _all_named(names(tuple((key,) for key in keys))):
            self._shapes[name] = _shape(keys, columns)


def _all_named(columns: tuple[str | None, ...]) -> tuple[str, ...] | None:
    named = tuple(column for column in columns if column is not None)
    return named if len(named) == len(columns) else None


def _shape(keys: tuple[str, ...], columns: tuple[str, ...]) -> _Shape:
    fields = [(_field(number), Any, msgspec.field(default=None, name=key)) for number, key in enumerate(keys)]
    payload = msgspec.defstruct("Payload", fields, forbid_unknown_fields=True, gc=False)
    return _Shape(keys, columns, msgspec.json.Decoder(payload))


def _field(number: int) -> str:
    return f"f{number}"


def _nests(objects: Sequence[JsonObject]) -> bool:
    return any(dict in set(map(type, each.values())) for each in objects)


def _typed(values: Mapping[str, Sequence[Any]]) -> dict[str, Column]:
    columns = ((name, typed(each)) for name, each in values.items())
    return {name: column for name, column in columns if column is not None}
