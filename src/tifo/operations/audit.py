"""Proves that ledger = events = warehouse rows, and that what each warehouse's cursor has passed is a row there.

Three numbers count the same things. `ledger`: the facts in the state. Each was written in the transaction of the change
that it reports, and is checked against ledger, badges and quests. `events`: those facts that are in the event log or in
the warehouse, which may hold what the log has dropped since. `rows`: those that are rows of the built-in warehouse. The
audit waits for events that are on their way; an event that is then missing or doubled is a problem.
"""

import contextlib
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import msgspec

from tifo.delivery.cursors import loaded_cursors, source_position
from tifo.eventlog.ports import EventLog
from tifo.kernel.clock import to_iso
from tifo.kernel.errors import Transient
from tifo.kernel.ids import ClientId, Position
from tifo.operations import logs
from tifo.operations.audit_rows import SHOWN, compare_rows
from tifo.operations.backend import Backend
from tifo.warehouses.naming import STANDARD_TABLES
from tifo.warehouses.ports import RowCount
from tifo.workspace.model import Connection, Source
from tifo.workspace.warehouses import BUILT_IN

PATIENCE_S = 10.0
_POLL_S = 0.25
_READ_EVENTS = 10_000
_NOT_TRACKED = (STANDARD_TABLES - {"tracks"}) | {"_discards"}
"""Tables that hold no track event."""


class _MessageId(msgspec.Struct, rename="camel"):
    message_id: str


_message_id = msgspec.json.Decoder(_MessageId)


@dataclass(frozen=True, kw_only=True)
class AuditVerdict:
    """The three counts, and what differs."""

    ledger: int = 0
    events: int = 0
    rows: int = 0
    compared: int = 0
    """Events of the log that were looked for in the warehouses, each in every one that takes it."""
    problems: tuple[str, ...] = ()
    """One sentence each; empty where all agree."""
    notes: tuple[str, ...] = ()
    """Events that were not compared, with the reason."""

    @property
    def ok(self) -> bool:
        return not self.problems

    def __add__(self, other: "AuditVerdict") -> "AuditVerdict":
        return AuditVerdict(
            ledger=self.ledger + other.ledger,
            events=self.events + other.events,
            rows=self.rows + other.rows,
            compared=self.compared + other.compared,
            problems=self.problems + other.problems,
            notes=self.notes + other.notes,
        )


def run(
    backend: Backend, *, patience_s: float = PATIENCE_S, sleep: Callable[[float], None] = time.sleep
) -> AuditVerdict:
    """Audits until all agree, and for `patience_s` at most.

    A source whose table `tracks` is turned off cannot be compared: a note says so, and its events are not counted.
    """
    deadline = time.monotonic() + patience_s
    # Facts are committed before their events are sent, and rows appear after the next flush: a difference may pass.
    while not (verdict := _verdict(backend)).ok and time.monotonic() < deadline:
        sleep(_POLL_S)
    # Once, behind the wait: rows and cursor appear together, so this difference does not pass.
    with backend.read_log() as log:
        for each in compare_rows(backend, log):
            verdict += AuditVerdict(compared=each.compared, problems=tuple(each.problems), notes=tuple(each.notes))
    return verdict + AuditVerdict(notes=tuple(_notices(backend)))


def _notices(backend: Backend) -> Sequence[str]:
    return [f"{to_iso(each.at)} log {each.shard}: {each.text}" for each in logs.notices(backend)[:SHOWN]]


class _Counted(NamedTuple):
    """The facts of an application, and where they go."""

    client_id: ClientId
    facts: int
    connection: Connection | None
    source: Source | None
    """The source whose write key the connection has."""


def _verdict(backend: Backend) -> AuditVerdict:
    verdict = AuditVerdict(problems=tuple(backend.ledger_audit.problems()))
    with backend.read_log() as log:
        for counted in _applications(backend):
            source = counted.source
            if source is not None and not backend.catalog.selection_of(source.id, BUILT_IN).takes_table("tracks"):
                note = f"{counted.facts} events of {source.slug} are not compared: its table tracks is turned off"
                verdict += AuditVerdict(notes=(note,))
            else:
                verdict += replace(_followed(backend, counted, log), ledger=counted.facts)
    return verdict


def _applications(backend: Backend) -> Sequence[_Counted]:
    sources = {key: source for source in backend.catalog.sources() for key in source.write_keys}
    connections = {connection.client_id: connection for connection in backend.catalog.connections()}

    def counted(client_id: ClientId, facts: int) -> _Counted:
        connection = connections.get(client_id)
        source = None if connection is None else sources.get(connection.write_key)
        return _Counted(client_id, facts, connection, source)

    return [counted(*each) for each in backend.ledger_audit.facts_by_application().items()]


def _followed(backend: Backend, counted: _Counted, log: EventLog) -> AuditVerdict:
    """Follows the application's facts into log and warehouse, or says why they cannot have come there."""
    client_id, facts, connection, source = counted
    if connection is None:
        return AuditVerdict(
            problems=(f"{facts} events wait: application {client_id} is not connected (tifo app connect)",)
        )
    if connection.endpoint is not None:
        where = f"{facts} events of application {client_id} went elsewhere"
        return AuditVerdict(problems=(f"{where}: only Tifo's own are audited",))
    if source is None:
        return AuditVerdict(
            problems=(f"{facts} events wait: application {client_id} has a write key that no source has",)
        )
    return _compared(backend, client_id, source, log)


def _compared(backend: Backend, client_id: ClientId, source: Source, log: EventLog) -> AuditVerdict:
    warehouse = backend.open_warehouse(BUILT_IN)
    tables = warehouse.columns(source.schema).keys() - _NOT_TRACKED
    # The log is read from the loaded position on: an event that was loaded may be trimmed from the log.
    logged = _logged(log, source_position(log, source.id, loaded_cursors(warehouse.positions, log)), source)
    events = rows = 0
    missing: list[str] = []
    elsewhere = logs.others(backend, log.shard)
    for ids in backend.ledger_audit.fact_ids(client_id):
        stored = warehouse.stored_ids(source.schema, "tracks", ids) if "tracks" in tables else set()
        if elsewhere and len(stored) < len(ids):
            stored |= _in_shared_warehouses(backend, source, ids)
        # A row proves its event too: the log may have been trimmed behind the load.
        events += sum(each in stored or each in logged for each in ids)
        rows += len(stored)
        missing += [each for each in ids if each not in stored]
    problems = _doubled(source.schema, warehouse.row_counts(source.schema, sorted(tables)))
    if missing and elsewhere:
        # Another node relayed them to its own log, which only that node can read.
        where = ", ".join(f"{each.host}:{each.path}" for each in elsewhere)
        note = f"{len(missing)} events of {source.slug} are not in this node's warehouses: audit the nodes of {where}"
        return AuditVerdict(events=events, rows=rows, problems=tuple(problems), notes=(note,))
    if missing:
        lost = f"{len(missing)} events are not in {source.schema}: {', '.join(missing[:SHOWN])}"
        problems = [lost, *problems]
    return AuditVerdict(events=events, rows=rows, problems=tuple(problems))


def _in_shared_warehouses(backend: Backend, source: Source, ids: Collection[str]) -> set[str]:
    """Returns the ids that are rows of a warehouse that other nodes load too."""
    stored: set[str] = set()
    for connected in backend.warehouses.connected():
        if connected.takes(source.id):
            with contextlib.suppress(Transient):  # a warehouse that is away proves nothing
                shared = backend.open_warehouse(connected.name)
                if "tracks" in shared.table_names(source.schema):
                    stored |= shared.stored_ids(source.schema, "tracks", ids)
    return stored


def _logged(log: EventLog, after: Position, source: Source) -> Collection[str]:
    """Returns the message ids of the source's events that are not loaded yet."""
    found: set[str] = set()
    while blocks := log.read(after, max_events=_READ_EVENTS, source_id=source.id):
        for block in blocks:
            found.update(message.message_id for message in _message_id.decode_lines(block.bodies))
        after = blocks[-1].last
    return found


def _doubled(schema: str, counts: Mapping[str, RowCount]) -> Sequence[str]:
    """Every event is one row in `tracks`, and one row in the table of its event."""
    problems = [
        f"{schema}.{table} has {counted.rows} rows of {counted.ids} events"
        for table, counted in counts.items()
        if counted.rows != counted.ids
    ]
    of_events = sum(counted.rows for table, counted in counts.items() if table != "tracks")
    tracks = counts["tracks"].rows if "tracks" in counts else 0
    if tracks != of_events:
        problems.append(f"{schema}.tracks has {tracks} rows, its events' tables have {of_events}")
    return problems
