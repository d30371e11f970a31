"""`tifo delivery trace`: what became of one achievement, from the ledger to each destination and warehouse."""

import contextlib
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any, NamedTuple

import msgspec

from tifo.app import compose
from tifo.app.delivery import filter_of
from tifo.app.settings import Settings
from tifo.delivery.ports import Undelivered, UndeliveredState
from tifo.delivery.sending.filters import LoggedEvent
from tifo.delivery.sending.reading import LoggedMessage, decoded
from tifo.eventlog.ports import EventLog
from tifo.kernel.clock import to_iso
from tifo.kernel.errors import NotFound, Rejected, Transient
from tifo.kernel.ids import DestinationId, Position
from tifo.store.delivery.trace import ledger_of
from tifo.store.sql.database import Database
from tifo.store.sql.times import from_micros
from tifo.warehouses.ports import Warehouse
from tifo.warehouses.sql import quoted
from tifo.workspace.destinations import ConnectedDestination
from tifo.workspace.model import Source
from tifo.workspace.warehouses import BUILT_IN

MOST_MESSAGES = 20
"""The newest, of a user."""
_READ = 20_000
_read = msgspec.json.Decoder(dict[str, Any]).decode

Step = dict[str, Any]
"""`{"at", "what", "where", "outcome", "detail"}`."""


class _Found(NamedTuple):
    source: Source
    position: Position
    received_at: float
    message: LoggedMessage
    line: bytes


def trace(settings: Settings, wanted: str) -> list[Step]:
    """By the id of a message, of a user, or of anything in an event's properties, such as a reward transaction.

    In the order of the messages; within one: ledger, log, destinations, warehouses. Raises `NotFound`.
    """
    state = compose.open_state(settings)
    steps = _ledger(state, wanted)
    sources = {source.id: source for source in compose.catalog_of(state).sources()}
    if settings.log.exists():
        with contextlib.closing(compose.open_log_reader(settings)) as log:
            found = [each for source in sources.values() for each in _messages(log, source, wanted)]
        for each in sorted(found, key=lambda each: each.position)[-MOST_MESSAGES:]:
            steps += [*_log(each), *_destinations(settings, state, each), *_warehouses(settings, state, each)]
    if not steps:
        raise NotFound(
            f"Neither the ledger nor the event log knows {wanted!r:.100}. Give the id of a message, a user or a"
            " transaction; the log forgets what is older than log_retention_days.",
            field="id",
        )
    return steps


def _step(at: str | None, what: str, where: str, outcome: str, detail: str = "") -> Step:
    return {"at": at, "what": what, "where": where, "outcome": outcome, "detail": detail}


def _ledger(state: Database, wanted: str) -> list[Step]:
    return [
        _step(to_iso(from_micros(each.at)), f"{each.kind} of {each.amount}", "ledger", "committed", each.detail)
        for each in ledger_of(state, wanted)
    ]


def _messages(log: EventLog, source: Source, wanted: str) -> list[_Found]:
    """A search for the bytes is so quick that no message is decoded in vain."""
    needle = wanted.encode()
    found: list[_Found] = []
    after = log.start()
    while blocks := log.read(after, max_events=_READ, source_id=source.id):
        for block in blocks:
            if needle in block.bodies:
                parts = decoded(block)
                for number, (line, message) in enumerate(zip(parts.lines, parts.messages, strict=True)):
                    if needle in line and message is not None and _is_about(line, wanted):
                        position = Position(block.first + number)
                        found.append(_Found(source, position, parts.received_at, message, line))
                del found[:-MOST_MESSAGES]
        after = Position(blocks[-1].first + blocks[-1].size - 1)
    return found


def _is_about(line: bytes, wanted: str) -> bool:
    message = _read(line)
    properties = message.get("properties")
    values = properties.values() if isinstance(properties, Mapping) else ()
    return wanted in (message["messageId"], message.get("userId"), message.get("anonymousId")) or wanted in (
        value for value in values if isinstance(value, str)
    )


def _log(found: _Found) -> list[Step]:
    what = f"{found.message.type} {found.message.title}".strip()
    at = _iso(found.received_at)
    return [_step(at, what, f"event log of {found.source.slug}", "stored", f"message {found.message.message_id}")]


def _destinations(settings: Settings, state: Database, found: _Found) -> Iterator[Step]:
    deliveries = compose.deliveries_of(state)
    late: dict[DestinationId, list[Undelivered]] = {}
    for destination_id, each in deliveries.of_message(found.message.message_id):
        late.setdefault(destination_id, []).append(each)
    for connected in compose.destinations_of(state, settings).all():
        if connected.source_id != found.source.id:
            continue
        where = f"destination {connected.name}"
        own = [each for each in late.get(connected.id, ()) if not each.replay]
        for each in late.get(connected.id, ()):
            yield from _attempts(each, where)
        if not own:
            status = deliveries.status(connected.id)
            yield _settled(found, connected, where, start=status.start, position=status.position)


def _attempts(late: Undelivered, where: str) -> Iterator[Step]:
    mark = " (replay)" if late.replay else ""
    for attempt in late.history:
        yield _step(to_iso(attempt.at), f"attempt{mark}", where, attempt.code, attempt.detail)
    if late.state is UndeliveredState.WAITING:
        next_at = None if late.next_at is None else to_iso(late.next_at)
        yield _step(next_at, f"next attempt{mark}", where, "waiting", f"after {late.attempts} attempts: {late.code}")
    else:
        yield _step(None, f"delivery{mark}", where, "failed", f"{late.code} {late.detail}".strip())


def _settled(
    found: _Found, connected: ConnectedDestination, where: str, *, start: Position, position: Position
) -> Step:
    """Of what was delivered no row is kept: it is what the cursor has passed and nothing else knows of."""
    if found.position <= start:
        return _step(None, "delivery", where, "not meant for it", "It was received before the destination was added.")
    if found.position > position:
        detail = "The destination has not come to it yet." if connected.enabled else "The destination is disabled."
        return _step(None, "delivery", where, "waiting", detail)
    _, outcome = filter_of(connected)(LoggedEvent(found.position, found.received_at, found.message, found.line))
    if outcome is not None:
        return _step(None, "delivery", where, "filtered", f"{outcome.code}: {outcome.detail}")
    return _step(None, "delivery", where, "delivered")


def _warehouses(settings: Settings, state: Database, found: _Found) -> Iterator[Step]:
    yield from _rows(BUILT_IN, compose.open_warehouse(settings), found)
    for connected in compose.warehouses_of(state).connected():
        if connected.takes(found.source.id):
            yield from _rows(connected.name, compose.open_connected(connected), found)


def _rows(name: str, warehouse: Warehouse, found: _Found) -> Iterator[Step]:
    where, schema = f"warehouse {name}", found.source.schema
    message_id = found.message.message_id.replace("'", "''")
    try:
        held = warehouse.positions().get(found.source.id)
        if held is None or held.position < found.position:
            yield _step(None, "row", where, "waiting", "The loader has not come to it yet.")
            return
        for table in sorted(warehouse.table_names(schema) - {"users", "accounts", "_discards"}):
            query = f"SELECT CAST(uuid_ts AS VARCHAR) AS at FROM {quoted(schema, table)} WHERE id = '{message_id}'"
            for row in warehouse.query(query):
                at = to_iso(datetime.fromisoformat(str(row["at"])))
                yield _step(at, "row", where, "loaded", f"{schema}.{table}")
    except (Transient, Rejected) as error:
        yield _step(None, "row", where, "unknown", error.message)


def _iso(seconds: float) -> str:
    return to_iso(from_micros(int(seconds * 1_000_000)))
