"""Moves the event log into one warehouse, in order, every event once.

Each source has its own position, which the warehouse stores and commits together with the rows. Whatever fails, the
position stays, and the events are read again.
"""

import random
import threading
import time
from collections.abc import Callable, Mapping, Sequence

import structlog
from prometheus_client import Counter as Metric

from tifo.delivery.loading.ahead import PieceConverter, PieceReader, ReadAhead
from tifo.delivery.loading.backlog import BacklogMeter, should_flush
from tifo.delivery.loading.commits import PieceCommitter
from tifo.delivery.loading.earlier import EarlierEvents
from tifo.delivery.loading.history import SyncHistory
from tifo.delivery.loading.naming import PlannedOf, SourceNamings, nothing_planned
from tifo.delivery.loading.pieces import Wanted
from tifo.delivery.loading.progress import LoadProgress, SourceProgress
from tifo.eventlog.ports import EventLog, Lineage
from tifo.kernel.backoff import Backoff
from tifo.kernel.clock import Clock, system_clock
from tifo.kernel.errors import Conflict, Transient
from tifo.kernel.ids import Position, SourceId
from tifo.warehouses.budgets import MAX_TABLES
from tifo.warehouses.names import SchemaNames
from tifo.warehouses.ports import Warehouse
from tifo.warehouses.selected import SyncSelection
from tifo.workspace.model import Source
from tifo.workspace.warehouses import BUILT_IN, Sync

BACKOFF_CAP_S = 10.0

_DRAIN_POLL_S = 0.1
_DRAIN_FAILING_S = 1.0
"""The time for which the last loads may fail in a row: with the state or the warehouse away, waiting helps nobody."""

_FAILURES = Metric("tifo_loader_failures", "Loads that failed and are tried again")
_log = structlog.get_logger("tifo.loader")


class Loader:
    """Loads one warehouse. `run` blocks; it (or a test) calls all other methods in the same thread.

    `takes` says whether the warehouse is connected to a source, `selection_of` which tables and columns of the source
    it gets (None for all). `on_syncs` records loads; `recorded` returns the position up to which each source's loads
    were recorded before. `begin_anew` drops what was recorded of a source that is loaded whole once more, and
    `on_notice` gets a sentence for people where the warehouse's position is of another log's history. `names` settles
    tables and columns, for every warehouse of a source alike (None: for this loader alone); `planned` says what the
    source's tracking plan names.
    """

    def __init__(
        self,
        log: EventLog,
        warehouse: Warehouse,
        sources: Callable[[], Sequence[Source]],
        clock: Clock = system_clock,
        *,
        name: str = BUILT_IN,
        takes: Callable[[SourceId], bool] = lambda _: True,
        selection_of: Callable[[SourceId], SyncSelection | None] = lambda _: None,
        on_syncs: Callable[[Sequence[Sync]], None] = lambda _: None,
        recorded: Callable[[], Mapping[SourceId, Position]] | None = None,
        begin_anew: Callable[[SourceId], None] = lambda _: None,
        on_notice: Callable[[str], None] = lambda _: None,
        flush_s: float = 2.0,
        flush_events: int = 50_000,
        poll_s: float = 0.1,
        drain_s: float = 8.0,
        max_tables: int = MAX_TABLES,
        names: SchemaNames | None = None,
        planned: PlannedOf = nothing_planned,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._log = log
        self._warehouse = warehouse
        self._name = name
        self._flush_s = flush_s
        self._flush_events = flush_events
        self._poll_s = poll_s
        self._drain_s = drain_s
        self._monotonic = monotonic
        self._begin_anew = begin_anew
        self._on_notice = on_notice
        self._progress = LoadProgress(
            log, warehouse, sources, takes, monotonic=monotonic, on_other_log=self._on_other_log
        )
        self._history = SyncHistory(name, log, clock, on_syncs, recorded)
        self._reader = PieceReader(log, flush_events)
        namings = SourceNamings(names, planned=planned, columns_of=warehouse.columns, clock=clock)
        converter = PieceConverter(
            lambda source_id: Wanted([name], selection_of(source_id), max_tables), namings, EarlierEvents(log)
        )
        self._ahead = ReadAhead(log, self._reader, converter)
        self._committer = PieceCommitter(warehouse, converter, self._history.committed)
        self._backlog = BacklogMeter(name, log)
        self._failures = 0
        self._retry_at_s = 0.0

    def run(self, stop: threading.Event) -> None:
        """Loads until `stop`, then loads what is still in the log, for at most `drain_s` seconds (the rest stays
        there).
        """
        while not stop.is_set():
            stop.wait(self.step())
        self._drain()
        self._warehouse.publish(at_end=True)

    def step(self) -> float:
        """Looks at the log, and loads where it is time to. Returns the seconds to wait before the next step."""
        # Also without a load: the last one may have been too early to be shown, or its process ended before.
        self._warehouse.publish()
        now_s = self._monotonic()
        if now_s < self._retry_at_s:
            return self._retry_at_s - now_s
        flushes = should_flush(self._backlog.measure(now_s), flush_s=self._flush_s, flush_events=self._flush_events)
        if not flushes and not self._ahead and not self._is_rewound():
            return self._poll_s
        try:
            self.flush()
        except (Transient, Conflict) as error:
            return self._failed(error)
        return 0.0

    def flush(self) -> int:
        """Loads what waits, in one go of bounded size. Returns the number of events handled.

        Raises `Transient` or `Conflict` where the warehouse cannot take them now; what was not committed is read again.
        """
        # Asked before the sources: an event that comes meanwhile lies beyond `end`, and waits for the next flush.
        end = self._log.end()
        self._history.begin()
        try:
            sources = self._sources()
            ready = self._ahead.take()
            pieces = [each.piece for each in ready] or self._reader.read(sources, end, failures=self._failures)
            events = sum(piece.events for piece in pieces)
            if events:
                # With a backlog, the time of the commit is used for what comes next. The commit is one long call that
                # needs no lock of the interpreter; converting beside the load itself would slow the load down
                # (docs/decisions/0008).
                meanwhile = self._prepare_next if events >= self._flush_events else None
                self._committer.commit(pieces, ready, meanwhile)
        except BaseException:
            self._start_over()
            raise
        self._failures = 0
        self._history.succeeded()
        self._backlog.loaded(self._progress.read_to(end), misses_sources=self._progress.misses_sources)
        return events

    def _sources(self) -> list[SourceProgress]:
        if not self._progress.is_known:
            self._history.catch_up(self._progress.restore())
        return self._progress.refresh()

    def _on_other_log(self, source_id: SourceId, lineage: Lineage, position: Position) -> None:
        if lineage is Lineage.AHEAD:
            self._begin_anew(source_id)
        self._on_notice(self._history.on_other_log(source_id, lineage, position))

    def _prepare_next(self) -> None:
        self._ahead.prepare(self._progress.all(), failures=self._failures)

    def _start_over(self) -> None:
        """Asks the warehouse and reads the log again: whether it has committed is unknown."""
        self._progress.reset()
        self._ahead.drop()

    def _is_rewound(self) -> bool:
        is_rewound = self._progress.is_rewound()
        if is_rewound:
            self._start_over()
        return is_rewound

    def _drain(self) -> None:
        deadline_s = self._monotonic() + self._drain_s
        target = self._log.end()
        works_until_s = self._monotonic() + _DRAIN_FAILING_S
        while not self._progress.is_known or self._ahead or self._backlog.read_to < target:
            if self._monotonic() >= min(deadline_s, works_until_s):
                _log.warning(
                    "loader.stopped_behind", read=self._backlog.read_to, end=target, hint="the next start goes on there"
                )
                return
            try:
                # Nothing was left although the target lies beyond: a source waits for the catalog, and the next start
                # loads it.
                if not self.flush():
                    return
                works_until_s = self._monotonic() + _DRAIN_FAILING_S
            except (Transient, Conflict) as error:
                self._failed(error)
                # `stop` is set by now, so its wait would return at once.
                time.sleep(_DRAIN_POLL_S)

    def _failed(self, error: Transient | Conflict) -> float:
        self._failures += 1
        _FAILURES.inc()
        base_s = error.retry_after_s if isinstance(error, Transient) else _DRAIN_POLL_S
        wait_s = Backoff(base_s, BACKOFF_CAP_S).pause_s(self._failures, random.random())  # noqa: S311 (no secret)
        self._retry_at_s = self._monotonic() + wait_s
        _log.warning(
            "loader.failed",
            warehouse=self._name,
            error=error.message,
            code=error.code,
            attempt=self._failures,
            wait_s=round(wait_s, 2),
        )
        self._history.failed(error.message)
        return wait_s
