"""A log to fill by hand, and messages for it."""

import itertools
import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from tifo.eventlog.memory import MemoryEventLog
from tifo.eventlog.ports import Append
from tifo.kernel.ids import MessageId, SourceId
from tifo.tracking.envelope import Message

NOW = datetime(2026, 11, 24, 10, 0, tzinfo=UTC)


class HandFilledLog(MemoryEventLog):
    """Takes whatever bytes a test calls messages, each under an id of its own."""

    def __init__(self) -> None:
        super().__init__()
        self._numbers = itertools.count()

    def add(self, source_id: str, *bodies: bytes) -> None:
        accepted = [Message(MessageId(str(next(self._numbers))), body) for body in bodies]
        self.append([Append(SourceId(source_id), NOW, accepted)])


@pytest.fixture
def new_log() -> Callable[[], HandFilledLog]:
    return HandFilledLog


@pytest.fixture
def log(new_log: Callable[[], HandFilledLog]) -> HandFilledLog:
    return new_log()


@pytest.fixture
def message() -> Callable[..., bytes]:
    def build(message_id: str, event: str = "Badge Rewarded", **properties: Any) -> bytes:
        body = {
            "type": "track",
            "messageId": message_id,
            "userId": "fan-1",
            "event": event,
            "properties": properties,
            "context": {"library": {"name": "test"}},
            "integrations": {},
            "timestamp": "2026-11-24T10:00:00.000Z",
            "originalTimestamp": "2026-11-24T10:00:00.000Z",
            "sentAt": "2026-11-24T10:00:00.000Z",
            "receivedAt": "2026-11-24T10:00:00.000Z",
        }
        return json.dumps(body, ensure_ascii=False).encode()

    return build
