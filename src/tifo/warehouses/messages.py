"""Converts messages of the log to warehouse tables, with Segment's standard columns.

A track call is a row of `tracks` (standard columns only) and a row of its event's table (with the properties); the
other calls are a row of their own table. `context` is flattened with the prefix `context_`. `users` and `accounts` hold
one row for each user id and group id: the latest traits and context, from `identifies` and `groups`.

`SourceNaming` says which table an event has, and which column a key. An event without a table is a row of `tracks`, and
its properties go to `_discards`; so do values of keys without a column.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime
from operator import attrgetter
from types import NoneType
from typing import Any, NamedTuple

import msgspec
import numpy as np
import pyarrow as pa

from tifo.kernel.clock import from_iso
from tifo.kernel.json import JsonObject
from tifo.warehouses.budgets import MAX_CONTEXT, MAX_TABLES
from tifo.warehouses.calls import CALLS, STANDARD, TEXTS, TIMES, Call
from tifo.warehouses.columns import Excess, Naming, flatten
from tifo.warehouses.latest import SentTraits, latest_of
from tifo.warehouses.logged import NULL, UNREADABLE, LoggedCall, decode, decode_one_by_one, discard_message
from tifo.warehouses.names import CONTEXT
from tifo.warehouses.naming import context_name, table_name
from tifo.warehouses.nulls import TraitNaming, sent_nulls
from tifo.warehouses.ports import Column, ColumnType, Discard, Table
from tifo.warehouses.source_naming import SourceNaming
from tifo.warehouses.texts import as_text
from tifo.warehouses.timestamps import TIMESTAMP, parsed


class Converted(NamedTuple):
    tables: Mapping[str, Table]
    discards: Sequence[Discard]


_LATEST = {"identifies": ("users", "user_id"), "groups": ("accounts", "group_id")}
_Discarder = Callable[[str | None, int, Any, str], None]
"""Receives column, message's number, value and reason."""
_NO_COLUMN = "the table has no room for another column"
_NO_NAME = "the table has no room for another column now: too many new keys came in a short time"


def convert(
    bodies: bytes,
    known_tables: Collection[str] = (),
    max_tables: int = MAX_TABLES,
    naming: SourceNaming | None = None,
) -> Converted:
    """Converts canonical messages, each followed by a newline. A message that cannot become a row is a discard.

    Raises `TooLarge` for messages that are too sparse together: convert them in parts. One alone never is.
    `known_tables` are the schema's stored tables: they get rows even where `max_tables` is reached. Without `naming`
    the messages name their tables and columns by themselves.
    """
    naming = naming or SourceNaming.alone()
    naming.begin(known_tables, max_tables)
    try:
        return _named(decode(bodies), [], naming)
    except UNREADABLE:
        naming.begin(known_tables, max_tables)
        return _named(*decode_one_by_one(bodies.splitlines()), naming)


def _named(messages: Sequence[LoggedCall], discards: Sequence[Discard], naming: SourceNaming) -> Converted:
    converted = _converted(messages, list(discards), naming)
    return _converted(messages, list(discards), naming) if naming.settle() else converted


def _converted(messages: Sequence[LoggedCall], discards: list[Discard], naming: SourceNaming) -> Converted:
    tables: dict[str, Table] = {}
    kinds = _each("type", messages)
    for kind in dict.fromkeys(kinds):
        of_kind = [message for message, its in zip(messages, kinds, strict=True) if its == kind]
        call = CALLS.get(kind)
        if call is None:
            discards += [
                discard_message(msgspec.json.encode(message), f"unknown call type {kind!r}") for message in of_kind
            ]
        elif call.table == "tracks":
            tables |= _track_tables(call, of_kind, discards, naming)
        else:
            tables |= _tables(call, of_kind, discards, naming)
    return Converted(tables, discards)


def _tables(
    call: Call, messages: Sequence[LoggedCall], discards: list[Discard], naming: SourceNaming
) -> dict[str, Table]:
    discard = _discarder(call.table, messages, discards)
    standard, traits = _standard(call, messages, discard, naming), TraitNaming(naming.columns(call.table, call.name_of))
    table = _table(standard | _payload_columns(call, call.table, messages, discard, naming, traits=traits))
    tables = {call.table: table}
    if call.table in _LATEST:
        name, key = _LATEST[call.table]
        sent = SentTraits(_sent_nulls(call, messages, traits), traits.objects)
        # Segment: users and accounts have no anonymous id.
        latest = latest_of(table, call.table, key, table.types.keys() - {*STANDARD, *call.fields}, sent)
        if len(latest.rows):
            tables[name] = latest
    return tables


def _sent_nulls(call: Call, messages: Sequence[LoggedCall], traits: TraitNaming) -> dict[str, list[int]]:
    raws = _each(call.payload, messages)
    # Few calls hold a null: the search of bytes, first of all of them at once, spares the others another decoding.
    if b"null" not in b"".join(raws):
        return {}
    numbers = [number for number, raw in enumerate(raws) if b"null" in bytes(raw)]
    payloads = _payloads(call, [messages[number] for number in numbers])
    return sent_nulls(zip(numbers, payloads, strict=True), traits.name_of)


def _track_tables(
    call: Call, messages: Sequence[LoggedCall], discards: list[Discard], naming: SourceNaming
) -> dict[str, Table]:
    """Makes `tracks`, in the order of the log, and one table for each event."""
    standard = _standard(call, messages, _discarder(call.table, messages, discards), naming)
    events = standard["event"].values.dictionary_encode()
    names = events.dictionary.to_pylist()
    # Ingest refuses a track without an event. One that is in a log all the same sorts before all tables and gets none.
    codes = events.indices.fill_null(-1).to_numpy()
    # Stable, so that the rows of each event stay in the order of the log.
    order = np.argsort(codes, kind="stable")
    tables = {"tracks": _table(standard)}
    ordered = tables["tracks"].rows.take(pa.array(order))
    bounds = np.searchsorted(codes[order], np.arange(len(names) + 1))
    spellings = _spellings(standard["event_text"].values)
    for name, start, end in zip(names, bounds, bounds[1:], strict=False):
        of_event = [messages[number] for number in order[start:end].tolist()]
        discard = _discarder(name, of_event, discards)
        if naming.has_table(name, spellings[name], of_event):
            columns = _columns_of(standard, ordered.slice(start, end - start))
            tables[name] = _table(columns | _payload_columns(call, name, of_event, discard, naming))
        else:
            _discard_properties(_payloads(call, of_event), discard, naming.refusal(name))
    return tables


def _spellings(texts: pa.Array) -> Mapping[str, Sequence[str]]:
    """Returns the event names by their table, in the order in which they come."""
    found: dict[str, list[str]] = {}
    for text in texts.unique().to_pylist():
        if text is not None:
            found.setdefault(table_name(text), []).append(text)
    return found


def _columns_of(standard: Mapping[str, Column], rows: pa.Table) -> dict[str, Column]:
    return {name: Column(standard[name].type, rows[name]) for name in standard if _has_value(name, rows)}


def _discard_properties(payloads: Sequence[JsonObject], discard: _Discarder, reason: str) -> None:
    for number, payload in enumerate(payloads):
        discard(None, number, payload, reason)


def _excess(discard: _Discarder, reason: str = _NO_COLUMN) -> Excess:
    return lambda column, number, value: discard(column, number, value, reason)


def _has_value(column: str, rows: pa.Table) -> bool:
    # Segment: a column is made by its first value. Another event's context must not make columns here.
    return not column.startswith("context_") or rows[column].null_count < len(rows)


def _table(columns: Mapping[str, Column]) -> Table:
    rows = pa.table({name: column.values for name, column in columns.items()})
    return Table({name: column.type for name, column in columns.items()}, rows)


def _payload_columns(
    call: Call,
    table: str,
    messages: Sequence[LoggedCall],
    discard: _Discarder,
    naming: SourceNaming,
    *,
    traits: Naming | None = None,
) -> dict[str, Column]:
    # A call with both properties and traits is rare, and its columns depend on both: the quick way reads the payload
    # only.
    if all(other is NULL for other in _each(call.other, messages)):
        known = naming.shapes.columns(table, _each(call.payload, messages))
        if known is not None:
            return known
    payloads, names = _payloads(call, messages), traits or naming.columns(table, call.name_of)
    columns = flatten(payloads, names, _excess(discard), refused=_excess(discard, _NO_NAME))
    if not names.asks:
        naming.shapes.learn(table, payloads, names)
    return columns


def _payloads(call: Call, messages: Sequence[LoggedCall]) -> list[JsonObject]:
    payloads = _decoded(_each(call.payload, messages))
    others = _decoded(_each(call.other, messages))
    if set(map(type, payloads)) == {dict} and not any(others):
        return payloads
    return [_payload(call, payload, other) for payload, other in zip(payloads, others, strict=True)]


def _decoded(raws: Sequence[msgspec.Raw]) -> list[Any]:
    return msgspec.json.decode(b"[" + b",".join(raws) + b"]", type=list[Any])


def _payload(call: Call, payload: Any, other: Any) -> JsonObject:
    if not isinstance(payload, dict):
        payload = {} if payload is None else {call.payload: payload}
    return {**payload, f" {call.other}": other} if other else payload  # the space: a key of that name may be there


def _each(field: str, messages: Sequence[LoggedCall]) -> list[Any]:
    return list(map(attrgetter(field), messages))


def _standard(
    call: Call, messages: Sequence[LoggedCall], discard: _Discarder, naming: SourceNaming
) -> dict[str, Column]:
    ids = {"id": _text(_each("message_id", messages))}
    texts = {name: _text(_each(name, messages)) for name in TEXTS}
    times = {name: _times(name, _each(name, messages), discard) for name in TIMES}
    return ids | texts | _fields(call, messages) | times | _context(messages, discard, naming)


def _fields(call: Call, messages: Sequence[LoggedCall]) -> dict[str, Column]:
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


def _discarder(table: str, messages: Sequence[LoggedCall], discards: list[Discard]) -> _Discarder:
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


def _context(messages: Sequence[LoggedCall], discard: _Discarder, naming: SourceNaming) -> dict[str, Column]:
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

    names = naming.columns(CONTEXT, context_name)
    columns = flatten([context or {} for context in contexts], names, excess, MAX_CONTEXT)
    rows = pa.array(codes, pa.int32())
    return {name: Column(column.type, column.values.take(rows)) for name, column in columns.items()}


def _object(raw: bytes) -> JsonObject | None:
    """Returns None for what is no JSON object; `null` counts as an empty one."""
    try:
        return msgspec.json.decode(raw, type=dict[str, Any] | None) or {}
    except UNREADABLE:
        return None
