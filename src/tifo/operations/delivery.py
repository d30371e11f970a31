"""Event Delivery: what each destination and warehouse received, what became of it, and what went wrong.

For each connection received = filtered_at_destination + waiting + failed + delivered. Events that failed on ingest or
were filtered at the source stand beside them: they never reached a connection.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from tifo.delivery.latency import latency_ms
from tifo.delivery.logs import destination_reader, warehouse_reader
from tifo.delivery.ports import DeliveryProblem, Result
from tifo.destinations.ports import Exchange
from tifo.eventlog.ports import RECEIVED, EventLog
from tifo.kernel.ids import NO_SHARD, START, SourceId
from tifo.operations import destinations, logs, sources
from tifo.operations.backend import Backend
from tifo.tracking.plans.codes import FILTERED_AT_SOURCE
from tifo.workspace.destinations import ConnectedDestination
from tifo.workspace.model import Source
from tifo.workspace.warehouses import ConnectedWarehouse, Loads, every_warehouse

_NO_REFUSAL = frozenset((RECEIVED, "duplicate"))


@dataclass(frozen=True, kw_only=True)
class ConnectionTotals:
    """Everything that was ever counted for one source's connection to a destination or a warehouse."""

    id: str
    name: str
    kind: str
    source: str
    """The slug of the source."""
    received: int
    failed_on_ingest: int
    filtered_at_source: int
    filtered_at_destination: int
    waiting: int
    """Events that wait for an attempt, the first one included."""
    failed: int
    """Dead letters, and failed events whose payload is not stored any more."""
    delivered: int
    replayed: int
    """Sent again because somebody asked for it: none of the parts that add up to received."""
    latency_ms: Mapping[str, float | None]
    """From receipt to delivery: p50, p95 and p99."""
    dead: str | None
    """Why the connection accepts nothing now; None while it is alive."""


class DestinationReport(NamedTuple):
    """The totals of one destination, and its problems by code, the most frequent first."""

    destination: ConnectedDestination
    totals: ConnectionTotals
    filtered: Sequence[DeliveryProblem]
    failed: Sequence[DeliveryProblem]


@dataclass(frozen=True, kw_only=True)
class DeliveryError:
    """Events that were not delivered under one code, with the newest as a sample."""

    where: str
    """`ingest`, `relay`, or `destination` with its name."""
    source: str
    code: str
    count: int
    detail: str | None
    sample: str | None
    """The message, its id, or the fact's id."""
    at: datetime | None = None
    """Only of destinations, as are the following."""
    received: bytes | None = None
    """The sample in the form that the destination was to get."""
    exchange: Exchange | None = None
    """The request and its answer."""


def overview(backend: Backend) -> Sequence[ConnectionTotals]:
    """Returns the totals of every destination."""
    slugs = sources.slugs(backend)
    with backend.read_log() as log:
        reader = _LogReader(backend, log)
        return [_destination_totals(backend, each, reader, slugs) for each in destinations.listed(backend)]


def destination_report(backend: Backend, name: str) -> DestinationReport:
    """Returns the totals and problems of one destination, given by id or name."""
    found = destinations.find(backend, name)
    with backend.read_log() as log:
        totals = _destination_totals(backend, found, _LogReader(backend, log), sources.slugs(backend))
    problems = backend.delivery_numbers.problems(found.id)
    filtered, failed = (
        [each for each in problems if each.result == result.value] for result in (Result.FILTERED, Result.FAILED)
    )
    return DestinationReport(found, totals, filtered, failed)


def warehouse_overview(backend: Backend) -> Sequence[ConnectionTotals]:
    """Returns the totals of each source's loads into each warehouse that takes it, as the loader recorded them."""
    known = backend.catalog.sources()
    warehouses = every_warehouse(backend.warehouses.connected())
    with backend.read_log() as log:
        reader = _LogReader(backend, log)
        return [row for each in warehouses for row in _warehouse_totals(backend, each, known, reader)]


def errors(backend: Backend) -> Sequence[DeliveryError]:
    """Returns what failed on ingest, what endpoints refused, and what destinations refused or filtered."""
    return [*_ingest_errors(backend), *_relay_errors(backend), *_destination_errors(backend)]


class _LogReader:
    """Counts in this node's log, and adds what other nodes noted of theirs. All is read once for all connections."""

    def __init__(self, backend: Backend, log: EventLog) -> None:
        self._own = logs.backlog(backend, log)
        self._others = logs.others(backend, log.shard)
        counted = Counter({(each.source_id, each.code): each.total for each in log.ingest_counts()})
        for shard, totals in backend.ingest_numbers.totals().items():
            if shard != log.shard:
                counted.update(totals)
        self._refused = {key: total for key, total in counted.items() if key[1] not in _NO_REFUSAL}

    def behind(self, reader: str) -> int:
        """Counts the events that a destination, or a warehouse's source, has not come to in any log."""
        return self._own.get(reader, 0) + sum(each.backlog.get(reader, 0) for each in self._others)

    def failed_on_ingest(self, source_id: SourceId) -> int:
        return self._total(source_id, lambda code: code not in FILTERED_AT_SOURCE)

    def filtered_at_source(self, source_id: SourceId) -> int:
        return self._total(source_id, lambda code: code in FILTERED_AT_SOURCE)

    def _total(self, source_id: SourceId, counts: Callable[[str], bool]) -> int:
        return sum(total for (source, code), total in self._refused.items() if source == source_id and counts(code))


def _destination_totals(
    backend: Backend, destination: ConnectedDestination, reader: _LogReader, slugs: Mapping[SourceId, str]
) -> ConnectionTotals:
    numbers = backend.delivery_numbers.numbers(destination.id)
    status = numbers.status
    # The connection counts what its cursor passed; events behind it in the log were received, and wait, all the same.
    behind = reader.behind(destination_reader(destination.id))
    return ConnectionTotals(
        id=destination.id,
        name=destination.name,
        kind=destination.kind,
        source=slugs.get(destination.source_id, destination.source_id),
        received=status.received + behind,
        failed_on_ingest=reader.failed_on_ingest(destination.source_id),
        filtered_at_source=reader.filtered_at_source(destination.source_id),
        filtered_at_destination=numbers.filtered,
        waiting=status.waiting + behind,
        # Dead letters and log segments expire; what they held stays failed, so that the four parts add up.
        failed=status.failed + status.expired,
        delivered=numbers.delivered,
        replayed=numbers.replayed,
        latency_ms=numbers.latency_ms,
        dead=status.dead_reason or None,
    )


def _warehouse_totals(
    backend: Backend, warehouse: ConnectedWarehouse, known: Sequence[Source], reader: _LogReader
) -> Sequence[ConnectionTotals]:
    loads = _summed(backend.warehouses.loads(warehouse.name))
    newest = backend.warehouses.syncs(warehouse.name, limit=1)
    error = newest[0].error if newest else None
    return [
        _load_totals(warehouse, source, loads.get(source.id, _no_loads(source)), error, reader)
        for source in known
        if warehouse.takes(source.id)
    ]


def _load_totals(
    warehouse: ConnectedWarehouse, source: Source, loads: Loads, error: str | None, reader: _LogReader
) -> ConnectionTotals:
    behind = reader.behind(warehouse_reader(warehouse.name, source.id))
    return ConnectionTotals(
        id=f"{warehouse.name}/{source.slug}",
        name=warehouse.name,
        kind=warehouse.kind,
        source=source.slug,
        received=loads.events + behind,
        failed_on_ingest=reader.failed_on_ingest(source.id),
        filtered_at_source=reader.filtered_at_source(source.id),
        filtered_at_destination=loads.withheld,
        waiting=behind,
        failed=loads.failed,
        delivered=loads.events - loads.withheld - loads.failed,
        replayed=0,
        latency_ms=latency_ms(loads.latencies),
        dead=error,
    )


def _summed(loads: Sequence[Loads]) -> Mapping[SourceId, Loads]:
    """Adds up what each source's logs were loaded with."""
    sums: dict[SourceId, Loads] = {}
    for each in loads:
        before = sums.get(each.source_id)
        sums[each.source_id] = each if before is None else _sum(before, each)
    return sums


def _sum(one: Loads, other: Loads) -> Loads:
    return one._replace(
        events=one.events + other.events,
        withheld=one.withheld + other.withheld,
        failed=one.failed + other.failed,
        latencies=dict(Counter(one.latencies) + Counter(other.latencies)),
    )


def _no_loads(source: Source) -> Loads:
    return Loads(source_id=source.id, shard=NO_SHARD, position=START, events=0, withheld=0, failed=0, latencies={})


def _ingest_errors(backend: Backend) -> Sequence[DeliveryError]:
    slugs = sources.slugs(backend)
    with backend.read_log() as log:
        counts = log.ingest_counts()
    return [
        DeliveryError(
            where="ingest",
            source=slugs.get(each.source_id, each.source_id),
            code=each.code,
            count=each.total,
            detail=each.detail,
            sample=None if each.sample is None else each.sample.decode(errors="replace"),
        )
        for each in counts
        if each.code != RECEIVED
    ]


def _relay_errors(backend: Backend) -> Sequence[DeliveryError]:
    return [
        DeliveryError(
            where="relay",
            source=connection.client_id,
            code=str(refused.status),
            count=1,
            detail=refused.answer,
            sample=refused.fact_id,
        )
        for connection in backend.catalog.connections()
        for refused in backend.facts.dead_letters(connection.client_id)
    ]


def _destination_errors(backend: Backend) -> Sequence[DeliveryError]:
    slugs = sources.slugs(backend)
    return [
        DeliveryError(
            where=f"destination {destination.name}",
            source=slugs.get(destination.source_id, destination.source_id),
            code=problem.code,
            count=problem.total,
            detail=f"{problem.result}: {problem.detail}",
            sample=problem.message_id,
            at=problem.at,
            received=problem.received,
            exchange=problem.exchange,
        )
        for destination in destinations.listed(backend)
        for problem in backend.delivery_numbers.problems(destination.id)
    ]
