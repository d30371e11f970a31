from datetime import UTC, datetime

from tifo.delivery.loading.backlog import Backlog, BacklogMeter, should_flush
from tifo.eventlog.memory import MemoryEventLog
from tifo.eventlog.ports import Append
from tifo.kernel.ids import MessageId, Position, SourceId
from tifo.tracking.envelope import Message


def test_a_flush_waits_for_time_or_number() -> None:
    def flushes(events: int, seconds: float) -> bool:
        return should_flush(Backlog(events, seconds), flush_s=2, flush_events=100)

    assert not flushes(0, 5)
    assert not flushes(99, 1.9)
    assert flushes(1, 2)
    assert flushes(100, 0)


def test_events_wait_from_the_first_time_that_they_are_seen_until_they_are_loaded() -> None:
    log = MemoryEventLog()
    meter = BacklogMeter("events", log)
    assert meter.measure(10.0) == Backlog(0, 0.0)
    _append(log, "a")
    assert meter.measure(11.0) == Backlog(1, 0.0)
    _append(log, "b")
    assert meter.measure(13.5) == Backlog(2, 2.5)
    meter.loaded(Position(1))
    assert meter.measure(14.0) == Backlog(1, 0.0)
    meter.loaded(log.end())
    assert meter.measure(15.0) == Backlog(0, 0.0)


def _append(log: MemoryEventLog, name: str) -> None:
    log.append([Append(SourceId("s"), datetime(2026, 11, 24, tzinfo=UTC), [Message(MessageId(name), b"{}")])])
