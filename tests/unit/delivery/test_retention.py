from datetime import UTC, datetime

from tifo.delivery.memory import MemoryDeliveryState
from tifo.delivery.ports import DeliveryCursor
from tifo.delivery.retention import expire, loaded_through
from tifo.eventlog.memory import MemoryEventLog
from tifo.eventlog.ports import Append
from tifo.kernel.ids import DestinationId, MessageId, Position, SourceId
from tifo.tracking.envelope import Message
from tifo.warehouses.ports import Cursor
from tifo.workspace.model import Source, SourceType, WriteKey

NOW = datetime(2026, 11, 24, tzinfo=UTC)


def source(name: str) -> Source:
    return Source(
        id=SourceId(name),
        name=name,
        slug=name,
        schema=name,
        type=SourceType.HTTP,
        enabled=True,
        created_at=NOW,
        keys=(WriteKey(name, NOW),),
    )


def test_only_a_destinations_own_source_expires_and_only_as_far_as_the_log_does() -> None:
    log, state, hook = MemoryEventLog(), MemoryDeliveryState(), DestinationId("hook")
    for name in "aba":
        bodies = [(f"{log.end()}-{number}", b'{"type": "track", "messageId": "m"}') for number in range(10)]
        log.append([Append(SourceId(name), NOW, [Message(MessageId(each), body) for each, body in bodies])])
    state.add(hook, Position(0))
    assert expire(log, state, [DeliveryCursor(hook, SourceId("a"), Position(0))], Position(25)) == 25
    status = state.status(hook)
    assert (status.position, status.received, status.expired) == (25, 15, 15)


def test_what_one_source_has_not_loaded_is_kept_and_a_quiet_source_keeps_nothing() -> None:
    log = MemoryEventLog()
    for name in ("a", "b", "b", "a"):
        number = log.end()
        log.append([Append(SourceId(name), NOW, [Message(MessageId(str(number)), b"{}")])])
    sources = [source("a"), source("b"), source("quiet")]

    def through(**positions: int) -> int:
        cursors = {name: Cursor(name, Position(position)) for name, position in positions.items()}
        return loaded_through(log, cursors, sources)

    assert through() == 0, "nothing is loaded yet"
    assert through(a=4) == 1, "b's first event waits"
    assert through(a=1, b=3) == 3, "a's second event waits"
    assert through(a=4, b=3, quiet=0) == 4
