"""Implements the log in memory: the SQLite log's twin, for tests and for a pipeline that may lose events."""

import threading
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from itertools import takewhile

from tifo.eventlog.blocks import cut, fingerprints_of, sort_out
from tifo.eventlog.ports import Append, Appended, Block, IngestCount
from tifo.kernel.ids import Position, SourceId
from tifo.tracking.envelope import Refused


class MemoryEventLog:
    """Implements `eventlog.ports.EventLog`; durable for as long as the process is."""

    def __init__(self, *, dedup_window: timedelta = timedelta(hours=25)) -> None:
        self._window = dedup_window
        self._blocks: list[Block] = []
        self._seen: dict[bytes, datetime] = {}
        self._counts: Counter[tuple[SourceId, str]] = Counter()
        self._refused: dict[tuple[SourceId, str], Refused] = {}
        self._start = self._end = Position(0)
        self._lock = threading.Lock()

    def append(self, batch: Sequence[Append]) -> list[Appended]:
        with self._lock:
            now = max((append.received_at for append in batch), default=datetime.min.replace(tzinfo=UTC))
            prints = fingerprints_of(batch)
            known = [m for marks in prints for m in marks if m in self._seen and self._seen[m] > now - self._window]
            result = sort_out(batch, prints, known)
            for source, fresh in result.fresh.items():
                bodies = b"".join(body + b"\n" for _, body in fresh)
                self._blocks.append(
                    Block(
                        first=Position(self._end + 1), size=len(fresh), source_id=source, received_at=now, bodies=bodies
                    )
                )
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

    def count(self, after: Position, source_id: SourceId, *, through: Position | None = None) -> int:
        last = self._end if through is None else through
        blocks = self.read(after, max_events=self._end + 1, source_id=source_id)
        return sum(max(0, min(block.size, last - block.first + 1)) for block in blocks)

    def start(self) -> Position:
        return self._start

    def end(self) -> Position:
        return self._end

    def older(self, before: datetime) -> Position:
        old = takewhile(lambda block: block.received_at < before, list(self._blocks))
        return Position(max((block.first + block.size - 1 for block in old), default=0))

    def trim(self, *, before: datetime, keep_after: Position) -> int:
        with self._lock:
            freed = 0
            while self._blocks and self._blocks[0].received_at < before:
                last = self._blocks[0].first + self._blocks[0].size - 1
                if last > keep_after:
                    break
                freed += len(self._blocks.pop(0).bodies)
                self._start = Position(last)
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
