"""The intake between a real inbox, a LiveLike API that may be down, and Tifo's own api."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from tifo.kernel.ids import ClientId
from tifo.leases.share import Holder, WorkShare
from tifo.source.webhooks.inbox import HeldWebhook, Intake, ReceivedWebhook, WebhookState
from tifo.source.webhooks.intake import WebhookIntake
from tifo.source.webhooks.source_intake import NOT_THERE_ATTEMPTS
from tifo.store.leases import SqlLeases
from tifo.store.source.webhooks_in import SqlWebhookInbox
from tifo.store.sql.database import Database, open_sqlite
from tifo.workspace.memory import InMemoryCatalog
from tifo.workspace.model import SourceType

ONE = Holder("one", inherits=True)
Hook = Callable[..., dict[str, Any]]


class OwnApi:
    """Takes batches as Tifo's Tracking API does; `statuses` come first."""

    def __init__(self) -> None:
        self.address = ""
        self.messages: list[dict[str, Any]] = []
        self.statuses: list[int] = []
        self.refused: set[str] = set()

    async def handle(self, request: web.Request) -> web.Response:
        body = await request.json()
        ids = {message["messageId"] for message in body["batch"]}
        status = self.statuses.pop(0) if self.statuses else 400 if ids & self.refused else 200
        if status == 200:
            self.messages += body["batch"]
        return web.json_response({"success": status == 200}, status=status)

    @property
    def ids(self) -> list[str]:
        return [message["messageId"] for message in self.messages]


class Rig:
    def __init__(self, database: Database, inbox: SqlWebhookInbox, own: OwnApi, livelike: Any) -> None:
        self.inbox, self.own, self.livelike = inbox, own, livelike
        self.leases = SqlLeases(database)
        self.catalog = InMemoryCatalog({ClientId("c")})
        self.source = self.catalog.create_source("Fans", SourceType.LIVELIKE)
        self.inbox.configure(Intake(self.source.id, "secret", api=livelike.address, token="token"))
        self.ahead = timedelta(0)

    def sent(self) -> int:
        """Settled as such, which is a moment after the api took them."""
        return self.inbox.counts(self.source.id).get(WebhookState.SENT, 0)

    def clock(self) -> datetime:
        """May be moved on, past every pause."""
        return datetime.now(UTC) + self.ahead

    def arrive(self, *hooks: dict[str, Any]) -> None:
        body = [json.dumps(hook).encode() for hook in hooks]
        self.inbox.add(
            [
                ReceivedWebhook(self.source.id, h["id"], h["event"], b, self.clock())
                for h, b in zip(hooks, body, strict=True)
            ]
        )

    def held(self) -> list[HeldWebhook]:
        return list(self.inbox.held(self.source.id, 100))

    @asynccontextmanager
    async def running(self, holder: Holder = ONE) -> AsyncIterator[None]:
        stop = asyncio.Event()
        async with aiohttp.ClientSession() as session:
            intake = WebhookIntake(
                self.inbox,
                self.catalog,
                session,
                self.own.address,
                WorkShare(self.leases, "webhooks-in", holder, look_every_s=0.05),
                outside=session,
                clock=self.clock,
                chance=lambda: 0.01,
                poll_s=0.005,
            )
            task = asyncio.create_task(intake.run(stop))
            try:
                yield
            finally:
                stop.set()
                await task


@pytest.fixture
async def rig(tmp_path: Path, livelike: Any) -> AsyncIterator[Rig]:
    own = OwnApi()
    app = web.Application()
    app.router.add_post("/v1/batch", own.handle)
    server = TestServer(app)
    await server.start_server()
    own.address = f"http://127.0.0.1:{server.port}"
    database = open_sqlite(tmp_path / "tifo.db")
    yield Rig(database, SqlWebhookInbox(database), own, livelike)
    await server.close()
    database.dispose()


async def until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 10
    while not holds():
        assert time.monotonic() < deadline, "it did not come to hold within 10 s"
        await asyncio.sleep(0.01)


async def test_all_recorded_webhooks_arrive_as_events(rig: Rig, recorded: list[dict[str, Any]]) -> None:
    rig.arrive(*recorded)
    async with rig.running():
        await until(lambda: rig.sent() == len(recorded))
    assert sorted(rig.own.ids) == sorted(each["id"] for each in recorded)
    assert rig.held() == []


async def test_two_intakes_over_one_store_send_each_webhook_once(rig: Rig, hook: Hook) -> None:
    async with rig.running(), rig.running(Holder("two")):
        for round_ in range(5):
            rig.arrive(*({**hook("badge-awarded"), "id": f"{round_}-{number}"} for number in range(40)))
            await until(lambda: rig.sent() == 40 * (round_ + 1))  # noqa: B023 (awaited in its round)
    assert len(rig.own.ids) == len(set(rig.own.ids)) == 200


async def test_while_the_api_is_down_incomplete_events_are_held_back_visibly_and_complete_ones_go_out(
    rig: Rig, hook: Hook
) -> None:
    rig.livelike.status = 503
    rig.arrive(hook("user-quest-completed"), hook("badge-awarded"))
    async with rig.running():
        await until(lambda: rig.sent() == 1)
        await until(lambda: bool(rig.held()))
        [held] = rig.held()
        assert (held.webhook_id, held.state) == ("wh-4", WebhookState.WAITING)
        assert "503" in (held.reason or "")
    assert rig.own.ids == ["wh-1"]
    rig.livelike.status = 200
    rig.ahead = timedelta(minutes=5)
    async with rig.running():  # another process, so to speak: what was held back was on disk
        await until(lambda: rig.own.ids == ["wh-1", "wh-4"])
    assert rig.own.messages[1]["properties"]["quest_name"] == "Matchday Ω"


async def test_without_an_api_what_lacks_something_waits_and_says_what_to_set(rig: Rig, hook: Hook) -> None:
    other = rig.catalog.create_source("Other", SourceType.LIVELIKE)
    rig.inbox.configure(Intake(other.id, "secret"))
    rig.source = other
    rig.arrive(hook("user-quest-completed"))
    async with rig.running():
        await until(lambda: bool(rig.held()))
        assert "--api" in (rig.held()[0].reason or "")
        rig.inbox.configure(Intake(other.id, "secret", api=rig.livelike.address, token="token"))
        rig.ahead = timedelta(minutes=5)
        await until(lambda: rig.own.ids == ["wh-4"])


async def test_what_livelike_does_not_know_is_asked_for_some_times_and_then_set_aside_until_someone_retries(
    rig: Rig, hook: Hook
) -> None:
    rig.arrive(hook("user-quest-completed", quest_id="q-9"), hook("user-quest-task-completed"))
    async with rig.running():
        while not any(each.state is WebhookState.DEAD_LETTERED for each in rig.held()):
            rig.ahead += timedelta(seconds=10)
            await asyncio.sleep(0.02)
            assert len(rig.livelike.asked) < 100
        [held] = rig.held()
        assert (held.attempts, "q-9" in (held.reason or "")) == (NOT_THERE_ATTEMPTS, True)
        assert rig.own.ids == ["wh-3"], "its neighbour is not held up"
        rig.inbox.retry(rig.source.id, rig.clock())
        asked = len(rig.livelike.asked)
        await until(lambda: len(rig.livelike.asked) > asked)


async def test_a_webhook_of_another_event_is_ignored_and_one_without_its_fields_set_aside(rig: Rig, hook: Hook) -> None:
    other = {"id": "wh-8", "event": "comment-created", "created_at": "2026-11-24T10:00:00Z", "data": {}}
    broken = hook("badge-awarded", earned_badge_id=None)
    rig.arrive(other, broken, hook("reward-table-rewards-awarded"))
    async with rig.running():
        await until(lambda: rig.own.ids == ["wh-7"])
        await until(lambda: len(rig.held()) == 1)
    [held] = rig.held()
    assert (held.webhook_id, held.state) == ("wh-1", WebhookState.DEAD_LETTERED)
    assert "earned_badge_id" in (held.reason or "")
    assert rig.inbox.counts(rig.source.id)[WebhookState.IGNORED] == 1


async def test_while_tifos_own_api_is_down_everything_waits_and_then_arrives(rig: Rig, hook: Hook) -> None:
    rig.own.statuses = [503, 503]
    rig.arrive(hook("badge-awarded"))
    async with rig.running():
        await until(lambda: rig.sent() == 1)
    assert rig.own.ids == ["wh-1"]


async def test_an_event_that_is_refused_alone_harms_none_beside_it(rig: Rig, hook: Hook) -> None:
    rig.own.refused = {"wh-1"}
    rig.arrive({**hook("badge-awarded"), "id": "wh-0"}, hook("badge-awarded"), {**hook("badge-awarded"), "id": "wh-9"})
    async with rig.running():
        await until(lambda: rig.own.ids == ["wh-0", "wh-9"])
        await until(lambda: bool(rig.held()))
    assert [(each.webhook_id, each.state) for each in rig.held()] == [("wh-1", WebhookState.DEAD_LETTERED)]
