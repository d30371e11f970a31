"""Holds the state of delivery in memory: the twin of the SQL state, for tests."""

import threading
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from msgspec.structs import replace

from tifo.delivery.latency import latency_ms
from tifo.delivery.logs import MAX_NOTICES, LogNotice, NotedLog
from tifo.delivery.ports import (
    Checkpoint,
    ConnectionStatus,
    Counted,
    DeliveryCursor,
    DeliveryProblem,
    Due,
    Group,
    IngestSeriesQuery,
    Numbers,
    ReplaySelection,
    Result,
    Sample,
    Series,
    SeriesQuery,
    Undelivered,
    UndeliveredKey,
    UndeliveredState,
)
from tifo.delivery.series import minute_of, oldest_hour, oldest_minute, series_of, stored_minutes, window
from tifo.eventlog.ports import DUPLICATE, RECEIVED, IngestCount
from tifo.kernel.errors import NotFound
from tifo.kernel.ids import START, DestinationId, Position, Shard, SourceId

_SOURCE = SourceId("source")
_WIDTHS = (1, 60)
"""Minutes and hours, as the SQL tables store them."""


@dataclass
class _Connection:
    source_id: SourceId
    start: Position
    position: Position
    received: int = 0
    expired: int = 0
    undelivered: dict[UndeliveredKey, Undelivered] = field(default_factory=dict)
    counts: dict[int, Counter[Counted]] = field(default_factory=lambda: {width: Counter() for width in _WIDTHS})
    """Counters by width in minutes; `Counted.minute` counts in that width."""
    totals: Counter[tuple[Result, str]] = field(default_factory=Counter)
    latencies: Counter[int] = field(default_factory=Counter)
    samples: dict[tuple[Result, str], Sample] = field(default_factory=dict)
    dead_since: datetime | None = None
    dead_reason: str = ""

    def waiting(self) -> list[Undelivered]:
        return [each for each in self.undelivered.values() if each.state is UndeliveredState.WAITING]

    def failed(self) -> list[Undelivered]:
        return [each for each in self.undelivered.values() if each.state is UndeliveredState.FAILED]


class MemoryDeliveryState:
    """Implements `delivery.ports.DeliveryState` and `DeliveryNumbers`."""

    def __init__(self) -> None:
        self._connections: dict[DestinationId, _Connection] = {}
        self._lock = threading.Lock()

    def add(self, destination_id: DestinationId, start: Position, source_id: SourceId = _SOURCE) -> None:
        """Adds a destination with its cursor, which the SQL state does with the destination's own row."""
        self._connections[destination_id] = _Connection(source_id, start, start)

    def begin(self, destination_id: DestinationId, start: Position) -> None:  # noqa: ARG002 (`add` has begun it)
        with self._lock:
            self._of(destination_id)

    def end(self, destination_id: DestinationId) -> None:
        """Drops the connection with its numbers, as removing a destination does."""
        with self._lock:
            self._connections.pop(destination_id, None)

    def status(self, destination_id: DestinationId) -> ConnectionStatus:
        with self._lock:
            return _status(self._of(destination_id))

    def cursors(self) -> list[DeliveryCursor]:
        with self._lock:
            return [DeliveryCursor(name, each.source_id, each.position) for name, each in self._connections.items()]

    def settle(self, changes: Sequence[Checkpoint]) -> Sequence[bool]:
        with self._lock:
            return [self._settle(change) for change in changes]

    def _settle(self, change: Checkpoint) -> bool:
        connection = self._connections.get(change.destination_id)
        if connection is None or change.previous not in {None, connection.position}:
            return False
        _apply(connection, change)
        return True

    def due(self, destination_id: DestinationId, now: datetime, *, limit: int, in_order: bool) -> Due:
        with self._lock:
            waiting = self._of(destination_id).waiting()
        candidates = _first_of_each_user(waiting) if in_order else waiting
        due = [(each.next_at, each.event.position, each) for each in candidates if each.next_at and each.next_at <= now]
        return Due([each for _, _, each in sorted(due, key=lambda entry: entry[:2])[:limit]], len(waiting))

    def waiting_by_user(self, destination_id: DestinationId) -> Mapping[str, int]:
        with self._lock:
            return Counter(each.event.user for each in self._of(destination_id).waiting())

    def of_message(self, message_id: str) -> list[tuple[DestinationId, Undelivered]]:
        with self._lock:
            matching = [
                (name, each)
                for name, connection in self._connections.items()
                for each in connection.undelivered.values()
                if each.event.message_id == message_id
            ]
        return sorted(matching, key=lambda entry: (entry[0], entry[1].replay))

    def redrive(self, destination_id: DestinationId, selection: ReplaySelection, now: datetime) -> int:
        with self._lock:
            connection = self._of(destination_id)
            chosen = [each for each in connection.failed() if selection.matches(each.event)]
            connection.undelivered.update({each.key: _waiting_again(each, now) for each in chosen})
            return len(chosen)

    def queue(self, destination_id: DestinationId, events: Sequence[Undelivered]) -> int:
        with self._lock:
            connection = self._of(destination_id)
            waiting = {each.event.position for each in connection.waiting()}
            fresh = [each for each in events if each.event.position not in waiting]
            connection.undelivered.update({each.key: each for each in fresh})
            return len(fresh)

    def queued(self, destination_id: DestinationId, replay: str) -> int:
        with self._lock:
            connection = self._connections.get(destination_id)
            return 0 if connection is None else sum(each.replay == replay for each in connection.waiting())

    def expire_dead_letters(self, before: datetime, *, limit: int) -> int:
        deleted = 0
        with self._lock:
            for connection in self._connections.values():
                old = [each for each in connection.failed() if _tried_at(each) < before][: limit - deleted]
                for each in old:
                    del connection.undelivered[each.key]
                    connection.expired += not each.replay
                deleted += len(old)
        return deleted

    def expire_numbers(self, now: datetime) -> None:
        with self._lock:
            for connection in self._connections.values():
                for width, oldest in zip(_WIDTHS, (oldest_minute(now), oldest_hour(now)), strict=True):
                    counts = connection.counts[width]
                    for counted in [each for each in counts if each.minute < oldest]:
                        del counts[counted]

    def numbers(self, destination_id: DestinationId) -> Numbers:
        with self._lock:
            connection = self._of(destination_id)
            totals: Counter[Result] = Counter()
            for (result, _), number in connection.totals.items():
                totals[result] += number
            return Numbers(
                status=_status(connection)._replace(start=START, position=START),
                delivered=totals[Result.DELIVERED],
                filtered=totals[Result.FILTERED],
                replayed=totals[Result.REPLAYED],
                latency_ms=latency_ms(connection.latencies),
            )

    def problems(self, destination_id: DestinationId) -> list[DeliveryProblem]:
        with self._lock:
            connection = self._connections.get(destination_id)
            totals = {} if connection is None else connection.totals
            samples = {} if connection is None else connection.samples
            problems = [_problem(samples[key], total) for key, total in totals.items() if key[1] and key in samples]
        return sorted(problems, key=lambda each: (-each.total, each.result, each.code))

    def series(self, asked: SeriesQuery) -> list[Series]:
        width = stored_minutes(asked.grain)
        inside = window(asked.since, asked.until, width)
        with self._lock:
            rows = [
                (counted.minute, [_group_value(counted, group) for group in asked.by], number)
                for counted, number in self._of(asked.destination_id).counts[width].items()
                if counted.minute in inside
                and counted.result in asked.results
                and all(_group_value(counted, group) in values for group, values in asked.only.items())
            ]
        return series_of(rows, asked.by, asked.grain, width)

    def counts(self, destination_id: DestinationId) -> Counter[Counted]:
        """Returns the counts by minute, for tests."""
        return self._of(destination_id).counts[1]

    def undelivered(self, destination_id: DestinationId) -> list[Undelivered]:
        """Returns all waiting events and dead letters, for tests."""
        return list(self._of(destination_id).undelivered.values())

    def _of(self, destination_id: DestinationId) -> _Connection:
        if destination_id not in self._connections:
            raise NotFound(f"There is no destination {destination_id!r:.100}.", field="destination")
        return self._connections[destination_id]


class MemoryIngestNumbers:
    """Implements `delivery.ports.IngestNumbers`."""

    def __init__(self) -> None:
        self._seen: dict[Shard, dict[tuple[SourceId, str], int]] = {}
        self._counts: dict[int, Counter[tuple[SourceId, str, int]]] = {width: Counter() for width in _WIDTHS}

    def note(self, shard: Shard, counts: Sequence[IngestCount], now: datetime) -> None:
        for count in counts if shard in self._seen else ():
            before = self._seen[shard].get((count.source_id, count.code), 0)
            grown = max(0, count.total - before)
            for width, noted in self._counts.items():
                if grown:
                    noted[count.source_id, count.code, minute_of(now) // width] += grown
        totals = {(count.source_id, count.code): count.total for count in counts}
        self._seen[shard] = self._seen.get(shard, {}) | totals
        for width, oldest in zip(_WIDTHS, (oldest_minute(now), oldest_hour(now)), strict=True):
            for key in [key for key in self._counts[width] if key[2] < oldest]:
                del self._counts[width][key]

    def totals(self) -> Mapping[Shard, Mapping[tuple[SourceId, str], int]]:
        return {shard: dict(totals) for shard, totals in self._seen.items()}

    def ingest_series(self, asked: IngestSeriesQuery) -> list[Series]:
        width = stored_minutes(asked.grain)
        inside = window(asked.since, asked.until, width)
        rows = [
            (at, [code] if asked.by else [], number)
            for (source_id, code, at), number in self._counts[width].items()
            if source_id == asked.source_id and at in inside and _is_asked(code, asked)
        ]
        return series_of(rows, asked.by, asked.grain, width)


class MemoryKnownLogs:
    """Implements `delivery.logs.KnownLogs`. Nothing here is older than the names of logs."""

    def __init__(self) -> None:
        self._logs: dict[Shard, NotedLog] = {}
        self._notices: list[LogNotice] = []

    def claim(self, shard: Shard) -> None:
        """Does nothing: there is nothing without a name."""

    def note(self, seen: NotedLog) -> None:
        self._logs[seen.shard] = seen

    def all(self) -> list[NotedLog]:
        return sorted(self._logs.values(), key=lambda each: each.seen_at, reverse=True)

    def notify(self, notice: LogNotice) -> None:
        newest = next((each.text for each in self._notices if each.shard == notice.shard), None)
        if newest != notice.text:
            self._notices = [notice, *self._notices][:MAX_NOTICES]

    def notices(self) -> list[LogNotice]:
        return list(self._notices)

    def forget(self, shard: Shard) -> None:
        if shard not in self._logs:
            raise NotFound(f"There is no log {shard!r:.100}.", field="shard")
        self._logs[shard] = self._logs[shard]._replace(path="", backlog={})


def _status(connection: _Connection) -> ConnectionStatus:
    states = Counter(each.state for each in connection.undelivered.values() if not each.replay)
    return ConnectionStatus(
        start=connection.start,
        position=connection.position,
        received=connection.received,
        waiting=states[UndeliveredState.WAITING],
        failed=states[UndeliveredState.FAILED],
        expired=connection.expired,
        dead_since=connection.dead_since,
        dead_reason=connection.dead_reason,
    )


def _apply(connection: _Connection, change: Checkpoint) -> None:
    if change.position is not None:
        connection.position = change.position
    connection.received += change.received
    connection.expired += change.expired
    for key in change.settled:
        connection.undelivered.pop(key, None)
    connection.undelivered.update({each.key: each for each in change.undelivered})
    for counted, number in change.counts.items():
        connection.totals[counted.result, counted.code] += number
        for width, counts in connection.counts.items():
            counts[counted._replace(minute=counted.minute // width)] += number
    for latency, number in change.latencies.items():
        connection.latencies[latency.bucket] += number
    connection.samples.update({(sample.result, sample.code): sample for sample in change.samples})
    connection.dead_since, connection.dead_reason = change.dead_since, change.dead_reason


def _first_of_each_user(waiting: Sequence[Undelivered]) -> list[Undelivered]:
    first: dict[str, Undelivered] = {}
    for each in sorted(waiting, key=lambda each: each.event.position):
        # Events without a user have no order among them.
        first.setdefault(each.event.user or f"\0{each.event.position}", each)
    return list(first.values())


def _waiting_again(dead: Undelivered, now: datetime) -> Undelivered:
    return replace(dead, state=UndeliveredState.WAITING, first_at=now, next_at=now, attempts=0)


def _tried_at(dead: Undelivered) -> datetime:
    return dead.history[-1].at if dead.history else dead.first_at


def _problem(sample: Sample, total: int) -> DeliveryProblem:
    return DeliveryProblem(
        result=sample.result.value,
        code=sample.code,
        total=total,
        message_id=sample.message_id,
        at=sample.at,
        detail=sample.detail,
        received=sample.received,
        exchange=sample.exchange,
    )


def _group_value(counted: Counted, group: Group) -> str:
    return {Group.EVENT_NAME: counted.name, Group.EVENT_TYPE: counted.type, Group.DISCARD_REASON: counted.code}[group]


def _is_asked(code: str, asked: IngestSeriesQuery) -> bool:
    if asked.codes:
        return code in asked.codes
    return code not in {*asked.excluded_codes, RECEIVED, DUPLICATE}
