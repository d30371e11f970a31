"""The forwarder, against a server that keeps what it is sent."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from tifo.destinations.kinds.segment import Forwarder
from tifo.destinations.ports import Configured, Event, Fate, Tools
from tifo.egress.rules import Egress
from tifo.kernel.errors import Rejected
from tifo.kernel.ids import Position

NOW = datetime(2026, 11, 25, 10, tzinfo=UTC)
MESSAGE = {
    "type": "track",
    "messageId": "m1",
    "userId": "ada",
    "event": "Seen",
    "properties": {"n": 1, "name": "Zoë"},
    "timestamp": "2026-11-24T10:00:00.000Z",
    "originalTimestamp": "2026-11-24T11:00:00.000Z",
    "sentAt": "2026-11-24T11:00:00.000Z",
    "receivedAt": "2026-11-24T10:00:00.000Z",
}


async def test_a_message_keeps_what_it_is_and_loses_what_the_other_side_makes() -> None:
    sent: list[tuple[str | None, Any]] = []

    async def take(request: web.Request) -> web.Response:
        sent.append((request.headers.get("Authorization"), await request.json()))
        return web.Response(text="{}")

    app = web.Application()
    app.router.add_post("/v1/batch", take)
    async with TestServer(app) as server, aiohttp.ClientSession() as session:
        kind = Forwarder()
        settings = kind.check({"write_key": "key", "endpoint": str(server.make_url("/"))})
        tools = Tools(session, Egress(), lambda: NOW, Path())
        destination = await kind.open(Configured("id", "on", settings), tools)
        event = Event(Position(1), "m1", "track", "Seen", "ada", 0.0, json.dumps(MESSAGE).encode())
        (told,) = await destination.send([event])
    assert told.fate is Fate.DELIVERED
    ((credentials, body),) = sent
    assert credentials == "Basic a2V5Og=="  # of `key:`
    assert body["sentAt"] == "2026-11-25T10:00:00.000Z"
    left_out = {"originalTimestamp", "sentAt", "receivedAt"}
    assert body["batch"] == [{name: value for name, value in MESSAGE.items() if name not in left_out}]


@pytest.mark.parametrize(
    ("settings", "field"),
    [
        ({}, "write_key"),
        ({"write_key": "k", "endpoint": "https://a/v1"}, "endpoint"),
        ({"write_key": "k", "endpoint": "api.segment.io"}, "endpoint"),
        ({"write_key": "k", "timeout_s": 100}, "timeout_s"),
    ],
)
def test_unusable_settings_are_refused_by_name(settings: dict[str, Any], field: str) -> None:
    with pytest.raises(Rejected) as refused:
        Forwarder().check(settings)
    assert refused.value.field == field
