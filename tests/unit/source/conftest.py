"""Facts, and a real HTTP server as the endpoint that the relay sends to."""

import asyncio
import base64
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from prometheus_client import CollectorRegistry

from tifo.egress.http import open_session
from tifo.engagement.facts import AnyFact, RewardItemRewarded
from tifo.kernel.ids import ClientId, FactId, ProfileId, RewardItemId, TransactionId
from tifo.leases.memory import InMemoryLeases
from tifo.leases.share import Holder, WorkShare
from tifo.source.batches import Limits
from tifo.source.memory import InMemoryFactFeed
from tifo.source.metrics import RelayMetrics
from tifo.source.ports import FactFeed
from tifo.source.relay import Relay
from tifo.workspace.memory import InMemoryCatalog

ONE = Holder("one", inherits=True)
NOW = datetime(2026, 11, 24, 10, 0, 0, 123000, tzinfo=UTC)

Answering = Callable[["Received"], Awaitable[web.StreamResponse]]
MakeFact = Callable[..., AnyFact]


@dataclass(frozen=True)
class Received:
    path: str
    write_key: str
    size: int
    body: dict[str, Any]

    @property
    def ids(self) -> list[str]:
        return [message["messageId"] for message in self.body["batch"]]


@dataclass
class FakeEndpoint:
    """Takes every batch, unless `answers` holds what comes first or `answer` says otherwise."""

    address: str = ""
    requests: list[Received] = field(default_factory=list)
    taken: list[str] = field(default_factory=list)
    """The message ids of batches answered with 200, in order."""
    answers: list[Answering] = field(default_factory=list)
    answer: Answering | None = None

    async def handle(self, request: web.Request) -> web.StreamResponse:
        raw = await request.read()
        _, _, credentials = request.headers.get("Authorization", "").partition(" ")
        user, _, password = base64.b64decode(credentials).decode().partition(":")
        assert not password
        received = Received(request.path, user, len(raw), await request.json())
        self.requests.append(received)
        answering = self.answers.pop(0) if self.answers else self.answer
        response = await answering(received) if answering else web.json_response({"success": True})
        if response.status == 200:
            self.taken += received.ids
        return response


@dataclass
class Rig:
    """A relay with two endpoints: `tifo` as its own one, and `other`."""

    tifo: FakeEndpoint
    other: FakeEndpoint
    feed: InMemoryFactFeed = field(init=False)
    applications: set[ClientId] = field(default_factory=set)
    registry: CollectorRegistry = field(default_factory=CollectorRegistry)
    pauses: list[float] = field(default_factory=list)
    """What the relay wanted to wait between attempts; it does not wait."""
    limits: Limits = field(default_factory=Limits)
    timeout_s: float = 5.0
    hold_after: int = 100
    leases: InMemoryLeases = field(default_factory=InMemoryLeases)

    def __post_init__(self) -> None:
        self.catalog = InMemoryCatalog(self.applications)
        self.feed = InMemoryFactFeed(self.leases.require)

    def connect(self, client_id: str, write_key: str = "key-of-other", *, to: FakeEndpoint | None = None) -> ClientId:
        client = ClientId(client_id)
        self.applications.add(client)
        self.catalog.connect(client, write_key, (to or self.other).address)
        return client

    @asynccontextmanager
    async def relay(
        self, feed: FactFeed | None = None, *, holder: Holder = ONE, own: str | None = None, look_every_s: float = 0.01
    ) -> AsyncIterator[Relay]:
        stop = asyncio.Event()
        self.registry = CollectorRegistry()  # each relay is a process of its own
        async with open_session() as session:
            relay = Relay(
                feed or self.feed,
                self.catalog,
                session,
                own or self.tifo.address,
                WorkShare(self.leases, "relay", holder, look_every_s=look_every_s),
                limits=self.limits,
                timeout_s=self.timeout_s,
                poll_s=0.005,
                grace_s=1.0,
                clock=lambda: NOW,
                chance=lambda: 0.5,
                sleep=self._sleep,
                hold_after=self.hold_after,
                metrics=RelayMetrics(self.registry),
            )
            running = asyncio.create_task(relay.run(stop))
            try:
                yield relay
            finally:
                stop.set()
                await running

    async def _sleep(self, seconds: float) -> None:
        self.pauses.append(seconds)
        await asyncio.sleep(0)


@pytest.fixture
async def rig() -> AsyncIterator[Rig]:
    tifo, other = FakeEndpoint(), FakeEndpoint()
    async with _serving(tifo), _serving(other):
        yield Rig(tifo, other)


@pytest.fixture
def status_of() -> Callable[..., Answering]:
    """Answers with this status, for a batch that `holds` says yes to; by default for every one."""

    def make(
        status: int, body: str = "", headers: dict[str, str] | None = None, *, holding: Sequence[str] | None = None
    ) -> Answering:
        async def answer(received: Received) -> web.StreamResponse:
            if holding is not None and not set(holding) & set(received.ids):
                return web.json_response({"success": True})
            return web.Response(status=status, text=body, headers=headers)

        return answer

    return make


@pytest.fixture
def make_fact() -> MakeFact:
    """`make_fact("a", 3)`: the application's third fact, whose id is `a-003`."""

    def make(client_id: str, number: int, *, name: str = "Points") -> AnyFact:
        return RewardItemRewarded(
            id=FactId(f"{client_id}-{number:03}"),
            client_id=ClientId(client_id),
            profile_id=ProfileId("fan-1"),
            custom_id="ada",
            happened_at=NOW,
            reward_item_id=RewardItemId("item-1"),
            reward_item_name=name,
            reward_item_amount=10,
            reward_item_balance=10 * number,
            reward_item_transaction_id=TransactionId(f"transaction-{number}"),
        )

    return make


@pytest.fixture
def until() -> Callable[[Callable[[], bool]], Awaitable[None]]:
    async def wait(holds: Callable[[], bool]) -> None:
        deadline = time.monotonic() + 5
        while not holds():
            assert time.monotonic() < deadline, "it did not come to hold within 5 s"
            await asyncio.sleep(0.005)

    return wait


def _serving(endpoint: FakeEndpoint) -> AbstractAsyncContextManager[None]:
    @asynccontextmanager
    async def serving() -> AsyncIterator[None]:
        app = web.Application(client_max_size=2**20)
        app.router.add_post("/v1/batch", endpoint.handle)
        server = TestServer(app)
        await server.start_server()
        endpoint.address = f"http://127.0.0.1:{server.port}"
        try:
            yield
        finally:
            await server.close()

    return serving()
