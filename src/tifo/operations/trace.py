"""Traces: what became of one achievement, from the ledger through the event log to each destination and warehouse."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple

import msgspec

from tifo.delivery.cursors import loaded_cursors, source_position
from tifo.delivery.ports import Undelivered, UndeliveredState
from tifo.delivery.sending.filters import LoggedEvent
from tifo.delivery.sending.reading import DecodedBlock, LoggedMessage, decoded
from tifo.eventlog.ports import EventLog
from tifo.kernel.errors import NotFound, Rejected, Transient
from tifo.kernel.ids import DestinationId, Position
from tifo.operations import destinations
from tifo.operations.backend import Backend
from tifo.workspace.destinations import ConnectedDestination
from tifo.workspace.model import Source
from tifo.workspace.warehouses import every_warehouse

MAX_MESSAGES = 20
"""A trace by a user's id shows the newest messages only."""
MAX_TRANSACTIONS = 20
_READ_EVENTS = 20_000
_read = msgspec.json.Decoder(dict[str, Any]).decode


class TraceStep(NamedTuple):
    """One thing that happened, waits, or is known of a message or a transaction."""

    at: datetime | None
    what: str
    where: str
    """`ledger`, `event log of …`, `destination …` or `warehouse …`."""
    outcome: str
    detail: str = ""


class _LoggedBy(NamedTuple):
    """An event of the log, with its source."""

    source: Source
    event: LoggedEvent

    @property
    def position(self) -> Position:
        return self.event.position

    @property
    def message_id(self) -> str:
        return self.event.message.message_id


def trace(backend: Backend, wanted: str) -> Sequence[TraceStep]:
    """Follows the id of a message, of a user, or of anything in an event's properties, such as a reward transaction.

    The ledger comes first, then one message after the other: its place in the log, its destinations, its warehouses.
    Raises `NotFound` where neither ledger nor log knows the id.
    """
    steps = list(_ledger(backend, wanted))
    for logged in _logged(backend, wanted):
        steps += [_stored(logged), *_destinations(backend, logged), *_warehouses(backend, logged)]
    if not steps:
        raise NotFound(
            f"Neither the ledger nor the event log knows {wanted!r:.100}. Give the id of a message, a user or a"
            " transaction; the log deletes what is older than log_retention_days.",
            field="id",
        )
    return steps


def _ledger(backend: Backend, wanted: str) -> Iterator[TraceStep]:
    for each in backend.ledger_trace.about(wanted, limit=MAX_TRANSACTIONS):
        detail = f"transaction {each.id}, balance {each.balance}"
        yield TraceStep(
            at=each.created_at,
            what=f"{each.kind.value} of {each.amount}",
            where="ledger",
            outcome="committed",
            detail=detail,
        )


def _logged(backend: Backend, wanted: str) -> Sequence[_LoggedBy]:
    with backend.read_log() as log:
        found = [each for source in backend.catalog.sources() for each in _messages(log, source, wanted)]
    return sorted(found, key=lambda each: each.position)[-MAX_MESSAGES:]


def _messages(log: EventLog, source: Source, wanted: str) -> Sequence[_LoggedBy]:
    """Searches the blocks' bytes first: that is so quick that only blocks which hold the id are decoded."""
    needle = wanted.encode()
    found: list[_LoggedBy] = []
    after = log.start()
    while blocks := log.read(after, max_events=_READ_EVENTS, source_id=source.id):
        for block in blocks:
            if needle in block.bodies:
                found += (_LoggedBy(source, each) for each in _events(decoded(block)) if _is_about(each.line, wanted))
                # Bounded while reading too: a user's id may stand in millions of events.
                del found[:-MAX_MESSAGES]
        after = blocks[-1].last
    return found


def _events(block: DecodedBlock) -> Iterable[LoggedEvent]:
    for position, line, message in zip(block.positions, block.lines, block.messages, strict=True):
        if message is not None:
            yield LoggedEvent(position, block.received_at, message, line)


def _is_about(line: bytes, wanted: str) -> bool:
    if wanted.encode() not in line:
        return False
    message = _read(line)
    properties = message.get("properties")
    values = properties.values() if isinstance(properties, Mapping) else ()
    return wanted in (message["messageId"], message.get("userId"), message.get("anonymousId")) or wanted in (
        value for value in values if isinstance(value, str)
    )


def _stored(logged: _LoggedBy) -> TraceStep:
    message: LoggedMessage = logged.event.message
    what = f"{message.type} {message.title}".strip()
    where = f"event log of {logged.source.slug}"
    return TraceStep(
        at=_time(logged.event.received_at),
        what=what,
        where=where,
        outcome="stored",
        detail=f"message {message.message_id}",
    )


def _destinations(backend: Backend, logged: _LoggedBy) -> Iterator[TraceStep]:
    undelivered: dict[DestinationId, list[Undelivered]] = {}
    for destination_id, each in backend.deliveries.of_message(logged.message_id):
        undelivered.setdefault(destination_id, []).append(each)
    for destination in destinations.listed(backend):
        if destination.source_id == logged.source.id:
            yield from _destination(backend, logged, destination, undelivered.get(destination.id, []))


def _destination(
    backend: Backend, logged: _LoggedBy, destination: ConnectedDestination, undelivered: Sequence[Undelivered]
) -> Iterator[TraceStep]:
    where = f"destination {destination.name}"
    for each in undelivered:
        yield from _attempts(each, where)
    # A replay has its own row beside the event's delivery. Where only replays have rows, the cursor tells the fate.
    if all(each.replay for each in undelivered):
        yield _settled(backend, logged, destination, where)


def _attempts(undelivered: Undelivered, where: str) -> Iterator[TraceStep]:
    mark = " (replay)" if undelivered.replay else ""
    for attempt in undelivered.history:
        yield TraceStep(at=attempt.at, what=f"attempt{mark}", where=where, outcome=attempt.code, detail=attempt.detail)
    if undelivered.state is UndeliveredState.WAITING:
        detail = f"after {undelivered.attempts} attempts: {undelivered.code}"
        yield TraceStep(
            at=undelivered.next_at, what=f"next attempt{mark}", where=where, outcome="waiting", detail=detail
        )
    else:
        detail = f"{undelivered.code} {undelivered.detail}".strip()
        yield TraceStep(at=None, what=f"delivery{mark}", where=where, outcome="failed", detail=detail)


def _settled(backend: Backend, logged: _LoggedBy, destination: ConnectedDestination, where: str) -> TraceStep:
    """An event behind the cursor and absent from the undelivered was delivered or filtered; deliveries leave no row, so
    the filter decides again which of the two it was.
    """
    status = backend.deliveries.status(destination.id)
    if logged.position <= status.start or _time(logged.event.received_at) < destination.created_at:
        detail = "It was received before the destination was added."
        return TraceStep(at=None, what="delivery", where=where, outcome="not meant for it", detail=detail)
    if logged.position > status.position:
        detail = "The destination has not come to it yet." if destination.enabled else "The destination is disabled."
        return TraceStep(at=None, what="delivery", where=where, outcome="waiting", detail=detail)
    _, outcome = destinations.filter_of(destination)(logged.event)
    if outcome is not None:
        return TraceStep(
            at=None, what="delivery", where=where, outcome="filtered", detail=f"{outcome.code}: {outcome.detail}"
        )
    return TraceStep(None, "delivery", where, "delivered")


def _warehouses(backend: Backend, logged: _LoggedBy) -> Iterator[TraceStep]:
    for warehouse in every_warehouse(backend.warehouses.connected()):
        if warehouse.takes(logged.source.id):
            yield from _rows(backend, warehouse.name, logged)


def _rows(backend: Backend, name: str, logged: _LoggedBy) -> Iterator[TraceStep]:
    where, schema = f"warehouse {name}", logged.source.schema
    try:
        warehouse = backend.open_warehouse(name)
        with backend.read_log() as log:
            loaded = source_position(log, logged.source.id, loaded_cursors(warehouse.positions, log))
        if loaded < logged.position:
            yield TraceStep(
                at=None, what="row", where=where, outcome="waiting", detail="The loader has not come to it yet."
            )
            return
        for table, at in sorted(warehouse.loaded_at(schema, logged.message_id).items()):
            yield TraceStep(at=at, what="row", where=where, outcome="loaded", detail=f"{schema}.{table}")
    except (Transient, Rejected) as error:
        yield TraceStep(at=None, what="row", where=where, outcome="unknown", detail=error.message)


def _time(seconds: float) -> datetime:
    """Cut to whole microseconds, as the state stores them: rounding could show the next millisecond."""
    return datetime.fromtimestamp(int(seconds * 1_000_000) / 1_000_000, UTC)
