"""What every event log does, over each implementation."""

import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tifo.eventlog.blocks import fingerprint
from tifo.eventlog.dedup import DedupIndex
from tifo.eventlog.memory import MemoryEventLog
from tifo.eventlog.ports import Append, EventLog, Lineage, read_on
from tifo.eventlog.sqlite import SqliteEventLog
from tifo.kernel.errors import Transient
from tifo.kernel.ids import START, MessageId, Position, SourceId
from tifo.tracking.envelope import Message, Refused

A, B = SourceId("a"), SourceId("b")
Open = Callable[[], EventLog]


class Clock:
    def __init__(self) -> None:
        self.now = datetime(2026, 11, 24, 10, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture(params=["memory", "sqlite"])
def log(request: pytest.FixtureRequest, tmp_path: Path, clock: Clock) -> Iterator[EventLog]:
    made: EventLog = MemoryEventLog() if request.param == "memory" else SqliteEventLog(tmp_path, clock=clock)
    yield made
    made.close()


def append(clock: Clock, source: SourceId, *ids: str, refused: int = 0) -> Append:
    messages = [Message(MessageId(each), f'{{"messageId":"{each}"}}'.encode()) for each in ids]
    return Append(source, clock(), messages, [Refused("bad_request", "why", b"what")] * refused)


def ids(log: EventLog, after: int = 0, most: int = 1000, source: SourceId | None = None) -> list[str]:
    blocks = log.read(Position(after), max_events=most, source_id=source)
    return [line.split(b'"')[3].decode() for block in blocks for line in block.bodies.splitlines()]


def test_events_stand_in_order_without_gaps(log: EventLog, clock: Clock) -> None:
    assert (log.start(), log.end()) == (0, 0)
    assert log.append([append(clock, A, "1", "2"), append(clock, A, "3")]) == [(2, 0), (1, 0)]
    log.append([append(clock, A, "4")])
    assert log.end() == 4
    assert ids(log) == ["1", "2", "3", "4"]
    blocks = log.read(Position(0), max_events=10)
    assert [position for block in blocks for position in block.positions] == [1, 2, 3, 4]
    assert [(block.before, block.last, block.size) for block in blocks] == [(0, 3, 3), (3, 4, 1)]


def test_a_reader_goes_on_where_it_was_and_takes_as_much_as_it_wants(log: EventLog, clock: Clock) -> None:
    log.append([append(clock, A, *map(str, range(10)))])
    log.append([append(clock, A, *map(str, range(10, 15)))])
    assert ids(log, after=3, most=4) == ["3", "4", "5", "6"]
    assert ids(log, after=8, most=4) == ["8", "9", "10", "11"]
    assert ids(log, after=15) == []


def test_a_reader_of_one_source_sees_that_source_only(log: EventLog, clock: Clock) -> None:
    log.append([append(clock, A, "a1"), append(clock, B, "b1", "b2")])
    log.append([append(clock, A, "a2")])
    assert ids(log, source=A) == ["a1", "a2"]
    assert ids(log, source=B) == ["b1", "b2"]


def test_what_a_source_has_behind_a_position_is_counted(log: EventLog, clock: Clock) -> None:
    log.append([append(clock, A, "a", "b", "c"), append(clock, B, "d"), append(clock, A, "e")])
    log.append([append(clock, A, "f")])
    counted = [log.behind(Position(after), A) for after in range(8)]
    assert counted == [len(ids(log, after=after, source=A)) for after in range(8)]
    assert (counted[0], log.behind(START, SourceId("none"))) == (5, 0)
    assert [log.behind(Position(after)) for after in range(8)] == [6, 5, 4, 3, 2, 1, 0, 0]
    for after in range(8):
        between = [log.behind(Position(after), A, through=Position(through)) for through in range(8)]
        assert between == [max(0, counted[after] - counted[through]) for through in range(8)]


def test_a_log_says_what_it_had_received_before_a_moment(log: EventLog, clock: Clock) -> None:
    assert log.before(clock.now) == START
    log.append([append(clock, A, "a", "b")])
    clock.now += timedelta(minutes=1)
    assert (log.before(clock.now - timedelta(minutes=1)), log.before(clock.now)) == (START, 2)
    log.append([append(clock, B, "c")])
    assert (log.before(clock.now), log.before(clock.now + timedelta(seconds=1))) == (2, 3)


def test_a_position_beyond_the_log_is_of_another_history(log: EventLog, clock: Clock) -> None:
    assert log.lineage(START) is Lineage.OWN
    log.append([append(clock, A, "a", "b")])
    assert [log.lineage(Position(each)) for each in range(4)] == [*[Lineage.OWN] * 3, Lineage.AHEAD]
    assert (read_on(log, Position(2)), read_on(log, Position(3))) == (2, START)


def test_a_message_that_came_before_is_a_duplicate(log: EventLog, clock: Clock) -> None:
    assert log.append([append(clock, A, "1", "1"), append(clock, A, "1", "2")]) == [(1, 1), (1, 1)]
    clock.now += timedelta(hours=24)
    assert log.append([append(clock, A, "1"), append(clock, B, "1")]) == [(0, 1), (1, 0)]
    assert ids(log) == ["1", "2", "1"]


def test_after_the_window_a_message_id_is_new_again(log: EventLog, clock: Clock) -> None:
    log.append([append(clock, A, "1")])
    clock.now += timedelta(hours=27)
    log.append([append(clock, A, "2")])
    assert log.append([append(clock, A, "1")]) == [(1, 0)]


def test_what_was_refused_is_counted_with_its_newest_sample(log: EventLog, clock: Clock) -> None:
    log.append([append(clock, A, "1", "1", refused=2)])
    log.append([append(clock, A, refused=1)])
    counts = {count.code: count for count in log.ingest_counts()}
    assert {code: count.total for code, count in counts.items()} == {"received": 1, "duplicate": 1, "bad_request": 3}
    assert (counts["bad_request"].sample, counts["bad_request"].detail) == (b"what", "why")


def test_events_that_were_refused_together_are_counted_each(log: EventLog, clock: Clock) -> None:
    log.append([Append(A, clock(), [], [Refused("unknown_source", "why", b"what", events=20)] * 2)])
    assert [(count.code, count.total) for count in log.ingest_counts()] == [("unknown_source", 40)]


def test_the_sqlite_log_keeps_all_of_it_when_opened_again(tmp_path: Path, clock: Clock) -> None:
    with_old = SqliteEventLog(tmp_path, clock=clock)
    with_old.append([append(clock, A, "1", refused=1)])
    with_old.close()
    log = SqliteEventLog(tmp_path, clock=clock)
    assert log.append([append(clock, A, "1", "2")]) == [(1, 1)]
    assert ids(log) == ["1", "2"]
    assert {count.code: count.total for count in log.ingest_counts()} == {
        "received": 2,
        "duplicate": 1,
        "bad_request": 1,
    }
    log.close()


def test_trimming_gives_disk_space_back_and_keeps_duplicates_and_counts_known(tmp_path: Path, clock: Clock) -> None:
    log = SqliteEventLog(tmp_path, clock=clock, segment_bytes=200_000)
    for batch in range(40):
        log.append([append(clock, A, *(f"{batch}-{n}" for n in range(200)))])
    before = _size(tmp_path)
    assert log.trim(before=clock.now, keep_after=log.end()) == 0, "nothing is old enough"
    assert log.older(clock.now) == 0
    clock.now += timedelta(hours=2)
    assert log.trim(before=clock.now, keep_after=Position(0)) == 0, "nothing was read yet"
    forgets = log.older(clock.now)
    assert log.trim(before=clock.now, keep_after=log.end()) > 0
    assert log.start() == forgets
    assert _size(tmp_path) < before / 2
    assert log.start() > 0
    assert log.end() == 8_000
    assert ids(log, most=1) == [f"{log.start() // 200}-{log.start() % 200}"]
    assert log.append([append(clock, A, "0-0")]) == [(0, 1)]
    log.close()
    again = SqliteEventLog(tmp_path, clock=clock)
    assert again.append([append(clock, A, "0-1", "39-199", "new")]) == [(1, 2)]
    assert {c.code: c.total for c in again.ingest_counts()} == {"received": 8_001, "duplicate": 3}
    again.close()


def test_duplicates_are_found_among_many_runs_on_disk(tmp_path: Path, clock: Clock) -> None:
    index = DedupIndex(tmp_path, window_s=90_000, max_recent=50)
    marks = [fingerprint(A, str(number)) for number in range(3_000)]
    for place in range(0, 3_000, 25):
        index.add(marks[place : place + 25], at_s=clock().timestamp(), through=place + 25)
    assert set(index.known(marks)) == set(marks)
    assert index.known([fingerprint(A, "other")]) == []
    assert len(list(tmp_path.glob("*.npy"))) < 20, "runs merge"
    again = DedupIndex(tmp_path, window_s=90_000)
    assert len(again.known(marks)) == again.through() == 3_000
    again.forget(clock().timestamp() + 100_000)
    assert again.known(marks) == []
    assert list(tmp_path.glob("*.npy")) == []


@pytest.mark.concurrency
def test_a_second_writer_is_refused_and_readers_see_each_commit(tmp_path: Path, clock: Clock) -> None:
    log = SqliteEventLog(tmp_path, clock=clock, segment_bytes=100_000)
    with pytest.raises(Transient, match="Another process writes"):
        SqliteEventLog(tmp_path, clock=clock)
    reader = SqliteEventLog(tmp_path, clock=clock, read_only=True)
    for batch in range(20):
        log.append([append(clock, A, *(f"{batch}-{n}" for n in range(100)))])
        assert reader.end() == (batch + 1) * 100
    assert len(ids(reader, most=10_000)) == 2_000
    reader.close()
    log.close()


_CHILD = """
import sys
from datetime import UTC, datetime
from pathlib import Path
from tifo.eventlog.ports import Append, Lineage, read_on
from tifo.eventlog.sqlite import SqliteEventLog
from tifo.tracking.envelope import Message
log = SqliteEventLog(Path(sys.argv[1]), segment_bytes=300_000)
number = log.behind(0)
while True:
    ids = [f"{number + n}" for n in range(50)]
    log.append([Append("a", datetime.now(UTC), [Message(i, b'{"messageId":"%s"}' % i.encode()) for i in ids])])
    number += 50
    print(number, flush=True)
"""


@pytest.mark.kill
def test_a_killed_writer_has_all_that_it_acknowledged(tmp_path: Path) -> None:
    acknowledged = 0
    for _ in range(4):
        with subprocess.Popen(
            [sys.executable, "-c", _CHILD, str(tmp_path)], stdout=subprocess.PIPE, text=True
        ) as child:
            assert child.stdout is not None
            for _ in range(20):
                acknowledged = int(child.stdout.readline())
            child.kill()
    log = SqliteEventLog(tmp_path)
    events = log.behind(START)
    assert events >= acknowledged
    assert ids(log, most=10**6) == [str(number) for number in range(events)]
    again = [Message(MessageId(str(number)), b"{}") for number in range(events)]
    [(stored, duplicates)] = log.append([Append(A, datetime.now(UTC), again)])
    assert (stored, duplicates) == (0, len(again)), "what is in the log is known as a duplicate after the crash"
    log.close()


def _size(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.glob("*.db*"))
