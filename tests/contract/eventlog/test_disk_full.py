"""The event log on a full disk: it says so, keeps what it acknowledged, takes no half batch, and goes on by itself."""

import asyncio
import json
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tifo.api.tracking import TrackingApi
from tifo.eventlog.blocks import fingerprint
from tifo.eventlog.dedup import DedupIndex
from tifo.eventlog.ports import Append, Appended
from tifo.eventlog.segments import Segment
from tifo.eventlog.sqlite import SqliteEventLog
from tifo.kernel.batching import GroupCommit
from tifo.kernel.errors import Transient
from tifo.kernel.ids import MessageId, Position, SourceId, uuid7
from tifo.tracking.envelope import Message, Refused
from tifo.workspace.model import Source, SourceType, WriteKey

A = SourceId("a")
NOW = datetime(2026, 11, 24, 10, 59, tzinfo=UTC)
BATCH = 50
Full = Callable[[], AbstractContextManager[None]]
FullDisk = Callable[[int], AbstractContextManager[None]]


@pytest.fixture
def log(tmp_path: Path) -> Iterator[SqliteEventLog]:
    made = SqliteEventLog(tmp_path, clock=lambda: NOW)
    made.append([append(0)])
    yield made
    made.close()


@pytest.fixture(params=["SQLite is told so", "the system refuses"])
def full(request: pytest.FixtureRequest, log: SqliteEventLog, full_disk: FullDisk) -> Full:
    """The disk is full at 400 KB."""
    if request.param == "the system refuses":
        return lambda: full_disk(400_000)

    @contextmanager
    def told() -> Iterator[None]:
        db = _newest(log).db
        [default] = db.execute("PRAGMA max_page_count").fetchone()
        db.execute("PRAGMA max_page_count = 25")
        try:
            yield
        finally:
            db.execute(f"PRAGMA max_page_count = {default}")

    return told


def append(number: int) -> Append:
    """The n-th batch: about 13 KB of events, and one that is refused."""
    messages = [
        Message(MessageId(f"{number}-{n}"), json.dumps({"messageId": f"{number}-{n}", "text": "x" * 200}).encode())
        for n in range(BATCH)
    ]
    return Append(A, NOW, messages, [Refused("bad_request", "why", b"what")])


def ids(log: SqliteEventLog) -> list[str]:
    blocks = log.read(Position(0), max_events=100_000)
    return [json.loads(line)["messageId"] for block in blocks for line in block.bodies.splitlines()]


def fill(log: SqliteEventLog) -> int:
    """Returns the number of the batch that was refused."""
    for number in range(1, 1_000):
        try:
            log.append([append(number)])
        except Transient:
            return number
    pytest.fail("the disk was never full")


def expected(batches: int) -> list[str]:
    return [f"{number}-{n}" for number in range(batches) for n in range(BATCH)]


def test_a_full_disk_refuses_the_whole_batch_and_the_log_goes_on_when_there_is_space(
    log: SqliteEventLog, full: Full, tmp_path: Path
) -> None:
    with full():
        refused = fill(log)
        assert refused > 3
        with pytest.raises(Transient):
            log.append([append(refused)])
        assert log.end() == refused * BATCH
        assert ids(log) == expected(refused), "what was acknowledged can be read"
        reader = SqliteEventLog(tmp_path, read_only=True)
        assert ids(reader) == expected(refused), "and by others"
        reader.close()
    assert log.append([append(refused)]) == [(BATCH, 0)], "nothing of it was taken for a duplicate"
    assert log.append([append(refused), append(0)]) == [(0, BATCH)] * 2
    assert ids(log) == expected(refused + 1)
    counts = {count.code: count.total for count in log.ingest_counts()}
    assert counts == {
        "received": (refused + 1) * BATCH,
        "duplicate": 2 * BATCH,
        "bad_request": refused + 3,
    }, "a refused batch counts nothing"
    log.close()
    again = SqliteEventLog(tmp_path, clock=lambda: NOW)
    assert ids(again) == expected(refused + 1)
    again.close()


def test_a_segment_that_cannot_be_begun_leaves_no_half_of_it(tmp_path: Path, full_disk: FullDisk) -> None:
    log = SqliteEventLog(tmp_path, clock=lambda: NOW, segment_bytes=60_000)
    number = 0
    log.append([append(number)])
    while _newest(log).bytes() < 60_000:
        log.append([append(number := number + 1)])
    segments = len(list(tmp_path.glob("*.db")))
    reader = SqliteEventLog(tmp_path, read_only=True)
    for most in (0, 20_000, 40_000):
        with full_disk(most):
            with pytest.raises(Transient):
                log.append([append(number + 1)])
            assert len(list(tmp_path.glob("*.db"))) == segments
            assert ids(reader) == ids(log) == expected(number + 1)
    assert log.append([append(number + 1)]) == [(BATCH, 0)]
    assert len(list(tmp_path.glob("*.db"))) == segments + 1
    assert list(tmp_path.glob("*.part*")) == []
    assert ids(reader) == ids(log) == expected(number + 2)
    assert {count.code: count.total for count in reader.ingest_counts()} == {
        "received": (number + 2) * BATCH,
        "bad_request": number + 2,
    }, "counts are carried on into the new segment"
    reader.close()
    log.close()


def test_duplicates_stay_known_where_their_index_cannot_be_written(tmp_path: Path, full_disk: FullDisk) -> None:
    index = DedupIndex(tmp_path, window_s=90_000, max_recent=300)
    marks = [fingerprint(A, str(number)) for number in range(1_000)]
    with full_disk(4_000):
        for place in range(0, 1_000, 100):
            index.add(marks[place : place + 100], at_s=NOW.timestamp(), through=place + 100)
        index.add([], at_s=NOW.timestamp() + 3_600, through=1_000)
        assert set(index.known(marks)) == set(marks)
        assert list(tmp_path.iterdir()) == [], "not even half a file"
        assert index.through() == 0, "after a restart they are read from the log again"
    index.add([], at_s=NOW.timestamp() + 3_600, through=1_000)
    assert set(index.known(marks)) == set(marks)
    [run] = tmp_path.glob("*.npy")
    assert np.load(run).shape == (2, 1_000)
    assert DedupIndex(tmp_path, window_s=90_000).through() == 1_000


def test_an_event_that_is_sent_again_after_its_index_could_not_be_written_is_stored_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [NOW]
    log = SqliteEventLog(tmp_path, clock=lambda: now[0])
    log.append([append(0)])
    now[0] += timedelta(hours=1)  # the hour's fingerprints are to be written with the next append

    def refuse(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as disk:
        disk.setattr(np, "save", refuse)
        assert log.append([append(1)]) == [(BATCH, 0)], "durable, so not to be sent again"
        assert log.append([append(1), append(0)]) == [(0, BATCH)] * 2
    assert log.append([append(1), append(0)]) == [(0, BATCH)] * 2
    assert ids(log) == expected(2)
    log.close()


def test_trimming_frees_a_full_disk(tmp_path: Path, full_disk: FullDisk) -> None:
    log = SqliteEventLog(tmp_path, clock=lambda: NOW, segment_bytes=60_000)
    for number in range(20):
        log.append([append(number)])
    log._dedup.seal()
    log.append([append(20)])
    with full_disk(0):
        assert log.trim(before=NOW + timedelta(hours=1), keep_after=log.end()) > 100_000
    assert log.append([append(0)]) == [(0, BATCH)]
    log.close()


async def test_a_client_is_told_503_and_when_to_come_again_until_there_is_space(
    log: SqliteEventLog, full: Full
) -> None:
    source = Source(
        id=A,
        name="A",
        slug="a",
        schema="a",
        type=SourceType.HTTP,
        enabled=True,
        created_at=NOW,
        keys=(WriteKey("key", NOW),),
    )
    commits = GroupCommit[Append, Appended](log.append, max_batch=1_000, max_waiting=1_000)
    api = TrackingApi(commits, {"key": source}.get, lambda: NOW, uuid7)

    async def send_event(number: int) -> tuple[int, dict[bytes, bytes]]:
        body = {"writeKey": "key", "messageId": f"m-{number}", "event": "E", "userId": "u"}
        raw = json.dumps({**body, "properties": {"text": "x" * 30_000}}).encode()
        answers: list[Any] = []

        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": raw}

        async def send(message: Any) -> None:
            answers.append(message)

        await api({"type": "http", "method": "POST", "path": "/v1/track", "headers": []}, receive, send)
        return answers[0]["status"], dict(answers[0]["headers"])

    with full():
        statuses = [(await send_event(number))[0] for number in range(20)]
        assert set(statuses) == {200, 503}
        status, headers = await send_event(19)
        assert (status, headers[b"retry-after"]) == (503, b"1")
    assert [(await send_event(number))[0] for number in range(20)] == [200] * 20
    assert ids(log) == [*expected(1), *(f"m-{number}" for number in range(20))]
    async with asyncio.timeout(10):
        await commits.close()


def _newest(log: SqliteEventLog) -> Segment:
    newest = log._folder.newest()
    assert newest is not None
    return newest
