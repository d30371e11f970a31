"""Implements the log in memory: the SQLite log's twin, for tests and for a pipeline that may lose events."""

import threading
from bisect import bisect_right
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from itertools import takewhile

from tifo.eventlog.blocks import cut, fingerprints_of, sort_out
from tifo.eventlog.ports import Append, Appended, Block, IngestCount, Lineage, consecutive
from tifo.kernel.ids import START, Position, Shard, SourceId
from tifo.tracking.envelope import Refused

_SHARD = Shard("memory")


class MemoryEventLog:
    """Implements `eventlog.ports.EventLog`; durable for as long as the process is."""

    def __init__(self, *, dedup_window: timedelta = timedelta(hours=25), shard: Shard = _SHARD) -> None:
        self._shard = shard
        self._window = dedup_window
        self._blocks: list[Block] = []
        self._seen: dict[bytes, datetime] = {}
        self._counts: Counter[tuple[SourceId, str]] = Counter()
        self._refused: dict[tuple[SourceId, str], Refused] = {}
        self._start = self._end = Position(0)
        self._lock = threading.Lock()

    @property
    def shard(self) -> Shard:
        return self._shard

    @property
    def names_old_positions(self) -> bool:
        return False

    def append(self, batch: Sequence[Append]) -> list[Appended]:
        with self._lock:
            now = max((append.received_at for append in batch), default=datetime.min.replace(tzinfo=UTC))
            prints = fingerprints_of(batch)
            known = [m for marks in prints for m in marks if m in self._seen and self._seen[m] > now - self._window]
            result = sort_out(batch, prints, known)
            for source, fresh in result.fresh.items():
                bodies = b"".join(body + b"\n" for _, body in fresh)
                self._blocks.append(Block(consecutive(self._end + 1, len(fresh)), source, now, bodies))
                self._end = Position(self._end + len(fresh))
                self._seen.update((mark, now) for mark, _ in fresh)
            self._counts += result.counts
            self._refused |= result.refused
            return result.appended

    def read(self, after: Position, *, max_events: int, source_id: SourceId | None = None) -> list[Block]:
        blocks: list[Block] = []
        # A copy: reading takes no lock, and an append may come meanwhile.
        for block in list(self._blocks):
            if source_id is None or block.source_id == source_id:
                part = cut(block, after, max_events)
                if part is not None:
                    blocks.append(part)
                    max_events -= part.size
        return blocks

    def behind(self, after: Position, source_id: SourceId | None = None, *, through: Position | None = None) -> int:
        blocks = self.read(after, max_events=self._end + 1, source_id=source_id)
        return sum(block.size if through is None else bisect_right(block.positions, through) for block in blocks)

    def lineage(self, position: Position) -> Lineage:
        return Lineage.OWN if position <= self._end else Lineage.AHEAD

    def before(self, moment: datetime) -> Position:
        return max((block.last for block in list(self._blocks) if block.received_at < moment), default=START)

    def start(self) -> Position:
        return self._start

    def end(self) -> Position:
        return self._end

    def older(self, before: datetime) -> Position:
        old = takewhile(lambda block: block.received_at < before, list(self._blocks))
        return max((block.last for block in old), default=START)

    def trim(self, *, before: datetime, keep_after: Position) -> int:
        with self._lock:
            freed = 0
            while self._blocks and self._blocks[0].received_at < before:
                last = self._blocks[0].last
                if last > keep_after:
                    break
                freed += len(self._blocks.pop(0).bodies)
                self._start = last
            return freed

    def ingest_counts(self) -> list[IngestCount]:
        return [
            IngestCount(
                source_id=source,
                code=code,
                total=total,
                sample=refused and refused.sample,
                detail=refused and refused.detail,
            )
            for (source, code), total in self._counts.items()
            for refused in [self._refused.get((source, code))]
        ]

    def close(self) -> None:
        """Does nothing: there is nothing to release."""
