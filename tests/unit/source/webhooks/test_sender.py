"""The sender against a real HTTP server that fails, hangs and goes away, over a real outbox."""

import asyncio
import base64
import hashlib
import json
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from sqlalchemy import insert

from tifo.egress.http import open_guarded_session
from tifo.egress.rules import read_allowed
from tifo.engagement.access import create_application
from tifo.engagement.facts import RewardItemRewarded
from tifo.kernel.clock import system_clock
from tifo.kernel.ids import FactId, ProfileId, RewardItemId, TransactionId, uuid7
from tifo.leases.share import Holder, WorkShare
from tifo.source.webhooks.health import DEAD_AFTER
from tifo.source.webhooks.outbox import OutboxReport, Subscriber, UndeliveredWebhook, UndeliveredWebhookState
from tifo.source.webhooks.sender import BACKOFF, EXPIRE_AFTER, Sender
from tifo.store.engagement import rows as r
from tifo.store.engagement.access import SqlAccess
from tifo.store.leases import SqlLeases
from tifo.store.source.webhooks_out import SqlWebhookOutbox
from tifo.store.sql import tables as t
from tifo.store.sql.database import Database, open_sqlite

ONE = Holder("one", inherits=True)


class Endpoint:
    """Takes every webhook but those whose id `refuses` names; `status` is what all get."""

    def __init__(self) -> None:
        self.address = ""
        self.taken: list[str] = []
        self.came: list[tuple[bytes, str]] = []
        self.refuses: dict[str, int] = {}
        self.hangs: set[str] = set()
        self.status = 200

    async def handle(self, request: web.Request) -> web.Response:
        body = await request.read()
        self.came.append((body, request.headers["X-Webhook-Signature"]))
        fact_id = json.loads(body)["id"]
        if fact_id in self.hangs:
            await asyncio.sleep(5)
        status = self.refuses.get(fact_id, self.status)
        if status == 200:
            self.taken.append(fact_id)
        return web.Response(status=status, text="nein")

    def of(self, profile: str) -> list[str]:
        return [each for each in self.taken if each.startswith(profile)]

    @asynccontextmanager
    async def serving(self, port: int | None = None) -> AsyncIterator[None]:
        app = web.Application()
        app.router.add_post("/hook", self.handle)
        server = TestServer(app, port=port)
        await server.start_server()
        self.address = f"http://127.0.0.1:{server.port}/hook"
        try:
            yield
        finally:
            await server.close()


class Rig:
    def __init__(self, database: Database, endpoint: Endpoint) -> None:
        self.database, self.endpoint = database, endpoint
        self.made = create_application(SqlAccess(database, system_clock, uuid7), "Club")
        self.outbox = SqlWebhookOutbox(database, system_clock, uuid7)
        self.leases = SqlLeases(database)
        self.subscriber = self.subscribe(endpoint)
        self.ahead = timedelta(0)

    def subscribe(self, endpoint: Endpoint, *events: str) -> Subscriber:
        return self.outbox.subscribe(self.made.application.id, endpoint.address, events, None)

    def clock(self) -> datetime:
        """May be moved on, past every pause."""
        return datetime.now(UTC) + self.ahead

    def commit(self, *ids: str) -> None:
        with self.database.writing() as connection:
            connection.execute(insert(t.facts), [r.fact_row(self._fact(each)) for each in ids])

    def report(self, subscriber: Subscriber | None = None) -> OutboxReport:
        return self.outbox.report(self.made.application.id, (subscriber or self.subscriber).id)

    def undelivered(self, subscriber: Subscriber | None = None) -> Sequence[UndeliveredWebhook]:
        return self.outbox.undelivered(self.made.application.id, (subscriber or self.subscriber).id, 1000)

    @asynccontextmanager
    async def running(
        self, *, allow: str = "127.0.0.0/8", timeout_s: float = 0.5, holder: Holder = ONE
    ) -> AsyncIterator[None]:
        stop = asyncio.Event()
        async with open_guarded_session(read_allowed(allow)) as outside:
            share = WorkShare(self.leases, "webhooks-out", holder, look_every_s=0.05)
            sender = Sender(
                self.outbox, outside, share, clock=self.clock, chance=lambda: 0.0, timeout_s=timeout_s, poll_s=0.005
            )
            task = asyncio.create_task(sender.run(stop))
            try:
                yield
            finally:
                stop.set()
                await task

    def _fact(self, fact_id: str) -> RewardItemRewarded:
        return RewardItemRewarded(
            id=FactId(fact_id),
            client_id=self.made.application.id,
            profile_id=ProfileId(fact_id.partition("-")[0]),
            custom_id="Zoë ⚽",
            happened_at=datetime(2026, 11, 24, 10, tzinfo=UTC),
            reward_item_id=RewardItemId("i"),
            reward_item_name="Points",
            reward_item_amount=1,
            reward_item_balance=1,
            reward_item_transaction_id=TransactionId("t"),
            reward_action_key="vote",
        )


@pytest.fixture
async def rig(tmp_path: Path) -> AsyncIterator[Rig]:
    endpoint = Endpoint()
    database = open_sqlite(tmp_path / "tifo.db")
    async with endpoint.serving():
        yield Rig(database, endpoint)
    database.dispose()


async def until(holds: Callable[[], Any]) -> None:
    deadline = time.monotonic() + 10
    while not holds():
        assert time.monotonic() < deadline, "it did not come to hold within 10 s"
        await asyncio.sleep(0.01)


def by_hand(secret: bytes, body: bytes) -> str:
    """HMAC-SHA1 as RFC 2104 has it, without the library that the code under test uses."""
    key = secret.ljust(64, b"\0")
    inner = hashlib.new("sha1", bytes(byte ^ 0x36 for byte in key) + body).digest()  # noqa: S324 (LiveLike's choice)
    outer = hashlib.new("sha1", bytes(byte ^ 0x5C for byte in key) + inner).digest()  # noqa: S324 (likewise)
    return base64.b64encode(outer).decode()


async def test_every_fact_is_posted_once_and_signed_over_the_bytes_that_came(rig: Rig) -> None:
    ids = [f"fan{number % 7}-{number}" for number in range(50)]
    rig.commit(*ids)
    async with rig.running():
        await until(lambda: len(rig.endpoint.taken) >= 50)
    assert sorted(rig.endpoint.taken) == sorted(ids)
    for body, signature in rig.endpoint.came:
        assert "Zoë ⚽".encode() in body
        assert signature == by_hand(rig.made.client_secret.encode(), body)
    report = rig.outbox.report(rig.made.application.id, rig.subscriber.id)
    assert (report.delivered, report.to_send, report.waiting) == (50, 0, 0)
    assert report.last_delivered == ids[-1]


async def test_two_senders_over_one_store_post_each_webhook_once(rig: Rig) -> None:
    async with rig.running(), rig.running(holder=Holder("two")):
        for hundred in range(4):
            rig.commit(*(f"fan{number % 7}-{hundred}-{number}" for number in range(100)))
            await until(lambda: rig.report().delivered == 100 * (hundred + 1))  # noqa: B023 (awaited in its round)
    assert len(rig.endpoint.taken) == len(set(rig.endpoint.taken)) == 400


async def test_a_sender_whose_lease_was_taken_stores_nothing_and_posts_no_more(rig: Rig) -> None:
    rig.endpoint.hangs = {"ada-1"}
    rig.commit("ada-1", "ada-2")
    async with rig.running(timeout_s=0.3):
        await until(lambda: rig.endpoint.came)
        rig.leases.release("one/webhooks-out", [f"webhooks-out/{rig.subscriber.id}"])
        assert rig.leases.acquire([f"webhooks-out/{rig.subscriber.id}"], "two", for_s=60)
        other = rig.subscribe(rig.endpoint)
        rig.commit("bob-1")
        await until(lambda: rig.report(other).delivered == 1)
        report = rig.report()
    assert (report.to_send, report.waiting, report.failed_in_a_row) == (3, 0, 0)
    assert rig.endpoint.taken == ["bob-1"]


async def test_a_profiles_facts_stay_in_order_whatever_fails_and_the_others_go_on(rig: Rig) -> None:
    rig.endpoint.refuses = {"ada-1": 500}
    rig.commit("ada-0", "ada-1", "bob-0", "ada-2", "bob-1")
    async with rig.running():
        await until(lambda: rig.endpoint.of("bob") == ["bob-0", "bob-1"])
        rig.commit("ada-3", "bob-2")
        await until(lambda: len(rig.endpoint.of("bob")) == 3)
        await until(
            lambda: (
                [(each.fact_id, each.attempts > 0) for each in rig.undelivered()]
                == [
                    ("ada-1", True),
                    ("ada-2", False),
                    ("ada-3", False),
                ]
            )
        )
        assert rig.endpoint.of("ada") == ["ada-0"]
        [first, *_] = rig.undelivered()
        assert (first.status, first.answer, first.state) == (500, "nein", UndeliveredWebhookState.WAITING)
        rig.endpoint.refuses = {}
        rig.ahead = timedelta(minutes=20)
        await until(lambda: len(rig.endpoint.of("ada")) == 4)
    assert rig.endpoint.of("ada") == ["ada-0", "ada-1", "ada-2", "ada-3"]
    assert rig.undelivered() == []


async def test_a_fact_that_is_refused_for_four_hours_is_set_aside_and_goes_out_when_someone_retries(rig: Rig) -> None:
    rig.endpoint.refuses = {"ada-1": 500}
    rig.commit("ada-1", "ada-2", "bob-1")
    async with rig.running():
        await until(lambda: any(each.attempts for each in rig.undelivered()))
        rig.ahead = EXPIRE_AFTER / 2
        await until(lambda: any(each.attempts > 1 for each in rig.undelivered()))
        assert rig.endpoint.of("ada") == []
        rig.ahead = EXPIRE_AFTER + timedelta(minutes=1)
        await until(lambda: rig.endpoint.of("ada") == ["ada-2"])
        await until(lambda: len(rig.undelivered()) == 1)  # settled, a moment after it was taken
        [aside] = rig.undelivered()
        assert (aside.fact_id, aside.state) == ("ada-1", UndeliveredWebhookState.DEAD_LETTERED)
        rig.endpoint.refuses = {}
        assert rig.outbox.retry(rig.made.application.id, rig.subscriber.id) == 1
        await until(lambda: rig.endpoint.of("ada") == ["ada-2", "ada-1"])
    assert rig.undelivered() == []


async def test_an_endpoint_that_hangs_is_tried_again_and_one_that_restarts_gets_everything(rig: Rig) -> None:
    rig.endpoint.hangs = {"ada-1"}
    rig.commit("ada-1", "bob-1")
    async with rig.running(timeout_s=0.1):
        await until(lambda: rig.endpoint.of("bob"))
        await until(lambda: "No answer within" in str([each.answer for each in rig.undelivered()]))
        rig.endpoint.hangs = set()
        rig.ahead = timedelta(minutes=20)
        await until(lambda: rig.endpoint.of("ada"))


async def test_a_dead_endpoint_holds_its_own_line_only_sets_nothing_aside_and_gets_all_when_it_is_back(
    rig: Rig,
) -> None:
    gone = Endpoint()
    async with gone.serving():
        port = int(gone.address.split(":")[2].split("/")[0])
        dead = rig.subscribe(gone)
    ids = [f"fan{number % 20}-{number:03}" for number in range(300)]
    rig.commit(*ids)
    async with rig.running():
        await until(lambda: len(rig.endpoint.taken) == 300)
        await until(lambda: rig.outbox.report(dead.client_id, dead.id).failed_in_a_row >= DEAD_AFTER)
    rig.ahead = EXPIRE_AFTER * 3
    async with rig.running():  # after a restart it is still known to be dead
        await until(lambda: any(each.attempts > 1 for each in rig.undelivered(dead)))
        assert {each.state for each in rig.undelivered(dead)} == {UndeliveredWebhookState.WAITING}
        assert rig.outbox.report(dead.client_id, dead.id).to_send > 0, "its line waits where it is"
        async with gone.serving(port):
            while len(gone.taken) < 300:
                rig.ahead += timedelta(minutes=1)
                await asyncio.sleep(0.02)
                assert rig.ahead < timedelta(days=2), len(gone.taken)
    assert sorted(gone.taken) == sorted(ids)
    for fan in range(20):
        assert gone.of(f"fan{fan}-") == [each for each in ids if each.startswith(f"fan{fan}-")]


async def test_only_the_events_that_were_asked_for_are_sent(rig: Rig) -> None:
    other = Endpoint()
    async with other.serving():
        badges = rig.subscribe(other, "badge-awarded")
        rig.commit("ada-1")
        async with rig.running():
            await until(lambda: rig.outbox.report(badges.client_id, badges.id).to_send == 0)
            await until(lambda: rig.endpoint.taken == ["ada-1"])
    assert other.came == []


async def test_a_subscriber_on_a_private_address_gets_nothing_and_the_attempts_say_why(rig: Rig) -> None:
    rig.commit("ada-1")
    async with rig.running(allow=""):
        await until(lambda: "TIFO_EGRESS_ALLOW" in str([each.answer for each in rig.undelivered()]))
    assert rig.endpoint.came == []


def test_pauses_double_up_to_ten_minutes_and_differ_by_chance() -> None:
    assert [BACKOFF.pause_s(attempt, 1.0) for attempt in (1, 2, 3, 10, 11, 99)] == [1, 2, 4, 512, 600, 600]
    assert BACKOFF.pause_s(3, 0.0) == 2
