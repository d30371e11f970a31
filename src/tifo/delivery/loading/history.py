"""Records the history of syncs that people see: loads, failures, and loads that an earlier loader did not record."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence

import structlog
from prometheus_client import Counter as Metric
from prometheus_client import Histogram

from tifo.delivery.latency import bucket_of
from tifo.delivery.loading.pieces import Prepared
from tifo.delivery.loading.progress import SourceProgress
from tifo.eventlog.ports import EventLog, Lineage, read_on
from tifo.kernel.clock import Clock
from tifo.kernel.errors import Transient
from tifo.kernel.ids import START, Position, SourceId
from tifo.warehouses.ports import Loaded
from tifo.workspace.warehouses import Sync, SyncStatus

MAX_UNRECORDED = 1_000
"""The most syncs that wait to be recorded while the state is out of reach; the oldest are dropped."""
_AFTERWARDS = "counted afterwards: the loader ended between the load and its note"

_RESTORED = (
    "The event log is not the one that this position was taken from: the data folder was restored from a backup."
    " Events that {warehouse} was loaded with after the backup stay in it, and are in no log."
)
_OTHER_LOG = {
    Lineage.FORKED: f"{_RESTORED} It is loaded with what came since: nothing is there twice, nothing is passed over.",
    Lineage.AHEAD: f"{_RESTORED} It is loaded with the whole log: rows that are there stay once, by their id, and the"
    " counts begin anew.",
}

_EVENTS = Metric("tifo_loader_events", "Events that the loader has handled")
_ROWS = Metric("tifo_loader_rows", "Rows inserted into the warehouse")
_DUPLICATES = Metric("tifo_loader_duplicates", "Rows not inserted because their id was there already")
_DISCARDS = Metric("tifo_loader_discards", "Values and messages set aside in _discards")
_LATENCY = Histogram(
    "tifo_loader_latency_seconds",
    "From receipt to row, of each load's oldest event",
    buckets=(0.5, 1, 2, 3, 5, 10, 30, 60, 300, 3600),
)

_log = structlog.get_logger("tifo.loader")


class SyncHistory:
    """Records syncs by `on_syncs`. `recorded` returns the position up to which each source's loads are recorded, by
    whoever loaded before; None where nobody needs to know.
    """

    def __init__(
        self,
        name: str,
        log: EventLog,
        clock: Clock,
        on_syncs: Callable[[Sequence[Sync]], None],
        recorded: Callable[[], Mapping[SourceId, Position]] | None,
    ) -> None:
        self._name = name
        self._log = log
        self._clock = clock
        self._on_syncs = on_syncs
        self._recorded = recorded
        self._unrecorded: list[Sync] = []
        self._started_at = clock()
        self._last_failure = ""
        self._last_notice: dict[SourceId, Sequence[str]] = {}

    def begin(self) -> None:
        """Notes when the load began that will succeed or fail."""
        self._started_at = self._clock()

    def failed(self, error: str) -> None:
        """Records a failure, unless it is the same as the one before."""
        # A warehouse that is away for hours fails every ten seconds or sooner: one line of history says so, and the
        # rest is left to the log.
        if error == self._last_failure:
            return
        self._last_failure = error
        self._record(
            [
                Sync(
                    warehouse=self._name,
                    source_id=None,
                    status=SyncStatus.FAILURE,
                    started_at=self._started_at,
                    finished_at=self._clock(),
                    error=error,
                )
            ]
        )

    def succeeded(self) -> None:
        """Notes the end of a flush: the next failure is a new one."""
        self._last_failure = ""

    def committed(self, ready: Sequence[Prepared], loaded: Sequence[Loaded]) -> None:
        """Counts and records what one transaction has loaded."""
        for each, result in zip(ready, loaded, strict=True):
            _count(each, result)
        pairs = zip(ready, loaded, strict=True)
        self._record([self._sync(each, result) for each, result in pairs if each.piece.events])
        received = [block.received_at for each in ready for block in each.piece.blocks]
        if received:
            _LATENCY.observe((self._clock() - min(received)).total_seconds())

    def catch_up(self, sources: Iterable[SourceProgress]) -> None:
        """Records loads that were committed and not recorded: their loader was killed in between."""
        if self._recorded is None:
            return
        recorded = dict(self._recorded())
        # Syncs that still wait here will be recorded by themselves: without this they would be counted twice.
        recorded |= {sync.source_id: sync.position for sync in self._unrecorded if sync.source_id and sync.position}
        missed = []
        for source in sources:
            after = recorded.get(source.source_id, START)
            if events := self._loaded_between(source, after):
                missed.append(self._missed_sync(source, events))
        if missed:
            self._record(missed)

    def on_other_log(self, source_id: SourceId, lineage: Lineage, position: Position) -> str:
        """Records that the warehouse's position is of another log's history: this one was restored from a backup.

        Returns the notice.
        """
        text = _OTHER_LOG[lineage].format(warehouse=self._name)
        _log.warning("loader.other_log", warehouse=self._name, source_id=source_id, position=position, notice=text)
        now = self._clock()
        notice = Sync(
            warehouse=self._name,
            source_id=source_id,
            status=SyncStatus.SUCCESS,
            started_at=now,
            finished_at=now,
            notices=[text],
            shard=self._log.shard,
        )
        if notice.notices != self._last_notice.get(source_id):
            self._last_notice[source_id] = notice.notices
            self._record([notice])
        return text

    def _loaded_between(self, source: SourceProgress, recorded: Position) -> int:
        """Counts the events that are loaded and not recorded."""
        # A position of another history is no place in this log, so nothing can be counted up to it.
        through = read_on(self._log, source.committed)
        return self._log.behind(read_on(self._log, recorded), source.source_id, through=through)

    def _record(self, syncs: Sequence[Sync]) -> None:
        """Records syncs. Those that the state cannot store now are recorded with the next load."""
        self._unrecorded = [*self._unrecorded, *syncs][-MAX_UNRECORDED:]
        try:
            self._on_syncs(self._unrecorded)
        # A load must not wait for its history, or fail with it.
        except Transient as error:
            _log.warning("loader.history_not_kept", warehouse=self._name, error=error.message)
        else:
            self._unrecorded = []

    def _missed_sync(self, source: SourceProgress, events: int) -> Sync:
        now = self._clock()
        return Sync(
            warehouse=self._name,
            source_id=source.source_id,
            status=SyncStatus.SUCCESS,
            started_at=now,
            finished_at=now,
            events=events,
            notices=[_AFTERWARDS],
            shard=source.shard,
            position=source.committed,
        )

    def _sync(self, ready: Prepared, loaded: Loaded) -> Sync:
        piece, now = ready.piece, self._clock()
        latencies: Counter[int] = Counter()
        for block in piece.blocks:
            latencies[bucket_of((now - block.received_at).total_seconds())] += block.size
        return Sync(
            warehouse=self._name,
            source_id=piece.progress.source_id,
            status=SyncStatus.PARTIAL if loaded.discarded else SyncStatus.SUCCESS,
            started_at=self._started_at,
            finished_at=now,
            events=piece.events,
            rows=loaded.rows,
            duplicates=loaded.duplicates,
            discarded=loaded.discarded,
            notices=[*loaded.notices, *ready.notices, *_discard_notices(loaded.discarded)],
            left_out=ready.left_out,
            shard=piece.progress.shard,
            position=piece.position,
            withheld=ready.withheld,
            failed=ready.failed,
            latencies=latencies,
        )


def _discard_notices(count: int) -> list[str]:
    return [f"{count:,} values or messages are in _discards, each with its reason"] if count else []


def _count(ready: Prepared, loaded: Loaded) -> None:
    _EVENTS.inc(ready.piece.events)
    _ROWS.inc(sum(loaded.rows.values()))
    _DUPLICATES.inc(loaded.duplicates)
    _DISCARDS.inc(loaded.discarded)
    for notice in (*loaded.notices, *ready.notices):
        _log.info("loader.schema_changed", schema=ready.piece.progress.schema, notice=notice)
