"""LiveLike's routes over the in-memory engine and queries."""

import itertools
import json
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx
import jwt
import pytest
from litestar import Litestar
from litestar.testing import AsyncTestClient

from tifo.engagement.access import TokenInfo, token_digest
from tifo.engagement.commands import Command, InvokeActions
from tifo.engagement.memory import ApplicationState, InMemoryEngine, InMemoryQueries, InMemoryState
from tifo.engagement.memory.state import StoredToken
from tifo.engagement.model import Application, Fan, Game, Program
from tifo.engagement.ports import Idempotency, NewApplication
from tifo.kernel.clock import system_clock
from tifo.kernel.ids import ClientId, NewId, ProfileId, ProgramId, uuid7
from tifo.livelike.app import livelike_app
from tifo.livelike.call import LiveLikeServices
from tifo.livelike.nicknames import Nicknames
from tifo.livelike.reads import Reads
from tifo.livelike.tokens import Tokens
from tifo.store.engagement.access import SqlAccess, create_application
from tifo.store.engagement.engine import SqlEngine
from tifo.store.engagement.images import SqlImages
from tifo.store.engagement.queries import SqlQueries
from tifo.store.sql.database import open_sqlite

BASE = "https://fans.example.com"
START = datetime(2026, 11, 24, 10, tzinfo=UTC)


class Clock:
    def __init__(self) -> None:
        self.now = START

    def __call__(self) -> datetime:
        return self.now

    def tick(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)


class CountingEngine(InMemoryEngine):
    """Lists the commands that changed something; `raises` makes every command fail."""

    def __init__(self, state: InMemoryState, clock: Clock, new_id: NewId) -> None:
        super().__init__(state, clock, new_id)
        self.handled: list[Command[Any]] = []
        self.raises: Exception | None = None

    async def handle(self, command: Command[Any], idempotency: Idempotency | None = None) -> Any:
        if self.raises is not None:
            raise self.raises
        return await super().handle(command, idempotency)

    def _perform(self, command: Command[Any]) -> Any:
        answer = super()._perform(command)
        if not isinstance(command, InvokeActions) or any(each.invoked for each in answer):
            self.handled.append(command)
        return answer


class Twin(CountingEngine, InMemoryQueries):
    """Engine and queries in one, in memory, which counts the reads of fans, secrets and tokens."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.ids = (f"00000000-0000-7000-8000-{number:012d}" for number in itertools.count(1))
        CountingEngine.__init__(self, InMemoryState(), clock, self.id)
        self.reads = 0

    def add_application(self, name: str) -> ClientId:
        now = self.clock()
        program = Program(id=ProgramId(self.id()), name="Default", created_at=now)
        app = Application(id=ClientId(self.id()), name=name, default_program_id=program.id, created_at=now)
        self._state.applications[app.id] = ApplicationState(Game(app, (program,)), client_secret(app.id))
        info = TokenInfo(id=f"token of {app.id}", name="first", created_at=now)
        digest = token_digest(producer_token(app.id))
        self._state.tokens.append(StoredToken(digest=digest, client_id=app.id, info=info))
        return app.id

    def id(self) -> str:
        return next(self.ids)

    def client_secret(self, client_id: ClientId) -> str:
        self.reads += 1
        return super().client_secret(client_id)

    def client_of_producer_token(self, token: str) -> ClientId | None:
        self.reads += 1
        return super().client_of_producer_token(token)

    def fan(self, client_id: ClientId, profile_id: ProfileId) -> Fan:
        self.reads += 1
        return super().fan(client_id, profile_id)


def client_secret(client_id: str) -> str:
    return f"the client secret of application {client_id}"


def producer_token(client_id: str) -> str:
    return f"producer-token-of-{client_id}"


class Answer:
    def __init__(self, status: int, content: bytes, headers: Mapping[str, str]) -> None:
        self.status = status
        self.headers = headers
        self.body: Any = json.loads(content, parse_float=Decimal) if content else None


@dataclass
class World:
    """One application (`client_id`) and a rival, over HTTP."""

    http: Any
    twin: Twin
    clock: Clock
    client_id: ClientId
    rival_id: ClientId

    async def call(
        self,
        method: str,
        path: str,
        body: object = None,
        *,
        token: str | None = None,
        raw: bytes | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """`token` defaults to the producer's; "" is the empty Bearer that the SDK signs up with."""
        content = raw if raw is not None else b"" if body is None else json.dumps(body).encode()
        sent = {
            "Content-Type": "application/json",
            "Authorization": f"Bearer {self.producer if token is None else token}",
        }
        url = path if path.startswith("/") else f"/api/v1/{path}"
        answer = await self.http.request(method, url, content=content, headers={**sent, **(headers or {})})
        return Answer(answer.status_code, answer.content, answer.headers)

    async def make(self, path: str, token: str | None = None, **body: object) -> Any:
        """What a POST makes."""
        answer = await self.call("POST", path, body, token=token)
        assert answer.status == 201, answer.body
        return answer.body

    async def get(self, path: str, token: str | None = None) -> Any:
        answer = await self.call("GET", path, token=token)
        assert answer.status == 200, answer.body
        return answer.body

    @property
    def producer(self) -> str:
        return producer_token(self.client_id)

    @property
    def rival(self) -> str:
        return producer_token(self.rival_id)

    @property
    def program_id(self) -> str:
        return self.twin.game(self.client_id).application.default_program_id

    async def fan(self, nickname: str = "Zoë", client_id: str | None = None) -> Any:
        return await self.make(f"applications/{client_id or self.client_id}/profile/", token="", nickname=nickname)

    def signed(self, *, client_id: str | None = None, secret: str | None = None, **claims: object) -> str:
        """A token as an integrator makes it."""
        issuer = client_id or self.client_id
        key = secret or client_secret(issuer)
        given = {"iss": issuer, "iat": int(self.clock().timestamp()), **claims}
        return jwt.encode({k: v for k, v in given.items() if v is not None}, key, algorithm="HS256")


@pytest.fixture(scope="session")
def app() -> Litestar:
    """Made once, because making it takes longer than a test; each test has a desk of its own."""
    nothing = Twin(Clock())
    return livelike_app(nothing, nothing)


@pytest.fixture
async def world(app: Litestar) -> AsyncIterator[World]:
    clock = Clock()
    twin = Twin(clock)
    app.state["desk"] = LiveLikeServices(twin, twin, Tokens(twin, clock), Nicknames(twin), BASE, clock, Reads(twin))
    async with AsyncTestClient(app) as http:
        yield World(http, twin, clock, twin.add_application("Club"), twin.add_application("Rival"))


class Stage:
    """A world with one of each definition: an item, an action, a table that pays 5, badges, a quest."""

    world: World
    item: Any
    action: Any
    table: Any
    badge: Any
    plain_badge: Any
    quest: Any
    vote_task: Any
    watch_task: Any


@pytest.fixture
async def stage(world: World) -> Stage:
    made, stage = {"client_id": world.client_id}, Stage()
    stage.world = world
    stage.item = await world.make("reward-items/", **made, name="Points")
    item_id = stage.item["id"]
    stage.action = await world.make("reward-actions/", **made, key="vote", name="Vote")
    entry = {"reward_item_id": item_id, "reward_item_amount": 5, "action": "vote"}
    stage.table = await world.make("reward-tables/", **made, name="Match", entries=[entry])
    stage.badge = await world.make(
        "badges/", **made, name="Voter", reward_item_id=item_id, reward_item_threshold=5, image_url="https://x/y.png"
    )
    stage.plain_badge = await world.make("badges/", **made, name="Guest")
    quest = await world.make("quests/", **made, name="Matchday", timeout="PT1H")
    stage.vote_task = await world.make("quest-tasks/", quest_id=quest["id"], name="Vote", reward_action_key="vote")
    stage.watch_task = await world.make(
        "quest-tasks/", quest_id=quest["id"], name="Watch", target_value=1, default_progress_increment=0.5
    )
    reward = {"reward_item_id": item_id, "reward_item_amount": 10}
    await world.make("quest-rewards/", quest_id=quest["id"], quest_rewards=[reward])
    stage.quest = await world.get(f"quests/{quest['id']}/")
    return stage


class Match:
    def __init__(self, http: Any, made: NewApplication, access: SqlAccess) -> None:
        self.access = access
        self.http = http
        self.made = made
        self.client_id = made.application.id

    async def call(self, method: str, path: str, body: Any = None, token: str | None = None, **headers: str) -> Any:
        sent = {"Authorization": f"Bearer {self.made.producer_token if token is None else token}", **headers}
        return await self.http.request(method, f"/api/v1/{path}", json=body, headers=sent)

    async def make(self, path: str, token: str | None = None, **body: object) -> Any:
        answer = await self.call("POST", path, body, token)
        assert answer.status_code == 201, answer.text
        return answer.json()

    async def get(self, path: str, token: str | None = None) -> Any:
        answer = await self.call("GET", path, token=token)
        assert answer.status_code == 200, answer.text
        return answer.json()


@pytest.fixture
async def match(tmp_path: Path) -> AsyncIterator[Match]:
    database = open_sqlite(tmp_path / "tifo.db")
    made = create_application(database, "Club", system_clock, uuid7)
    engine = SqlEngine(database, system_clock, uuid7)
    access = SqlAccess(database, system_clock, uuid7)
    app = livelike_app(
        engine, SqlQueries(database), access=access, images=SqlImages(database), public_url="https://x.example"
    )
    # On this event loop, which the engine lives in: Litestar's own client runs the app in another one.
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://tifo") as http:  # type: ignore[arg-type]
        yield Match(http, made, access)
    await engine.close()
    database.dispose()
