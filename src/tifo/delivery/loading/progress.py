"""Tracks how far each source has come in one warehouse, and into which schema it is loaded."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass

import structlog

from tifo.delivery.cursors import loaded_cursors
from tifo.eventlog.ports import RECEIVED, EventLog, Lineage, read_on
from tifo.kernel.errors import Transient
from tifo.kernel.ids import START, Position, Shard, SourceId
from tifo.kernel.names import snake_case
from tifo.warehouses.ports import Warehouse
from tifo.workspace.model import Source

MISSING_S = 5.0
"""The time that a source may be missing from the catalog, which may show a new one a second late."""
LOOK_S = 5.0
"""The time between two looks of an idle loader whether a position was reset."""

_log = structlog.get_logger("tifo.loader")


@dataclass(kw_only=True)
class SourceProgress:
    """Says how far one source has come."""

    source_id: SourceId
    shard: Shard
    schema: str
    committed: Position
    """The position in the warehouse."""
    read: Position
    """The position up to which the log was read: ahead of `committed` during a load, and where only other sources'
    events follow.
    """
    tables: frozenset[str] = frozenset()
    """The schema's tables: they go on getting rows when a source sends more event names than there is room for."""


class LoadProgress:
    """Keeps a `SourceProgress` for every source that may have events. The warehouse holds the truth: after any failure
    it is asked anew.

    A source that the catalog does not hold (any more) is loaded all the same: into the schema that the warehouse
    remembers for it, or, where it knows none, into `unknown_source_<id>` after `MISSING_S`.
    """

    def __init__(
        self,
        log: EventLog,
        warehouse: Warehouse,
        sources: Callable[[], Sequence[Source]],
        takes: Callable[[SourceId], bool],
        *,
        monotonic: Callable[[], float],
        on_other_log: Callable[[SourceId, Lineage, Position], None] = lambda *_: None,
    ) -> None:
        self._log = log
        self._warehouse = warehouse
        self._sources = sources
        self._takes = takes
        self._monotonic = monotonic
        self._on_other_log = on_other_log
        self._by_source: dict[SourceId, SourceProgress] | None = None
        self._missing_since_s: dict[SourceId, float] = {}
        self._looked_at_s = 0.0

    @property
    def is_known(self) -> bool:
        return self._by_source is not None

    def all(self) -> list[SourceProgress]:
        return list((self._by_source or {}).values())

    def reset(self) -> None:
        """Drops what is known; `restore` asks the warehouse again."""
        self._by_source = None

    def restore(self) -> list[SourceProgress]:
        """Reads the warehouse's positions in this log. `on_other_log` is called for each that is not of its history."""
        self._by_source = {
            SourceId(name): SourceProgress(
                source_id=SourceId(name),
                shard=self._log.shard,
                schema=cursor.schema,
                committed=cursor.position,
                read=self._read_on(SourceId(name), cursor.position),
                tables=self._warehouse.table_names(cursor.schema),
            )
            for name, cursor in loaded_cursors(self._warehouse.committed_positions, self._log).items()
            if self._takes(SourceId(name))
        }
        return self.all()

    def refresh(self) -> list[SourceProgress]:
        """Adds new sources, and follows a source whose schema was renamed. Call `restore` first."""
        known = self._by_source if self._by_source is not None else {}
        for source_id, schema in self._schemas(known).items():
            if source_id not in known:
                # The warehouse has no position of it yet, so it is read from the log's start.
                known[source_id] = SourceProgress(
                    source_id=source_id, shard=self._log.shard, schema=schema, committed=START, read=START
                )
            progress = known[source_id]
            if progress.schema != schema:
                progress.schema, progress.tables = schema, self._warehouse.table_names(schema)
        return self.all()

    def is_rewound(self) -> bool:
        """Says whether a position was reset (`tifo warehouse resync`); then everything after it waits again. Asks the
        warehouse at most every `LOOK_S` seconds.
        """
        now_s = self._monotonic()
        if now_s - self._looked_at_s < LOOK_S:
            return False
        self._looked_at_s = now_s
        try:
            stored = loaded_cursors(self._warehouse.committed_positions, self._log)
        except Transient:  # nothing waits to be loaded, so nobody needs to know
            return False
        return any(
            progress.committed > stored[progress.source_id].position
            for progress in self.all()
            if progress.source_id in stored
        )

    def read_to(self, end: Position) -> Position:
        """Returns the position up to which every source's events were read."""
        return min((progress.read for progress in self.all()), default=end)

    @property
    def misses_sources(self) -> bool:
        """Says whether events of a source wait that may yet appear in the catalog."""
        return bool(self._missing_since_s)

    def _read_on(self, source_id: SourceId, position: Position) -> Position:
        lineage = self._log.lineage(position)
        if lineage is not Lineage.OWN:
            self._on_other_log(source_id, lineage, position)
        return read_on(self._log, position)

    def _schemas(self, known: Collection[SourceId]) -> Mapping[SourceId, str]:
        schemas = {source.id: source.schema for source in self._sources() if self._takes(source.id)}
        now_s = self._monotonic()
        # The log knows every source that has sent anything; the catalog shows new ones late, and deleted ones not at
        # all.
        sending = {count.source_id for count in self._log.ingest_counts() if count.code == RECEIVED}
        missing = {source_id for source_id in sending if self._takes(source_id)} - schemas.keys() - set(known)
        self._missing_since_s = {source_id: self._missing_since_s.get(source_id, now_s) for source_id in missing}
        overdue = [source_id for source_id, since_s in self._missing_since_s.items() if now_s - since_s >= MISSING_S]
        for source_id in overdue:
            schemas[source_id] = f"unknown_source_{snake_case(source_id)}"
            del self._missing_since_s[source_id]
            _log.warning("loader.unknown_source", source_id=source_id, schema=schemas[source_id])
        return schemas
