"""Implements the event log in SQLite files: one folder, one file a segment, one row a commit and source.

`log/00000000000000000001.db` begins with position 1. A new segment begins when the newest is full. Retention deletes
whole segments, because deleting rows would give no disk space back. A row holds many events, so SQLite's cost
arises once a commit. Each new segment begins with the counts of the one before it: the newest holds the totals.
"""

import contextlib
import fcntl
import os
import sqlite3
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from itertools import takewhile
from pathlib import Path
from typing import IO

from tifo.eventlog.blocks import FINGERPRINT_BYTES, Sorted, cut, fingerprints_of, sort_out
from tifo.eventlog.dedup import DedupIndex
from tifo.eventlog.ports import Append, Appended, Block, IngestCount
from tifo.kernel.clock import Clock, system_clock
from tifo.kernel.errors import Transient
from tifo.kernel.ids import Position, SourceId

_SCHEMA = """
CREATE TABLE blocks (
    first INTEGER PRIMARY KEY, size INTEGER NOT NULL, source_id TEXT NOT NULL, received_at REAL NOT NULL,
    fingerprints BLOB NOT NULL, bodies BLOB NOT NULL
);
CREATE TABLE counts (
    source_id TEXT NOT NULL, code TEXT NOT NULL, total INTEGER NOT NULL, detail TEXT, sample BLOB,
    PRIMARY KEY (source_id, code)
) WITHOUT ROWID;
"""
_COUNT = """
INSERT INTO counts VALUES (?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET total = total + excluded.total,
    detail = coalesce(excluded.detail, detail), sample = coalesce(excluded.sample, sample)
"""
_COUNT_BETWEEN = """
SELECT coalesce(sum(min(first + size - 1, :through) - max(first - 1, :after)), 0) FROM blocks
WHERE first + size - 1 > :after AND first <= :through AND source_id = :source
"""
_LAST = 2**63 - 1
_PAGE_BYTES = 16_384
_DEDUP_WINDOW = timedelta(hours=25)


class _Segment:
    """One file. `first` is the position that its first event has or will have."""

    def __init__(self, path: Path, *, writable: bool) -> None:
        self.path = path
        self.first = int(path.stem)
        mode = "rw" if writable else "ro"
        self.db = sqlite3.connect(
            f"{path.as_uri()}?mode={mode}", uri=True, isolation_level=None, check_same_thread=False, timeout=10
        )
        try:
            self.db.execute("PRAGMA synchronous = FULL")
        except BaseException:
            self.db.close()
            raise

    def last(self) -> int:
        row = self.db.execute("SELECT first + size - 1 FROM blocks ORDER BY first DESC LIMIT 1").fetchone()
        return int(row[0]) if row else self.first - 1

    def bytes(self) -> int:
        pages: int = self.db.execute("PRAGMA page_count").fetchone()[0]
        return pages * _PAGE_BYTES

    def newest(self) -> float:
        row = self.db.execute("SELECT received_at FROM blocks ORDER BY first DESC LIMIT 1").fetchone()
        return float(row[0]) if row else 0.0

    def blocks(self, after: int, source_id: SourceId | None) -> Iterator[Block]:
        """Yields blocks in order, from the one that holds `after + 1`."""
        only = "" if source_id is None else "AND source_id = :source"
        rows = self.db.execute(
            f"""SELECT first, size, source_id, received_at, bodies FROM blocks
                WHERE first >= (SELECT coalesce(max(first), 0) FROM blocks WHERE first <= :next) {only}
                ORDER BY first""",
            {"next": after + 1, "source": source_id},
        )
        for first, size, source, received_at, bodies in rows:
            yield Block(Position(first), size, SourceId(source), datetime.fromtimestamp(received_at, UTC), bodies)

    def delete(self) -> int:
        """Deletes the files. Returns the number of bytes that the disk has again."""
        self.db.close()
        freed = 0
        for suffix in ("", "-wal", "-shm"):
            file = self.path.with_name(self.path.name + suffix)
            if file.exists():
                freed += file.stat().st_size
                file.unlink()
        return freed


def _make_segment(path: Path, counts: Sequence[Sequence[object]]) -> None:
    """Makes a segment under another name, then renames it: nobody ever opens one without its tables or counts."""
    part = path.with_suffix(".part")
    for left_over in part.parent.glob(f"{part.name}*"):
        left_over.unlink()
    with contextlib.closing(sqlite3.connect(part, isolation_level=None)) as db:
        db.execute(f"PRAGMA page_size = {_PAGE_BYTES}")
        db.executescript(f"BEGIN; {_SCHEMA}")
        db.executemany("INSERT INTO counts VALUES (?, ?, ?, ?, ?)", counts)
        db.execute("COMMIT")
        db.execute("PRAGMA journal_mode = WAL")
    part.replace(path)
    _sync_folder(path.parent)


def _sync_folder(folder: Path) -> None:
    """Makes the names of new files durable, which their own fsync does not promise."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


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
        self._directory = directory.absolute()
        self._clock = clock
        self._window = dedup_window
        self._segment_bytes = segment_bytes
        self._read_only = read_only
        self._segments: dict[Path, _Segment] = {}
        self._lock: IO[str] | None = None
        self._writing = threading.Lock()
        if not read_only:
            directory.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._lock = _locked(directory / "lock")
            self._dedup = DedupIndex(directory / "dedup", window_s=dedup_window.total_seconds())
            with _errors_translated():
                self._refresh()
                self._end = self._current().last() if self._segments else 0
                self._recall()

    def append(self, batch: Sequence[Append]) -> list[Appended]:
        prints = fingerprints_of(batch)
        flat = [mark for marks in prints for mark in marks]
        result = sort_out(batch, prints, self._dedup.known(flat))
        now = self._clock().timestamp()
        with self._writing, _errors_translated():
            segment = self._writable()
            end = self._write(segment, result, now)
            self._end = end
            self._dedup.add((mark for fresh in result.fresh.values() for mark, _ in fresh), at_s=now, through=end)
            self._dedup.forget(now)
        return result.appended

    def read(self, after: Position, *, max_events: int, source_id: SourceId | None = None) -> list[Block]:
        blocks: list[Block] = []
        with _errors_translated():
            self._refresh()
            segments = list(self._segments.values())
            for number, segment in enumerate(segments):
                if number + 1 < len(segments) and segments[number + 1].first <= after + 1:
                    continue
                for block in segment.blocks(after, source_id):
                    part = cut(block, after, max_events)
                    if part is not None:
                        blocks.append(part)
                        max_events -= part.size
                    if max_events <= 0:
                        return blocks
        return blocks

    def count(self, after: Position, source_id: SourceId, *, through: Position | None = None) -> int:
        """Counts in SQL, without reading bodies."""
        last = _LAST if through is None else max(after, through)
        with _errors_translated():
            self._refresh()
            return sum(
                segment.db.execute(_COUNT_BETWEEN, {"after": after, "through": last, "source": source_id}).fetchone()[0]
                for segment in self._segments.values()
            )

    def start(self) -> Position:
        with _errors_translated():
            self._refresh()
            return Position(min((segment.first - 1 for segment in self._segments.values()), default=0))

    def end(self) -> Position:
        if not self._read_only:
            return Position(self._end)
        with _errors_translated():
            self._refresh()
            return Position(self._current().last() if self._segments else 0)

    def older(self, before: datetime) -> Position:
        with _errors_translated():
            self._refresh()
            return Position(max((segment.last() for _, segment in self._older(before)), default=0))

    def trim(self, *, before: datetime, keep_after: Position) -> int:
        with self._writing, _errors_translated():
            freed = 0
            for path, segment in self._older(before):
                if segment.last() > keep_after:
                    break
                if segment.last() > self._dedup.through():  # its fingerprints are nowhere else on disk
                    self._dedup.seal()
                freed += segment.delete()
                del self._segments[path]
            return freed

    def _older(self, before: datetime) -> Iterator[tuple[Path, _Segment]]:
        """Yields the closed segments whose events were all received before `before`; the newest is never closed."""
        closed = list(self._segments.items())[:-1]
        return takewhile(lambda each: each[1].newest() < before.timestamp(), closed)

    def ingest_counts(self) -> list[IngestCount]:
        with _errors_translated():
            self._refresh()
            if not self._segments:
                return []
            rows = self._current().db.execute("SELECT source_id, code, total, sample, detail FROM counts").fetchall()
        return [
            IngestCount(SourceId(source), code, total, sample, detail) for source, code, total, sample, detail in rows
        ]

    def close(self) -> None:
        for segment in self._segments.values():
            segment.db.close()
        self._segments = {}
        if self._lock is not None:
            self._lock.close()

    def _write(self, segment: _Segment, result: Sorted, now: float) -> int:
        """Commits one batch and returns the log's new end. After an error nothing of it is on disk."""
        end = self._end
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
            if segment.db.in_transaction:
                segment.db.execute("ROLLBACK")
            raise
        return end

    def _writable(self) -> _Segment:
        if self._segments:
            newest = self._current()
            if newest.bytes() < self._segment_bytes:
                return newest
        return self._begin_segment()

    def _begin_segment(self) -> _Segment:
        counts = self._current().db.execute("SELECT * FROM counts").fetchall() if self._segments else []
        path = self._directory / f"{self._end + 1:020}.db"
        if not path.exists():  # an earlier try made it and failed to open it; a reader may hold it by now
            _make_segment(path, counts)
        segment = self._segments[path] = _Segment(path, writable=True)
        return segment

    def _current(self) -> _Segment:
        return next(reversed(self._segments.values()))

    def _refresh(self) -> None:
        """Opens segments that are new in the folder, and closes those that were trimmed."""
        paths = sorted(self._directory.glob("*.db"))
        for path in self._segments.keys() - set(paths):
            self._segments.pop(path).db.close()
        for path in paths:
            if path not in self._segments:
                self._segments[path] = _Segment(path, writable=not self._read_only)

    def _recall(self) -> None:
        """Reads the fingerprints that came after the last run of the index was written."""
        oldest = (self._clock() - self._window).timestamp()
        through = self._dedup.through()
        for segment in self._segments.values():
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
