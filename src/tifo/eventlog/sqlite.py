"""Implements the event log in SQLite files: appends, reads, counts and trims their segments."""

import fcntl
import sqlite3
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import IO

from tifo.eventlog import identity
from tifo.eventlog.blocks import FINGERPRINT_BYTES, Sorted, cut, fingerprints_of, sort_out
from tifo.eventlog.dedup import DedupIndex
from tifo.eventlog.ports import Append, Appended, Block, IngestCount, Lineage
from tifo.eventlog.segments import Segment, SegmentFolder
from tifo.kernel.clock import Clock, system_clock
from tifo.kernel.errors import Transient
from tifo.kernel.ids import START, Position, Shard, SourceId

_COUNT = """
INSERT INTO counts VALUES (?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET total = total + excluded.total,
    detail = coalesce(excluded.detail, detail), sample = coalesce(excluded.sample, sample)
"""
_LAST = 2**63 - 1
"""SQLite's greatest integer: no position lies beyond it."""
_DEDUP_WINDOW = timedelta(hours=25)
"""The contract's 24 hours and one more."""


class SqliteEventLog:
    """Implements `eventlog.ports.EventLog`. With `read_only` it opens beside the one process that appends."""

    def __init__(
        self,
        directory: Path,
        *,
        clock: Clock = system_clock,
        dedup_window: timedelta = _DEDUP_WINDOW,
        segment_bytes: int = 256 * 1024 * 1024,
        read_only: bool = False,
    ) -> None:
        self._clock = clock
        self._window = dedup_window
        self._segment_bytes = segment_bytes
        self._read_only = read_only
        self._directory = directory
        self._folder = SegmentFolder(directory, writable=not read_only)
        self._lock: IO[str] | None = None
        self._writing = threading.Lock()
        if not read_only:
            directory.mkdir(parents=True, exist_ok=True, mode=0o700)
            # The lock comes before any segment is opened: another writer could be at the making of one.
            self._lock = _locked(directory / "lock")
            self._dedup = DedupIndex(directory / "dedup", window_s=dedup_window.total_seconds())
            with _errors_translated():
                # Behind the lock: only the process that appends next may begin an opening.
                self._base = identity.begin(directory, clock()).base
                self._folder.refresh()
                self._end = self._last_stored()
                # A killed writer has left fingerprints in memory only: they are read from the log again.
                self._recall()

    @property
    def shard(self) -> Shard:
        return identity.shard_of(self._directory)

    @property
    def names_old_positions(self) -> bool:
        known = identity.read_identity(self._directory)
        return known is not None and known.names_old_positions

    def append(self, batch: Sequence[Append]) -> list[Appended]:
        prints = fingerprints_of(batch)
        flat = [mark for marks in prints for mark in marks]
        result = sort_out(batch, prints, self._dedup.known(flat))
        now = self._clock().timestamp()
        with self._writing, _errors_translated():
            segment = self._writable()
            end = self._write(segment, result, now)
            self._end = end
            # The index follows the commit. The other way round, a batch that the disk refuses would be in the index,
            # and its repetition would be dropped as a duplicate.
            self._dedup.add((mark for fresh in result.fresh.values() for mark, _ in fresh), at_s=now, through=end)
            self._dedup.forget(now)
        return result.appended

    def read(self, after: Position, *, max_events: int, source_id: SourceId | None = None) -> list[Block]:
        blocks: list[Block] = []
        with _errors_translated():
            for segment in self._following(after):
                for block in segment.blocks(after, source_id):
                    part = cut(block, after, max_events)
                    if part is not None:
                        blocks.append(part)
                        max_events -= part.size
                    if max_events <= 0:
                        return blocks
        return blocks

    def behind(self, after: Position, source_id: SourceId | None = None, *, through: Position | None = None) -> int:
        last = _LAST if through is None else max(after, through)
        with _errors_translated():
            return sum(each.between(after, last, source_id) for each in self._following(after))

    def lineage(self, position: Position) -> Lineage:
        if position <= self.start() or position == START:
            return Lineage.OWN
        with _errors_translated():
            if any(segment.holds(position) for segment in self._following(position)):
                return Lineage.OWN
        known = identity.read_identity(self._directory)
        base = 0 if known is None else known.base
        return Lineage.FORKED if position <= max(base, self.end()) else Lineage.AHEAD

    def before(self, moment: datetime) -> Position:
        with _errors_translated():
            newest_first = reversed(self._folder.refresh())
            found = (segment.last_before(moment) for segment in newest_first)
            return Position(next((last for last in found if last is not None), START))

    def start(self) -> Position:
        with _errors_translated():
            before = min((segment.first - 1 for segment in self._folder.refresh()), default=START)
        known = identity.read_identity(self._directory)
        return START if known is not None and before == known.first else Position(before)

    def end(self) -> Position:
        if not self._read_only:
            return Position(self._end)
        with _errors_translated():
            self._folder.refresh()
            return Position(self._last_stored())

    def older(self, before: datetime) -> Position:
        with _errors_translated():
            self._folder.refresh()
            return Position(max((segment.last() for segment in self._folder.closed_before(before)), default=0))

    def trim(self, *, before: datetime, keep_after: Position) -> int:
        with self._writing, _errors_translated():
            freed = 0
            for segment in self._folder.closed_before(before):
                if segment.last() > keep_after:
                    break
                if segment.last() > self._dedup.through():  # its fingerprints are nowhere else on disk
                    self._dedup.seal()
                freed += self._folder.delete(segment)
            return freed

    def ingest_counts(self) -> list[IngestCount]:
        with _errors_translated():
            self._folder.refresh()
            newest = self._folder.newest()
            if newest is None:
                return []
            # Each segment begins with the counts of the one before it: the newest holds the totals.
            rows = newest.db.execute("SELECT source_id, code, total, sample, detail FROM counts").fetchall()
        return [
            IngestCount(source_id=SourceId(source), code=code, total=total, sample=sample, detail=detail)
            for source, code, total, sample, detail in rows
        ]

    def close(self) -> None:
        self._folder.close()
        if self._lock is not None:
            self._lock.close()

    def _following(self, after: int) -> list[Segment]:
        """Returns the segments that may hold `after` and what follows it."""
        segments = self._folder.refresh()
        # The next segment's name says that nothing wanted is in the one before it, which then needs no query.
        begun = sum(segment.first <= after for segment in segments)
        return segments[max(0, begun - 1) :]

    def _write(self, segment: Segment, result: Sorted, now: float) -> int:
        """Commits one batch and returns the log's new end. After an error nothing of it is on disk."""
        # An opening numbers its events from its base on: a restored folder gives no number that its original gave.
        end = max(self._end, self._base)
        segment.db.execute("BEGIN IMMEDIATE")
        try:
            for source, fresh in result.fresh.items():
                marks = b"".join(mark for mark, _ in fresh)
                bodies = b"\n".join(body for _, body in fresh) + b"\n"
                segment.db.execute(
                    "INSERT INTO blocks VALUES (?, ?, ?, ?, ?, ?)", (end + 1, len(fresh), source, now, marks, bodies)
                )
                end += len(fresh)
            for (source, code), total in result.counts.items():
                refused = result.refused.get((source, code))
                detail, sample = (refused.detail, refused.sample) if refused else (None, None)
                segment.db.execute(_COUNT, (source, code, total, detail, sample))
            segment.db.execute("COMMIT")
        except BaseException:
            # SQLite itself has rolled back after some errors, a full disk among them. A second ROLLBACK would raise and
            # hide the first error.
            if segment.db.in_transaction:
                segment.db.execute("ROLLBACK")
            raise
        return end

    def _writable(self) -> Segment:
        newest = self._folder.newest()
        if newest is not None and newest.bytes() < self._segment_bytes:
            return newest
        return self._folder.begin(max(self._end, self._base) + 1)

    def _last_stored(self) -> int:
        newest = self._folder.newest()
        return 0 if newest is None else newest.last()

    def _recall(self) -> None:
        """Reads the fingerprints that came after the last run of the index was written."""
        oldest = (self._clock() - self._window).timestamp()
        through = self._dedup.through()
        for segment in self._folder.refresh():
            rows = segment.db.execute(
                "SELECT first + size - 1, received_at, fingerprints FROM blocks WHERE first > ? AND received_at > ?"
                " ORDER BY first",
                (through, oldest),
            )
            for last, received_at, marks in rows:
                self._dedup.add(_split(marks), at_s=received_at, through=last)


def _split(marks: bytes) -> list[bytes]:
    return [marks[at : at + FINGERPRINT_BYTES] for at in range(0, len(marks), FINGERPRINT_BYTES)]


def _locked(path: Path) -> IO[str]:
    file = path.open("w")
    try:
        # The kernel holds the lock for this open file: it ends with the process, also with one that was killed.
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        file.close()
        raise Transient(
            f"Another process writes to the event log {path.parent}: stop it, or give this one another data folder.",
            retry_after_s=1.0,
        ) from error
    return file


@contextmanager
def _errors_translated() -> Iterator[None]:
    try:
        yield
    except (sqlite3.Error, OSError) as error:
        raise Transient(f"The event log could not be read or written: {error}", retry_after_s=1.0) from error
