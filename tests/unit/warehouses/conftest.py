import json
from collections.abc import Callable
from typing import Any

import pytest


@pytest.fixture
def line() -> Callable[..., bytes]:
    """One canonical message with its newline; keyword arguments replace fields, None leaves one out."""

    def build(message_id: str, **fields: Any) -> bytes:
        body = {
            "type": "track",
            "messageId": message_id,
            "userId": "fan-1",
            "event": "Badge Rewarded",
            "properties": {},
            "context": {"library": {"name": "test"}},
            "integrations": {},
            "timestamp": "2026-11-24T10:00:00.000Z",
            "originalTimestamp": "2026-11-24T10:00:00.000Z",
            "sentAt": "2026-11-24T10:00:00.000Z",
            "receivedAt": "2026-11-24T10:00:00.000Z",
            **fields,
        }
        return json.dumps({k: v for k, v in body.items() if v is not None}, ensure_ascii=False).encode() + b"\n"

    return build
