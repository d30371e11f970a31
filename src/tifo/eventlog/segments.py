"""Makes, opens and deletes the files of a SQLite log: one folder, one file a segment, one row a commit and source.

`log/00000000000000000001.db` begins with position 1 or a later one: each opening of the log leaves a gap. Retention
deletes whole segments, because deleting rows would give no disk space back. A row holds many events, so SQLite's cost
arises once a commit. Each new segment begins with the counts of the one before it: the newest holds the totals.
"""

import contextlib
import os
import sqlite3
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from itertools import takewhile
from pathlib import Path

from tifo.eventlog.ports import Block, consecutive
from tifo.kernel.ids import SourceId

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
_PAGE_BYTES = 16_384


class Segment:
    """Reads and deletes one file. `first` is the position that its first event has or will have."""

    def __init__(self, path: Path, *, writable: bool) -> None:
        self.path = path
        self.first = int(path.stem)
        mode = "rw" if writable else "ro"
        # The driver begins no transactions of its own: `SqliteEventLog` writes BEGIN and COMMIT. Appends, reads and
        # trims come from different threads.
        self.db = sqlite3.connect(
            f"{path.as_uri()}?mode={mode}", uri=True, isolation_level=None, check_same_thread=False, timeout=10
        )
        try:
            # With NORMAL, a write-ahead log is synced at checkpoints only: a power cut would lose events that were
            # answered with 200.
            self.db.execute("PRAGMA synchronous = FULL")
        except BaseException:
            # A file that is no database fails at this first statement, not at connect.
            self.db.close()
            raise

    def last(self) -> int:
        # The last row by key is one step in the tree; max() of the sum would read every row.
        row = self.db.execute("SELECT first + size - 1 FROM blocks ORDER BY first DESC LIMIT 1").fetchone()
        return int(row[0]) if row else self.first - 1

    def last_before(self, moment: datetime) -> int | None:
        """Returns the last position that was received before `moment`; None where the segment holds none."""
        # One step in the tree spares most segments the search below, which reads every block from the end on, as times
        # have no index.
        oldest = self.db.execute("SELECT received_at FROM blocks ORDER BY first LIMIT 1").fetchone()
        if oldest is None or oldest[0] >= moment.timestamp():
            return None
        row = self.db.execute(
            "SELECT first + size - 1 FROM blocks WHERE received_at < ? ORDER BY first DESC LIMIT 1",
            (moment.timestamp(),),
        ).fetchone()
        return int(row[0])

    def holds(self, position: int) -> bool:
        row = self.db.execute(
            "SELECT first + size - 1 FROM blocks WHERE first <= ? ORDER BY first DESC LIMIT 1", (position,)
        ).fetchone()
        return row is not None and int(row[0]) >= position

    def between(self, after: int, through: int, source_id: SourceId | None) -> int:
        """Counts in SQL, without reading bodies. A block that an end divides counts with its part inside."""
        only = "" if source_id is None else "AND source_id = :source"
        counted = self.db.execute(
            f"""SELECT coalesce(sum(min(first + size - 1, :through) - max(first - 1, :after)), 0) FROM blocks
                WHERE first >= (SELECT coalesce(max(first), 0) FROM blocks WHERE first <= :after)
                AND first + size - 1 > :after AND first <= :through {only}""",
            {"after": after, "through": through, "source": source_id},
        )
        return int(counted.fetchone()[0])

    def bytes(self) -> int:
        # Counted in pages, as the file grows at checkpoints only and what is committed waits in the write-ahead log.
        pages: int = self.db.execute("PRAGMA page_count").fetchone()[0]
        return pages * _PAGE_BYTES

    def newest_received_at(self) -> float:
        row = self.db.execute("SELECT received_at FROM blocks ORDER BY first DESC LIMIT 1").fetchone()
        return float(row[0]) if row else 0.0

    def blocks(self, after: int, source_id: SourceId | None) -> Iterator[Block]:
        """Yields blocks in order, from the one that holds `after + 1`."""
        only = "" if source_id is None else "AND source_id = :source"
        # The block that holds the next position may begin before it.
        rows = self.db.execute(
            f"""SELECT first, size, source_id, received_at, bodies FROM blocks
                WHERE first >= (SELECT coalesce(max(first), 0) FROM blocks WHERE first <= :next) {only}
                ORDER BY first""",
            {"next": after + 1, "source": source_id},
        )
        for first, size, source, received_at, bodies in rows:
            yield Block(
                positions=consecutive(first, size),
                source_id=SourceId(source),
                received_at=datetime.fromtimestamp(received_at, UTC),
                bodies=bodies,
            )

    def delete(self) -> int:
        """Deletes the files. Returns the number of bytes that the disk has again."""
        self.db.close()
        freed = 0
        # Closing removes the other two, unless a reader holds the file open. After a crash in between they stay alone,
        # and nobody opens them: no later segment has this name.
        for suffix in ("", "-wal", "-shm"):
            file = self.path.with_name(self.path.name + suffix)
            if file.exists():
                freed += file.stat().st_size
                file.unlink()
        return freed


class SegmentFolder:
    """Holds the segments of one folder open, in the order of their positions."""

    def __init__(self, directory: Path, *, writable: bool) -> None:
        # A segment is opened by its URI, which needs an absolute path; the folder may be given as `.`.
        self._directory = directory.absolute()
        self._writable = writable
        self._segments: dict[Path, Segment] = {}

    def refresh(self) -> list[Segment]:
        """Opens segments that are new in the folder, and closes those that were trimmed. Returns the open ones."""
        paths = sorted(self._directory.glob("*.db"))
        for path in self._segments.keys() - set(paths):
            # Another process has trimmed it: while it is open here, the disk keeps its bytes.
            self._segments.pop(path).db.close()
        for path in paths:
            if path not in self._segments:
                self._segments[path] = Segment(path, writable=self._writable)
        return list(self._segments.values())

    def newest(self) -> Segment | None:
        return next(reversed(self._segments.values()), None)

    def closed_before(self, before: datetime) -> Iterator[Segment]:
        """Yields the closed segments whose events were all received before `before`; the newest is never closed."""
        closed = list(self._segments.values())[:-1]
        return takewhile(lambda each: each.newest_received_at() < before.timestamp(), closed)

    def begin(self, first: int) -> Segment:
        """Makes and opens the segment whose first event will have the position `first`."""
        newest = self.newest()
        counts = [] if newest is None else newest.db.execute("SELECT * FROM counts").fetchall()
        # Twenty digits: so the names sort as the positions do.
        path = self._directory / f"{first:020}.db"
        if not path.exists():  # an earlier try made it and failed to open it; a reader may hold it by now
            _make(path, counts)
        segment = self._segments[path] = Segment(path, writable=True)
        return segment

    def delete(self, segment: Segment) -> int:
        """Deletes the segment's files. Returns the number of bytes that the disk has again."""
        freed = segment.delete()
        del self._segments[segment.path]
        return freed

    def close(self) -> None:
        for segment in self._segments.values():
            segment.db.close()
        self._segments = {}


def _make(path: Path, counts: Sequence[Sequence[object]]) -> None:
    """Makes a segment under another name, then renames it: nobody ever opens one without its tables or counts."""
    part = path.with_suffix(".part")
    for left_over in part.parent.glob(f"{part.name}*"):
        left_over.unlink()
    with contextlib.closing(sqlite3.connect(part, isolation_level=None)) as db:
        # Both pragmas have their place: SQLite changes no page size of a file with tables, or in WAL mode.
        db.execute(f"PRAGMA page_size = {_PAGE_BYTES}")
        db.executescript(f"BEGIN; {_SCHEMA}")
        db.executemany("INSERT INTO counts VALUES (?, ?, ?, ?, ?)", counts)
        db.execute("COMMIT")
        db.execute("PRAGMA journal_mode = WAL")
    part.replace(path)
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Makes the names of new files durable, which their own fsync does not promise."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
