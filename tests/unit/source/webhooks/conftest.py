"""Webhooks in the shape that LiveLike's page shows (recorded.json), and a real HTTP server as LiveLike's API."""

import json
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

RECORDED = Path(__file__).with_name("recorded.json")

Hook = Callable[..., dict[str, Any]]


@dataclass
class FakeLiveLike:
    """Answers as LiveLike's reference shows it. `status` other than 200 is what everything gets."""

    address: str = ""
    status: int = 200
    asked: list[str] = field(default_factory=list)
    tokens: set[str] = field(default_factory=set)
    custom_id: str | None = "ada"
    progress: float | str = 2.5
    transactions: list[dict[str, Any]] = field(default_factory=lambda: [{"id": "t-1", "user_quest_id": "uq-1"}])
    tasks: list[dict[str, Any]] = field(
        default_factory=lambda: [{"id": "qt-1", "name": "Drei Fragen täglich", "target_value": 3.0}]
    )

    async def handle(self, request: web.Request) -> web.Response:
        self.asked.append(request.path_qs)
        self.tokens.add(request.headers.get("Authorization", ""))
        if self.status != 200:
            return web.Response(status=self.status, text="down")
        answer = self._resource(request)
        return web.json_response(answer) if answer is not None else web.Response(status=404)

    def _resource(self, request: web.Request) -> dict[str, Any] | None:
        quest = {"id": "q-1", "name": "Matchday Ω", "quest_tasks": self.tasks}
        run = {
            "id": "uq-1",
            "quest_id": "q-1",
            "user_quest_tasks": [{"id": "uqt-1", "progress": self.progress}],
        }
        known: dict[str, Any] = {
            "/api/v1/profiles/p-1/": {"id": "p-1", "custom_id": self.custom_id},
            "/api/v1/quests/q-1/": quest,
            "/api/v1/reward-items/i-1/": {"id": "i-1", "name": "Punkte 🎯"},
            "/api/v1/user-quests/": {"results": [run] if request.query.get("id") == "uq-1" else []},
        }
        if request.path == "/api/v1/reward-transactions/":
            return self._transactions(request)
        found: dict[str, Any] | None = known.get(request.path)
        return found

    def _transactions(self, request: web.Request) -> dict[str, Any]:
        """Pages of one, so that the one looked for may stand on a later page."""
        offset = int(request.query.get("offset", 0))
        more = offset + 1 < len(self.transactions)
        following = str(request.url.update_query(offset=offset + 1)) if more else None
        return {"results": self.transactions[offset : offset + 1], "next": following}


@pytest.fixture
async def livelike() -> AsyncIterator[FakeLiveLike]:
    fake = FakeLiveLike()
    app = web.Application()
    app.router.add_get("/{rest:.*}", fake.handle)
    server = TestServer(app)
    await server.start_server()
    fake.address = f"http://127.0.0.1:{server.port}/api/v1/"
    yield fake
    await server.close()


@pytest.fixture
def recorded() -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(RECORDED.read_text())
    return found


@pytest.fixture
def hook(recorded: list[dict[str, Any]]) -> Hook:
    """The recorded webhook of this event, with changes to its data."""

    def make(event: str, **changes: Any) -> dict[str, Any]:
        [found] = [each for each in recorded if each["event"] == event]
        return {**found, "data": {**found["data"], **changes}}

    return make
