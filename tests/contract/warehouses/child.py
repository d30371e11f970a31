"""A loader in a process of its own, for tests that kill it: `child.py KIND PLACE EVENTS` loads a log that it makes."""

import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from tifo.delivery.loading.loader import Loader
from tifo.eventlog.memory import MemoryEventLog
from tifo.eventlog.ports import Append
from tifo.kernel.errors import Transient
from tifo.kernel.ids import MessageId, SourceId
from tifo.tracking.envelope import Message
from tifo.warehouses.drivers.duckdb import DuckdbWarehouse
from tifo.warehouses.drivers.postgres import PostgresWarehouse
from tifo.warehouses.ports import Warehouse
from tifo.workspace.model import Source, SourceType, WriteKey

OPEN: dict[str, Callable[[str], Warehouse]] = {
    "duckdb": lambda place: DuckdbWarehouse(Path(place)),
    "postgres": PostgresWarehouse,
}
NOW = datetime(2026, 11, 24, 10, tzinfo=UTC)


def main(kind: str, place: str, events: int) -> None:
    """Each event is of one of three kinds; every third property changes its type, so that tables change under fire."""
    log = MemoryEventLog()
    messages = [Message(MessageId(f"m{n:06}"), _body(n)) for n in range(events)]
    log.append([Append(SourceId("one"), NOW, messages)])
    source = Source(
        id=SourceId("one"),
        name="one",
        slug="one",
        schema="one",
        type=SourceType.HTTP,
        enabled=True,
        created_at=NOW,
        keys=(WriteKey("k", NOW),),
    )
    loader = Loader(log, OPEN[kind](place), lambda: [source], flush_events=1_000)
    while True:
        try:
            if loader.flush() == 0:
                break
        except Transient as error:  # a killed one's session may hold its locks for a moment
            print(error.message, file=sys.stderr, flush=True)  # noqa: T201 (tells the tester)
            continue
        print("loaded", flush=True)  # noqa: T201 (tells the test)
    print("done", flush=True)  # noqa: T201 (tells the test)


def _body(number: int) -> bytes:
    if number % 500 == 7:  # a broken one now and then
        return b'{"messageId":"m%06d","broken"' % number
    value = f'"text {number}"' if number % 1_000 == 999 else str(number)
    text = (
        f'{{"type":"track","messageId":"m{number:06}","userId":"fan","event":"Event {number % 3}",'
        f'"properties":{{"n":{number},"p{number // 2_000}":{value}}},"context":{{}},'
        '"receivedAt":"2026-11-24T10:00:00.000Z","timestamp":"2026-11-24T10:00:00.000Z"}'
    )
    return text.encode()


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
