"""A log is copied while it grows: the copy is the beginning of the log, and lacks nothing in between."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from tifo.app.backups import backup
from tifo.app.backups.files import copy_sqlite
from tifo.eventlog.ports import Append
from tifo.eventlog.sqlite import SqliteEventLog
from tifo.kernel.ids import START, MessageId, SourceId
from tifo.tracking.envelope import Message


def _append(log: SqliteEventLog, first: int, count: int) -> None:
    for number in range(first, first + count):
        body = b'{"messageId":"%d","filler":"%s"}' % (number, b"x" * 2_000)
        log.append([Append(SourceId("a"), datetime.now(UTC), [Message(MessageId(str(number)), body)])])


def test_a_segment_that_is_begun_while_another_is_copied_leaves_no_gap(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = SqliteEventLog(tmp_path / "log", segment_bytes=100_000)
    _append(log, 0, 10)

    def copy_and_grow(source: Path, target: Path) -> None:
        copy_sqlite(source, target)
        _append(log, 10, 200)

    monkeypatch.setattr(backup, "copy_sqlite", copy_and_grow)
    backup._copy_log(tmp_path / "log", tmp_path / "copy")
    assert len(list((tmp_path / "log").glob("*.db"))) > 1, "another segment was begun"
    copy = SqliteEventLog(tmp_path / "copy", read_only=True)
    copied = [line for block in copy.read(START, max_events=1_000) for line in block.bodies.splitlines()]
    logged = [line for block in log.read(START, max_events=1_000) for line in block.bodies.splitlines()]
    assert len(copied) == 10
    assert copied == logged[:10]
    copy.close()
    log.close()
