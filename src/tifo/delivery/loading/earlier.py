"""Finds the events that came before their name got its table: they are loaded into it with the load that makes it."""

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any, NamedTuple

import msgspec

from tifo.eventlog.ports import Block, EventLog
from tifo.kernel.ids import START, Position, SourceId
from tifo.warehouses.names import NamedTable
from tifo.warehouses.naming import table_name
from tifo.warehouses.texts import as_text

MAX_SCANNED = 1_000_000
"""Events of the source that are looked through: some seconds, for which the load waits."""
MAX_FOUND = 20_000
"""Events that one load takes with it."""
_READ_EVENTS = 5_000
_UNREADABLE = (msgspec.DecodeError, RecursionError, UnicodeDecodeError)


class Earlier(NamedTuple):
    """The earlier events of some tables, as the log has them: each body ends in a newline."""

    bodies: bytes
    counts: Mapping[str, int]
    """By table."""
    is_whole: bool
    """False where more may be in the log, or where the log has lost some by its retention."""


class _Named(msgspec.Struct):
    type: str
    event: Any = None


_decode = msgspec.json.Decoder(_Named).decode


class EarlierEvents:
    """Looks through the log. `before` is a block of the load that makes the tables."""

    def __init__(self, log: EventLog) -> None:
        self._log = log

    def find(self, source_id: SourceId, tables: Mapping[str, NamedTable], before: Position) -> Earlier:
        """Returns the events of these tables that a reader has behind it that has handled `before`."""
        since = min(table.first_at for table in tables.values())
        lines: list[bytes] = []
        counts: dict[str, int] = {}
        scanned = 0
        for block in self._blocks(source_id, since, before):
            scanned += block.size
            if scanned > MAX_SCANNED or len(lines) > MAX_FOUND:
                return Earlier(b"".join(lines), counts, is_whole=False)
            for line in block.bodies.splitlines(keepends=True):
                table = _table_of(line)
                if table is not None and table in tables:
                    lines.append(line)
                    counts[table] = counts.get(table, 0) + 1
        return Earlier(b"".join(lines), counts, is_whole=not self._is_trimmed(since))

    def _blocks(self, source_id: SourceId, since: datetime, before: Position) -> Iterator[Block]:
        # Whole segments from before the first such event are passed over.
        after = self._log.older(since)
        while blocks := self._log.read(after, max_events=_READ_EVENTS, source_id=source_id):
            for block in blocks:
                if block.before >= before:
                    return
                if block.received_at >= since:
                    yield block
            after = blocks[-1].last

    def _is_trimmed(self, since: datetime) -> bool:
        start = self._log.start()
        if start == START:
            return False
        first = self._log.read(start, max_events=1)
        return not first or first[0].received_at > since


def _table_of(line: bytes) -> str | None:
    try:
        message = _decode(line)
    except _UNREADABLE:
        return None
    if message.type != "track" or message.event is None:
        return None
    return table_name(as_text(message.event))
