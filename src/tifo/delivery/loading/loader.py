"""The loader: what is in the log becomes rows in the warehouse, in order, every event once.

Each source has its own cursor, kept by the warehouse and committed together with the rows. Whatever fails, the
cursor stays, and the events are read again.

An event of a source that the catalog does not hold (any more) is loaded all the same: into the schema that the
warehouse remembers for the source, or, where it knows none, into `unknown_source_<id>` once the source has been
missing for `MISSING_S` seconds (a catalog may show a new source a second late).
"""

import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple

import structlog
from prometheus_client import Counter as Metric
from prometheus_client import Gauge, Histogram

from tifo.delivery.latency import bucket_of
from tifo.delivery.loading.pieces import Piece, Prepared, SourceProgress, Wanted, discarded, halves, prepared
from tifo.eventlog.ports import Block, EventLog
from tifo.kernel.backoff import Backoff
from tifo.kernel.clock import Clock, system_clock
from tifo.kernel.errors import Conflict, Transient
from tifo.kernel.ids import Position, SourceId
from tifo.kernel.names import snake_case
from tifo.warehouses.messages import MAX_TABLES
from tifo.warehouses.ports import Loaded, Warehouse
from tifo.warehouses.selected import SyncSelection
from tifo.workspace.model import Source
from tifo.workspace.warehouses import BUILT_IN, Sync, SyncStatus

FLUSH_BYTES = 64 << 20
MISSING_S = 5.0
LOOK_S = 5.0
"""How often an idle loader looks whether its positions were taken back."""

_READ_EVENTS = 5_000
_LEAST_EVENTS = 1_000
BACKOFF_CAP_S = 10.0
_DRAIN_POLL_S = 0.1
_UNTOLD = 1_000
_AFTERWARDS = "counted afterwards: the loader ended between the load and its note"

_EVENTS = Metric("tifo_loader_events", "Events that the loader has handled")
_ROWS = Metric("tifo_loader_rows", "Rows inserted into the warehouse")
_DUPLICATES = Metric("tifo_loader_duplicates", "Rows not inserted because their id was there already")
_DISCARDS = Metric("tifo_loader_discards", "Values and messages set aside in _discards")
_FAILURES = Metric("tifo_loader_failures", "Loads that failed and are tried again")
_LAG = Gauge(
    "tifo_loader_lag_seconds",
    "How long events have been waiting in the log; 0 where none waits",
    ["warehouse"],
    multiprocess_mode="livemostrecent",
)
_LATENCY = Histogram(
    "tifo_loader_latency_seconds",
    "From receipt to row, of each load's oldest event",
    buckets=(0.5, 1, 2, 3, 5, 10, 30, 60, 300, 3600),
)

_log = structlog.get_logger("tifo.loader")


class Backlog(NamedTuple):
    """What the log holds beyond what was read."""

    events: int
    seconds: float
    """Since the loader first saw them."""


def should_flush(waiting: Backlog, *, flush_s: float, flush_events: int) -> bool:
    return waiting.events > 0 and (waiting.seconds >= flush_s or waiting.events >= flush_events)


class Loader:
    """One warehouse's loader. `run` blocks; all else is called by it (or by a test) in the same thread."""

    def __init__(
        self,
        log: EventLog,
        warehouse: Warehouse,
        sources: Callable[[], Sequence[Source]],
        clock: Clock = system_clock,
        *,
        name: str = BUILT_IN,
        takes: Callable[[SourceId], bool] = lambda _: True,
        taken: Callable[[SourceId], SyncSelection | None] = lambda _: None,
        on_syncs: Callable[[Sequence[Sync]], None] = lambda _: None,
        noted: Callable[[], Mapping[SourceId, Position]] | None = None,
        flush_s: float = 2.0,
        flush_events: int = 50_000,
        poll_s: float = 0.1,
        drain_s: float = 8.0,
        max_tables: int = MAX_TABLES,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._log = log
        self._warehouse = warehouse
        self._sources = sources
        self._clock = clock
        self._name = name
        self._takes = takes
        self._taken = taken
        self._on_syncs = on_syncs
        self._noted = noted
        """Up to where `on_syncs` was told of each source, by whoever loaded before."""
        self._untold: list[Sync] = []
        self._flush_s = flush_s
        self._flush_events = flush_events
        self._poll_s = poll_s
        self._drain_s = drain_s
        self._max_tables = max_tables
        self._monotonic = monotonic
        self._cursors: dict[SourceId, SourceProgress] | None = None
        self._ahead: list[Prepared] = []
        """Read, and made into rows, while the load before was committed."""
        self._missing: dict[SourceId, float] = {}
        self._read_to = Position(0)
        self._waiting_since: float | None = None
        self._failures = 0
        self._last_failure = ""
        self._looked_at = 0.0
        self._started_at = clock()
        self._retry_at = 0.0

    def run(self, stop: threading.Event) -> None:
        """Load until `stop`, then what is still in the log, for at most `drain_s` seconds (the rest stays there)."""
        while not stop.is_set():
            stop.wait(self.step())
        self._drain()

    def step(self) -> float:
        """Look at the log, load where it is time to. Returns the seconds to wait before the next step."""
        now = self._monotonic()
        if now < self._retry_at:
            return self._retry_at - now
        flushes = should_flush(self._waiting(now), flush_s=self._flush_s, flush_events=self._flush_events)
        if not flushes and not self._ahead and not self._is_rewound(now):
            return self._poll_s
        try:
            self.flush()
        except (Transient, Conflict) as error:
            return self._failed(error)
        return 0.0

    def flush(self) -> int:
        """Load what waits, in one go of bounded size. Returns the number of events handled.

        Raises `Transient` or `Conflict` where the warehouse cannot take them now; what was not committed is read again.
        """
        end = self._log.end()
        self._started_at = self._clock()
        try:
            cursors = self._restored(end)
            ahead, self._ahead = self._ahead, []
            pieces = [each.piece for each in ahead] or self._read(list(cursors.values()), end)
            if any(piece.events for piece in pieces):
                self._load(pieces, ahead)
        except BaseException:
            self._forget()  # whether the warehouse has committed is unknown: ask it
            raise
        self._failures, self._last_failure = 0, ""
        self._note_read(cursors, end)
        return sum(piece.events for piece in pieces)

    def _forget(self) -> None:
        self._cursors, self._ahead = None, []

    def _drain(self) -> None:
        deadline = self._monotonic() + self._drain_s
        target = self._log.end()
        while self._cursors is None or self._ahead or self._read_to < target:
            if self._monotonic() >= deadline:
                _log.warning(
                    "loader.stopped_behind", read=self._read_to, end=target, hint="the next start goes on there"
                )
                return
            try:
                if not self.flush():
                    return
            except (Transient, Conflict) as error:
                self._failed(error)
                time.sleep(_DRAIN_POLL_S)

    def _is_rewound(self, now: float) -> bool:
        """Whether somebody took a position back (`tifo warehouse resync`): then everything after it waits again."""
        if now - self._looked_at < LOOK_S:
            return False
        self._looked_at = now
        try:
            stored = self._warehouse.positions()
        except Transient:  # nothing waits to be loaded: no need to tell
            return False
        cursors = self._cursors or {}
        if all(cursor.committed <= stored[name].position for name, cursor in cursors.items() if name in stored):
            return False
        self._forget()
        return True

    def _failed(self, error: Transient | Conflict) -> float:
        self._failures += 1
        _FAILURES.inc()
        least_s = error.retry_after_s if isinstance(error, Transient) else _DRAIN_POLL_S
        wait_s = Backoff(least_s, BACKOFF_CAP_S).pause_s(self._failures, random.random())  # noqa: S311 (no secret)
        self._retry_at = self._monotonic() + wait_s
        _log.warning(
            "loader.failed",
            warehouse=self._name,
            error=error.message,
            code=error.code,
            attempt=self._failures,
            wait_s=round(wait_s, 2),
        )
        if error.message != self._last_failure:  # the same one again is told by the attempts alone
            self._last_failure = error.message
            self._tell([self._failed_sync(error.message)])
        return wait_s

    def _failed_sync(self, message: str) -> Sync:
        return Sync(self._name, None, SyncStatus.FAILURE, self._started_at, self._clock(), error=message)

    def _tell(self, syncs: Sequence[Sync]) -> None:
        """The history is for people: a load does not wait for it. What cannot be told now is told with the next."""
        self._untold = [*self._untold, *syncs][-_UNTOLD:]
        try:
            self._on_syncs(self._untold)
        except Transient as error:
            _log.warning("loader.history_not_kept", warehouse=self._name, error=error.message)
        else:
            self._untold = []

    def _catch_up(self, cursors: Iterable[SourceProgress]) -> None:
        """Tell of what was loaded, and not told: whoever loaded it was killed in between."""
        if self._noted is None:
            return
        noted, now, missed = dict(self._noted()), self._clock(), []
        noted |= {sync.source_id: sync.position for sync in self._untold if sync.source_id and sync.position}
        for cursor in cursors:
            after = noted.get(cursor.source_id, Position(0))
            if events := self._log.count(after, cursor.source_id, through=cursor.committed):
                missed.append(
                    Sync(
                        self._name,
                        cursor.source_id,
                        SyncStatus.SUCCESS,
                        now,
                        now,
                        events,
                        notices=[_AFTERWARDS],
                        position=cursor.committed,
                    )
                )
        if missed:
            self._tell(missed)

    def _waiting(self, now: float) -> Backlog:
        events = max(0, self._log.end() - self._read_to)
        if not events:
            self._waiting_since = None
        elif self._waiting_since is None:
            self._waiting_since = now
        seconds = 0.0 if self._waiting_since is None else now - self._waiting_since
        _LAG.labels(self._name).set(seconds)
        return Backlog(events, seconds)

    def _note_read(self, cursors: dict[SourceId, SourceProgress], end: Position) -> None:
        read_to = min((cursor.read for cursor in cursors.values()), default=end)
        # Events of a source that may yet appear in the catalog still wait: come back after flush_s.
        self._read_to = min(read_to, Position(end - 1)) if self._missing else read_to
        self._waiting_since = None

    def _restored(self, end: Position) -> dict[SourceId, SourceProgress]:
        """A cursor for every source that may have events, as far as the schema to load them into is known."""
        if self._cursors is None:
            stored = self._warehouse.positions()
            self._cursors = {
                SourceId(name): SourceProgress(
                    SourceId(name),
                    cursor.schema,
                    cursor.position,
                    _start(name, cursor.position, end),
                    self._warehouse.table_names(cursor.schema),
                )
                for name, cursor in stored.items()
                if self._takes(SourceId(name))
            }
            self._catch_up(self._cursors.values())
        for source_id, schema in self._schemas(self._cursors).items():
            if source_id not in self._cursors:
                self._cursors[source_id] = SourceProgress(source_id, schema, Position(0), Position(0))
            cursor = self._cursors[source_id]
            if cursor.schema != schema:
                cursor.schema, cursor.tables = schema, self._warehouse.table_names(schema)
        return self._cursors

    def _schemas(self, known: dict[SourceId, SourceProgress]) -> dict[SourceId, str]:
        schemas = {source.id: source.schema for source in self._sources() if self._takes(source.id)}
        now = self._monotonic()
        sent = {count.source_id for count in self._log.ingest_counts() if count.code == "received"}
        sent = {source_id for source_id in sent if self._takes(source_id)}
        self._missing = {
            source_id: self._missing.get(source_id, now) for source_id in sent - schemas.keys() - known.keys()
        }
        overdue = [source_id for source_id, since in self._missing.items() if now - since >= MISSING_S]
        for source_id in overdue:
            schemas[source_id] = f"unknown_source_{snake_case(source_id)}"
            del self._missing[source_id]
            _log.warning("loader.unknown_source", source_id=source_id, schema=schemas[source_id])
        return schemas

    def _read(self, cursors: Sequence[SourceProgress], end: Position) -> list[Piece]:
        """What comes next, the sources that are furthest behind first; the events of all together are bounded."""
        room = max(_LEAST_EVENTS, self._flush_events >> self._failures)
        room_bytes = FLUSH_BYTES
        pieces = []
        for cursor in sorted(cursors, key=lambda cursor: cursor.read):
            blocks = self._read_one(cursor, end, room, room_bytes)
            piece = Piece(cursor, blocks, cursor.read)
            room -= piece.events
            room_bytes -= sum(len(block.bodies) for block in blocks)
            pieces.append(piece)
        return pieces

    def _read_one(self, cursor: SourceProgress, end: Position, room: int, room_bytes: int) -> list[Block]:
        """Moves the cursor's `read`. One read may pass the bytes' bound by its own size, which its events bound."""
        blocks: list[Block] = []
        while room > 0 and room_bytes > 0:
            found = self._log.read(cursor.read, max_events=min(room, _READ_EVENTS), source_id=cursor.source_id)
            if not found:
                cursor.read = max(cursor.read, end)
                break
            blocks += found
            cursor.read = Position(found[-1].first + found[-1].size - 1)
            room -= sum(block.size for block in found)
            room_bytes -= sum(len(block.bodies) for block in found)
        return blocks

    def _load(self, pieces: Sequence[Piece], ahead: Sequence[Prepared] = ()) -> None:
        """All pieces in one transaction; where what they hold is refused, apart, until the culprit is alone. `ahead` is
        the pieces prepared, where they are.
        """
        try:
            ready = ahead or self._prepared(pieces)
            is_behind = sum(piece.events for piece in pieces) >= self._flush_events
            loaded = self._warehouse.load([each.load for each in ready], self._prepare_next if is_behind else None)
        except (Transient, Conflict):
            raise
        except Exception as error:  # noqa: BLE001 (no message may stop the others, whatever it breaks)
            self._load_apart(pieces, error)
        else:
            self._committed(ready, loaded)

    def _prepare_next(self) -> None:
        """With a backlog, the commit's time is used for what comes next."""
        if self._cursors is not None and not self._ahead:
            self._ahead = self._prepared(self._read(list(self._cursors.values()), self._log.end()))

    def _prepared(self, pieces: Sequence[Piece]) -> list[Prepared]:
        ready = [prepared(piece, self._wanted(piece.cursor.source_id)) for piece in pieces]
        for each in ready:
            each.piece.cursor.tables |= each.tables.keys()  # where they are not made after all, it is read anew
        return ready

    def _wanted(self, source_id: SourceId) -> Wanted:
        return Wanted([self._name], self._taken(source_id), self._max_tables)

    def _load_apart(self, pieces: Sequence[Piece], error: Exception) -> None:
        if len(pieces) > 1:
            for piece in pieces:
                self._load([piece])
        elif pieces[0].events > 1:
            for half in halves(pieces[0]):
                self._load([half])
        else:
            self._set_aside(pieces[0], error)

    def _set_aside(self, piece: Piece, error: Exception) -> None:
        if not piece.events:
            raise Transient(f"The warehouse refuses to move a position: {error}") from error
        _log.warning("loader.message_set_aside", position=piece.position, schema=piece.cursor.schema, error=str(error))
        ready = discarded(piece, f"refused by the warehouse: {error}")
        try:
            loaded = self._warehouse.load([ready.load])
        except (Transient, Conflict):
            raise
        except Exception as second:
            raise Transient(f"The warehouse does not even take a discarded message: {second}") from second
        self._committed([ready], loaded)

    def _committed(self, ready: Sequence[Prepared], loaded: Sequence[Loaded]) -> None:
        for each, result in zip(ready, loaded, strict=True):
            piece = each.piece
            piece.cursor.committed = piece.position
            _EVENTS.inc(piece.events)
            _ROWS.inc(sum(result.rows.values()))
            _DUPLICATES.inc(result.duplicates)
            _DISCARDS.inc(result.discarded)
            for notice in result.notices:
                _log.info("loader.schema_changed", schema=piece.cursor.schema, notice=notice)
        told = zip(ready, loaded, strict=True)
        self._tell([self._sync(each, result) for each, result in told if each.piece.events])
        received = [block.received_at for each in ready for block in each.piece.blocks]
        if received:
            _LATENCY.observe((self._clock() - min(received)).total_seconds())

    def _sync(self, ready: Prepared, loaded: Loaded) -> Sync:
        piece, now = ready.piece, self._clock()
        latencies: Counter[int] = Counter()
        for block in piece.blocks:
            latencies[bucket_of((now - block.received_at).total_seconds())] += block.size
        return Sync(
            self._name,
            piece.cursor.source_id,
            SyncStatus.SUCCESS,
            self._started_at,
            now,
            piece.events,
            loaded.rows,
            loaded.duplicates,
            loaded.discarded,
            loaded.notices,
            left_out=ready.left_out,
            position=piece.position,
            withheld=ready.withheld,
            failed=ready.failed,
            latencies=latencies,
        )


def _start(name: str, position: Position, end: Position) -> Position:
    """Where to read on. A cursor beyond the log's end belongs to a log that is gone: read this one from its start."""
    if position <= end:
        return position
    _log.warning("loader.log_is_shorter", connection=name, position=position, end=end, hint="reading it from its start")
    return Position(0)
