"""Converts messages of the log to warehouse tables, with Segment's standard columns.

A track call is a row of `tracks` (standard columns only) and a row of its event's table (with the properties); the
other calls are a row of their own table. `context` is flattened with the prefix `context_`. `users` and `accounts` hold
one row for each user id and group id: the latest traits and context, from `identifies` and `groups`.

A source has tables for at most `MAX_TABLES` event names. An event beyond them is a row of `tracks`, and its properties
go to `_discards`; so do values for which a table has no column left.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from operator import attrgetter
from types import NoneType
from typing import Any, NamedTuple

import msgspec
import numpy as np
import pyarrow as pa

from tifo.kernel.clock import from_iso
from tifo.kernel.json import JsonObject
from tifo.warehouses.columns import Excess, flatten
from tifo.warehouses.latest import SentTraits, latest_of
from tifo.warehouses.naming import STANDARD_TABLES, Naming, context_naming, property_naming, table_name
from tifo.warehouses.nulls import NestedNames, sent_nulls
from tifo.warehouses.ports import LOADED_AT, Column, ColumnType, Discard, Table
from tifo.warehouses.shapes import Shapes
from tifo.warehouses.texts import as_text
from tifo.warehouses.timestamps import TIMESTAMP, parsed

MAX_TABLES = 1_000
MAX_CONTEXT = 400
"""Limit of columns from `context`: every table has them, and they must leave room for the properties."""


class Converted(NamedTuple):
    tables: Mapping[str, Table]
    discards: Sequence[Discard]


_NULL = msgspec.Raw(b"null")
_UNREADABLE = (msgspec.DecodeError, RecursionError, UnicodeDecodeError)


# Segment does not load `integrations`, `channel` and `version`, and `type` is the table. Its `uuid` is left out too: it
# serves the deduplication of Redshift, and here rows are unique by `id`.
class _Message(msgspec.Struct, gc=False, rename="camel"):
    type: str
    message_id: str
    received_at: str
    timestamp: str | None = None
    original_timestamp: str | None = None
    sent_at: str | None = None
    anonymous_id: str | None = None
    user_id: str | None = None
    # Ingest checks these only for the calls that use them, so they may hold anything.
    event: Any = None
    name: Any = None
    category: Any = None
    group_id: Any = None
    previous_id: Any = None
    # Decoded later: payloads by their shape, each different context once.
    properties: msgspec.Raw = _NULL
    traits: msgspec.Raw = _NULL
    context: msgspec.Raw = _NULL


class _Read(_Message, gc=False, rename="camel"):
    """Decodes a message with its payloads, to find out whether they are valid."""

    properties: Any = None
    traits: Any = None


_TEXTS = ("anonymous_id", "user_id")
_TIMES = ("received_at", "sent_at", "timestamp", "original_timestamp")
_STANDARD = ("id", *_TEXTS, *_TIMES)


@dataclass(frozen=True)
class _Call:
    """Describes how one type of call becomes rows."""

    table: str
    fields: tuple[str, ...]
    """Standard columns that only this call has."""
    payload: str
    """The field that is flattened without a prefix."""
    other: str
    """The one of `properties` and `traits` that is not the payload; where a call has it too, its name prefixes it."""
    names: Naming
    shapes: Shapes


def _call(table: str, payload: str, *fields: str) -> _Call:
    other, alternative = ("traits", "property") if payload == "properties" else ("properties", "trait")
    names = property_naming((*_STANDARD, LOADED_AT, *fields), alternative)
    return _Call(table, fields, payload, other, names, Shapes(names))


_CALLS = {
    "track": _call("tracks", "properties", "event", "event_text"),
    "identify": _call("identifies", "traits"),
    "page": _call("pages", "properties", "name", "category"),
    "screen": _call("screens", "properties", "name", "category"),
    "group": _call("groups", "traits", "group_id"),
    "alias": _call("aliases", "traits", "previous_id"),
}
STANDARD_COLUMNS = frozenset((LOADED_AT, *_STANDARD, *(field for call in _CALLS.values() for field in call.fields)))
_LATEST = {"identifies": ("users", "user_id"), "groups": ("accounts", "group_id")}
_Discarder = Callable[[str | None, int, Any, str], None]
"""Receives column, message's number, value and reason."""
_NO_COLUMN = "the table has no room for another column"
_context_names = context_naming()
_decoder = msgspec.json.Decoder(_Message)
_reader = msgspec.json.Decoder(_Read)


def place_of(call: str, name: str) -> tuple[str, Naming]:
    """Returns the table that holds the properties (or traits) of such calls, and how its columns are named."""
    kind = _CALLS[call]
    return (table_name(name) if kind.table == "tracks" else kind.table), kind.names


def convert(bodies: bytes, known_tables: Collection[str] = (), max_tables: int = MAX_TABLES) -> Converted:
    """Converts canonical messages, each followed by a newline. A message that cannot become a row is a discard.

    Raises `TooLarge` for messages that are too sparse together: convert them in parts. One alone never is.
    `known_tables` are the schema's stored tables: they get rows even where `max_tables` is reached.
    """
    try:
        return _converted(_decoder.decode_lines(bodies), [], _Room(frozenset(known_tables), max_tables))
    except _UNREADABLE:
        return _converted(*_decode_one_by_one(bodies.splitlines()), _Room(frozenset(known_tables), max_tables))


def _converted(messages: Sequence[_Message], discards: list[Discard], room: "_Room") -> Converted:
    tables: dict[str, Table] = {}
    kinds = _each("type", messages)
    for kind in dict.fromkeys(kinds):
        of_kind = [message for message, its in zip(messages, kinds, strict=True) if its == kind]
        call = _CALLS.get(kind)
        if call is None:
            discards += [
                discard_message(msgspec.json.encode(message), f"unknown call type {kind!r}") for message in of_kind
            ]
        elif call.table == "tracks":
            tables |= _track_tables(call, of_kind, discards, room)
        else:
            tables |= _tables(call, of_kind, discards)
    return Converted(tables, discards)


def _decode_one_by_one(lines: Sequence[bytes]) -> tuple[list[_Message], list[Discard]]:
    messages: list[_Message] = []
    discards: list[Discard] = []
    for line in lines:
        try:
            # The payloads too: they are decoded later, all together, where one that is broken would fail its
            # neighbours.
            _reader.decode(line)
            messages.append(_decoder.decode(line))
        except _UNREADABLE as error:
            discards.append(discard_message(line, f"not a canonical message: {error}"))
    return messages, discards


class _Known(msgspec.Struct, rename="camel"):
    message_id: str | None = None
    received_at: str | None = None


def discard_message(line: bytes, reason: str) -> Discard:
    """Makes the discard of a whole message."""
    try:
        known = msgspec.json.decode(line, type=_Known)
    except _UNREADABLE:
        known = _Known()
    return Discard(None, None, line.decode(errors="backslashreplace"), reason, known.message_id, known.received_at)


class _Room(NamedTuple):
    known: frozenset[str]
    limit: int

    def of(self, tables: Sequence[str]) -> set[str]:
        """Returns the tables that get rows: all known ones, and new ones in their order while there is room."""
        known = self.known - STANDARD_TABLES
        new = [table for table in tables if table not in known]
        return {*known, *new[: max(0, self.limit - len(known))]}


def _tables(call: _Call, messages: Sequence[_Message], discards: list[Discard]) -> dict[str, Table]:
    discard = _discarder(call.table, messages, discards)
    standard, names = _standard(call, messages, discard), NestedNames(call.names)
    table = _table(standard | _payload_columns(call, call.table, messages, discard, names))
    tables = {call.table: table}
    if call.table in _LATEST:
        name, key = _LATEST[call.table]
        sent = SentTraits(_sent_nulls(call, messages), names.objects)
        # Segment: users and accounts have no anonymous id.
        latest = latest_of(table, call.table, key, table.types.keys() - {*_STANDARD, *call.fields}, sent)
        if len(latest.rows):
            tables[name] = latest
    return tables


def _sent_nulls(call: _Call, messages: Sequence[_Message]) -> dict[str, list[int]]:
    raws = _each(call.payload, messages)
    # Few calls hold a null: the search of bytes, first of all of them at once, spares the others another decoding.
    if b"null" not in b"".join(raws):
        return {}
    numbers = [number for number, raw in enumerate(raws) if b"null" in bytes(raw)]
    payloads = _payloads(call, [messages[number] for number in numbers])
    return sent_nulls(zip(numbers, payloads, strict=True), call.names)


def _track_tables(call: _Call, messages: Sequence[_Message], discards: list[Discard], room: _Room) -> dict[str, Table]:
    """Makes `tracks`, in the order of the log, and one table for each event."""
    standard = _standard(call, messages, _discarder(call.table, messages, discards))
    events = standard["event"].values.dictionary_encode()
    names = events.dictionary.to_pylist()
    # Ingest refuses a track without an event. One that is in a log all the same sorts before all tables and gets none.
    codes = events.indices.fill_null(-1).to_numpy()
    # Stable, so that the rows of each event stay in the order of the log.
    order = np.argsort(codes, kind="stable")
    tables = {"tracks": _table(standard)}
    ordered = tables["tracks"].rows.take(pa.array(order))
    bounds = np.searchsorted(codes[order], np.arange(len(names) + 1))
    in_room = room.of(names)
    for name, start, end in zip(names, bounds, bounds[1:], strict=False):
        of_event = [messages[number] for number in order[start:end].tolist()]
        discard = _discarder(name, of_event, discards)
        if name in in_room:
            columns = _columns_of(standard, ordered.slice(start, end - start))
            tables[name] = _table(columns | _payload_columns(call, name, of_event, discard))
        else:
            _discard_properties(_payloads(call, of_event), discard, room.limit)
    return tables


def _columns_of(standard: Mapping[str, Column], rows: pa.Table) -> dict[str, Column]:
    return {name: Column(standard[name].type, rows[name]) for name in standard if _has_value(name, rows)}


def _discard_properties(payloads: Sequence[JsonObject], discard: _Discarder, limit: int) -> None:
    for number, payload in enumerate(payloads):
        discard(None, number, payload, f"the schema has tables for {limit:,} events already; the event is in tracks")


def _excess(discard: _Discarder) -> Excess:
    return lambda column, number, value: discard(column, number, value, _NO_COLUMN)


def _has_value(column: str, rows: pa.Table) -> bool:
    # Segment: a column is made by its first value. Another event's context must not make columns here.
    return not column.startswith("context_") or rows[column].null_count < len(rows)


def _table(columns: Mapping[str, Column]) -> Table:
    rows = pa.table({name: column.values for name, column in columns.items()})
    return Table({name: column.type for name, column in columns.items()}, rows)


def _payload_columns(
    call: _Call, table: str, messages: Sequence[_Message], discard: _Discarder, names: Naming | None = None
) -> dict[str, Column]:
    # A call with both properties and traits is rare, and its columns depend on both: the quick way reads the payload
    # only.
    if all(other is _NULL for other in _each(call.other, messages)):
        columns = call.shapes.columns(table, _each(call.payload, messages))
        if columns is not None:
            return columns
    payloads = _payloads(call, messages)
    call.shapes.learn(table, payloads)
    return flatten(payloads, names or call.names, _excess(discard))


def _payloads(call: _Call, messages: Sequence[_Message]) -> list[JsonObject]:
    payloads = _decoded(_each(call.payload, messages))
    others = _decoded(_each(call.other, messages))
    if set(map(type, payloads)) == {dict} and not any(others):
        return payloads
    return [_payload(call, payload, other) for payload, other in zip(payloads, others, strict=True)]


def _decoded(raws: Sequence[msgspec.Raw]) -> list[Any]:
    return msgspec.json.decode(b"[" + b",".join(raws) + b"]", type=list[Any])


def _payload(call: _Call, payload: Any, other: Any) -> JsonObject:
    if not isinstance(payload, dict):
        payload = {} if payload is None else {call.payload: payload}
    return {**payload, f" {call.other}": other} if other else payload  # the space: a key of that name may be there


def _each(field: str, messages: Sequence[_Message]) -> list[Any]:
    return list(map(attrgetter(field), messages))


def _standard(call: _Call, messages: Sequence[_Message], discard: _Discarder) -> dict[str, Column]:
    ids = {"id": _text(_each("message_id", messages))}
    texts = {name: _text(_each(name, messages)) for name in _TEXTS}
    times = {name: _times(name, _each(name, messages), discard) for name in _TIMES}
    return ids | texts | _fields(call, messages) | times | _context(messages, discard)


def _fields(call: _Call, messages: Sequence[_Message]) -> dict[str, Column]:
    if call.table != "tracks":
        return {name: _text(_as_texts(_each(name, messages))) for name in call.fields}
    # A batch has many messages and few event names: each name is computed once.
    texts = _text(_as_texts(_each("event", messages)))
    different = texts.values.dictionary_encode()
    names = _text([table_name(text) for text in different.dictionary.to_pylist()])
    return {"event": Column(names.type, names.values.take(different.indices)), "event_text": texts}


def _as_texts(values: list[Any]) -> list[str | None]:
    if set(map(type, values)) <= {str, NoneType}:
        return values
    return [None if value is None else as_text(value) for value in values]


def _text(values: list[str | None] | list[str]) -> Column:
    return Column(ColumnType.VARCHAR, pa.array(values, pa.string()))


def _discarder(table: str, messages: Sequence[_Message], discards: list[Discard]) -> _Discarder:
    def discard(column: str | None, number: int, value: Any, reason: str) -> None:
        message = messages[number]
        discards.append(Discard(table, column, as_text(value), reason, message.message_id, message.received_at))

    return discard


def _times(name: str, values: list[str | None], discard: _Discarder) -> Column:
    times = parsed(pa.array(values, pa.string()))
    # Arrow does not say which value it refuses.
    rows = pa.array(_times_one_by_one(name, values, discard), TIMESTAMP) if times is None else times
    return Column(ColumnType.TIMESTAMP, rows)


def _times_one_by_one(name: str, values: list[str | None], discard: _Discarder) -> list[datetime | None]:
    times: list[datetime | None] = [None] * len(values)
    for number, value in enumerate(values):
        try:
            times[number] = None if value is None else from_iso(value)
        except (ValueError, OverflowError):
            discard(name, number, value or "", f"not a valid {name}")
    return times


def _context(messages: Sequence[_Message], discard: _Discarder) -> dict[str, Column]:
    """Returns the columns of `context`."""
    # Each different context is decoded and flattened once: most messages of a source share a few.
    numbers: dict[bytes, int] = {}
    codes = [numbers.setdefault(bytes(message.context), len(numbers)) for message in messages]
    contexts = [_object(raw) for raw in numbers]
    bad = {code for code, context in enumerate(contexts) if context is None}
    for number, code in enumerate(codes if bad else ()):
        if code in bad:
            text = bytes(messages[number].context).decode(errors="backslashreplace")
            discard("context", number, text, "not a valid context")

    def excess(column: str, context: int, value: Any) -> None:
        for number, code in enumerate(codes):
            if code == context:
                discard(column, number, value, _NO_COLUMN)

    columns = flatten([context or {} for context in contexts], _context_names, excess, MAX_CONTEXT)
    rows = pa.array(codes, pa.int32())
    return {name: Column(column.type, column.values.take(rows)) for name, column in columns.items()}


def _object(raw: bytes) -> JsonObject | None:
    """Returns None for what is no JSON object; `null` counts as an empty one."""
    try:
        return msgspec.json.decode(raw, type=dict[str, Any] | None) or {}
    except _UNREADABLE:
        return None
