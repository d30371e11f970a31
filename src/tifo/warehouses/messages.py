"""Messages of the log to warehouse tables, with Segment's standard columns.

A track call is a row of `tracks` (standard columns only) and a row of its event's table (with the properties); the
other calls are a row of their own table. `context` is flattened with the prefix `context_`. Not in a warehouse, as
with Segment: `integrations`, `channel`, `version`, `type`. Segment's `uuid` is left out: it serves the deduplication of
Redshift; here rows are unique by `id`. `uuid_ts`, when the row was loaded, is the driver's to fill in.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from operator import attrgetter
from types import NoneType
from typing import Any, NamedTuple

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from tifo.kernel.clock import from_iso
from tifo.kernel.json import JsonObject
from tifo.warehouses.columns import TIMESTAMP, as_text, flatten
from tifo.warehouses.naming import Naming, context_naming, property_naming, table_name
from tifo.warehouses.ports import LOADED_AT, Column, ColumnType, Discard, Table


class Converted(NamedTuple):
    tables: Mapping[str, Table]
    discards: Sequence[Discard]


class _Message(msgspec.Struct, gc=False, rename="camel"):
    type: str
    message_id: str
    received_at: str
    timestamp: str | None = None
    original_timestamp: str | None = None
    sent_at: str | None = None
    anonymous_id: str | None = None
    user_id: str | None = None
    # What follows is checked on ingest only for the calls that use it.
    event: Any = None
    name: Any = None
    category: Any = None
    group_id: Any = None
    previous_id: Any = None
    properties: Any = None
    traits: Any = None
    context: msgspec.Raw = msgspec.Raw(b"null")


_TEXTS = ("anonymous_id", "user_id")
_TIMES = ("received_at", "sent_at", "timestamp", "original_timestamp")
_STANDARD = ("id", *_TEXTS, *_TIMES)


@dataclass(frozen=True)
class _Call:
    """How one type of call becomes rows."""

    table: str
    fields: tuple[str, ...]
    """Standard columns that only this call has."""
    payload: str
    """What is flattened without a prefix. Should the other of properties and traits come too, its name prefixes it."""
    other: str
    names: Naming


def _call(table: str, payload: str, *fields: str) -> _Call:
    other, alternative = ("traits", "property") if payload == "properties" else ("properties", "trait")
    return _Call(table, fields, payload, other, property_naming((*_STANDARD, LOADED_AT, *fields), alternative))


_CALLS = {
    "track": _call("tracks", "properties", "event", "event_text"),
    "identify": _call("identifies", "traits"),
    "page": _call("pages", "properties", "name", "category"),
    "screen": _call("screens", "properties", "name", "category"),
    "group": _call("groups", "traits", "group_id"),
    "alias": _call("aliases", "traits", "previous_id"),
}
_Discarder = Callable[[str, int, str], None]
"""Takes column, message's number and value."""
_context_names = context_naming()
_decoder = msgspec.json.Decoder(_Message)


def convert(bodies: bytes) -> Converted:
    """Of canonical messages, each followed by a newline. What cannot become a row is a discard, never an error."""
    messages, discards = _decode(bodies)
    tables: dict[str, Table] = {}
    for kind in dict.fromkeys(message.type for message in messages):
        of_kind = [message for message in messages if message.type == kind]
        call = _CALLS.get(kind)
        if call is None:
            discards += [set_aside(msgspec.json.encode(message), f"unknown call type {kind!r}") for message in of_kind]
        else:
            tables |= _tables(call, of_kind, discards)
    return Converted(tables, discards)


def _decode(bodies: bytes) -> tuple[list[_Message], list[Discard]]:
    try:
        return _decoder.decode_lines(bodies), []
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        return _decode_one_by_one(bodies.splitlines())


def _decode_one_by_one(lines: Sequence[bytes]) -> tuple[list[_Message], list[Discard]]:
    messages: list[_Message] = []
    discards: list[Discard] = []
    for line in lines:
        try:
            messages.append(_decoder.decode(line))
        except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
            discards.append(set_aside(line, f"not a canonical message: {error}"))
    return messages, discards


class _Known(msgspec.Struct, rename="camel"):
    message_id: str | None = None
    received_at: str | None = None


def set_aside(line: bytes, reason: str) -> Discard:
    """The discard of a whole message."""
    try:
        known = msgspec.json.decode(line, type=_Known)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        known = _Known()
    return Discard(None, None, line.decode(errors="backslashreplace"), reason, known.message_id, known.received_at)


def _tables(call: _Call, messages: Sequence[_Message], discards: list[Discard]) -> dict[str, Table]:
    standard = _standard(call, messages, discards)
    payloads = _payloads(call, messages)
    if call.table != "tracks":
        return {call.table: _table(standard | flatten(payloads, call.names))}
    return {call.table: _table(standard)} | _event_tables(call, standard, payloads)


def _event_tables(call: _Call, standard: dict[str, Column], payloads: Sequence[JsonObject]) -> dict[str, Table]:
    """The rows of one event stand together; `tracks` keeps the order of the log."""
    events = standard["event"].values.dictionary_encode()
    codes = events.indices.fill_null(-1).to_numpy()
    order = np.argsort(codes, kind="stable")
    ordered = _table(standard).rows.take(pa.array(order))
    bounds = np.searchsorted(codes[order], np.arange(len(events.dictionary) + 1))
    tables = {}
    for name, start, end in zip(events.dictionary.to_pylist(), bounds, bounds[1:], strict=False):
        rows = ordered.slice(start, end - start)
        columns = {
            column: Column(standard[column].type, rows[column]) for column in standard if _has_value(column, rows)
        }
        tables[name] = _table(columns | flatten([payloads[i] for i in order[start:end]], call.names))
    return tables


def _has_value(column: str, rows: pa.Table) -> bool:
    return not column.startswith("context_") or rows[column].null_count < len(rows)


def _table(columns: Mapping[str, Column]) -> Table:
    rows = pa.table({name: column.values for name, column in columns.items()})
    return Table({name: column.type for name, column in columns.items()}, rows)


def _payloads(call: _Call, messages: Sequence[_Message]) -> list[JsonObject]:
    payloads = _each(call.payload, messages)
    others = _each(call.other, messages)
    if set(map(type, payloads)) == {dict} and not any(others):
        return payloads
    return [_payload(call, payload, other) for payload, other in zip(payloads, others, strict=True)]


def _payload(call: _Call, payload: Any, other: Any) -> JsonObject:
    if not isinstance(payload, dict):
        payload = {} if payload is None else {call.payload: payload}
    return {**payload, f" {call.other}": other} if other else payload  # the space keeps clear of a key of that name


def _each(field: str, messages: Sequence[_Message]) -> list[Any]:
    return list(map(attrgetter(field), messages))


def _standard(call: _Call, messages: Sequence[_Message], discards: list[Discard]) -> dict[str, Column]:
    ids = {"id": _text(_each("message_id", messages))}
    texts = {name: _text(_each(name, messages)) for name in _TEXTS}
    discard = _discarder(call.table, messages, discards)
    times = {name: _times(name, _each(name, messages), discard) for name in _TIMES}
    return ids | texts | _fields(call, messages) | times | _context(messages, discard)


def _fields(call: _Call, messages: Sequence[_Message]) -> dict[str, Column]:
    if call.table != "tracks":
        return {name: _text(_as_texts(_each(name, messages))) for name in call.fields}
    texts = _as_texts(_each("event", messages))
    return {"event": _text([None if text is None else table_name(text) for text in texts]), "event_text": _text(texts)}


def _as_texts(values: list[Any]) -> list[str | None]:
    if set(map(type, values)) <= {str, NoneType}:
        return values
    return [None if value is None else as_text(value) for value in values]


def _text(values: list[str | None] | list[str]) -> Column:
    return Column(ColumnType.VARCHAR, pa.array(values, pa.string()))


def _discarder(table: str, messages: Sequence[_Message], discards: list[Discard]) -> _Discarder:
    def discard(column: str, number: int, value: str) -> None:
        message = messages[number]
        reason = f"not a valid {column}"
        discards.append(Discard(table, column, value, reason, message.message_id, message.received_at))

    return discard


def _times(name: str, values: list[str | None], discard: _Discarder) -> Column:
    array = pa.array(values, pa.string())
    try:
        return Column(ColumnType.TIMESTAMP, pc.cast(array, TIMESTAMP))
    except pa.ArrowInvalid:
        return Column(ColumnType.TIMESTAMP, pa.array(_times_one_by_one(name, values, discard), TIMESTAMP))


def _times_one_by_one(name: str, values: list[str | None], discard: _Discarder) -> list[datetime | None]:
    times: list[datetime | None] = [None] * len(values)
    for number, value in enumerate(values):
        try:
            times[number] = None if value is None else from_iso(value)
        except (ValueError, OverflowError):
            discard(name, number, value or "")
    return times


def _context(messages: Sequence[_Message], discard: _Discarder) -> dict[str, Column]:
    """Each different context is decoded and flattened once: most messages of a source share a few."""
    numbers: dict[bytes, int] = {}
    codes = [numbers.setdefault(bytes(message.context), len(numbers)) for message in messages]
    contexts = [_object(raw) for raw in numbers]
    bad = {code for code, context in enumerate(contexts) if context is None}
    for number, code in enumerate(codes if bad else ()):
        if code in bad:
            discard("context", number, bytes(messages[number].context).decode(errors="backslashreplace"))
    columns = flatten([context or {} for context in contexts], _context_names)
    rows = pa.array(codes, pa.int32())
    return {name: Column(column.type, column.values.take(rows)) for name, column in columns.items()}


def _object(raw: bytes) -> JsonObject | None:
    """None where it is no JSON object; `null` is an empty one."""
    try:
        return msgspec.json.decode(raw, type=dict[str, Any] | None) or {}
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        return None
