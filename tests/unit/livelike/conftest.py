"""Fixtures of the routes: over the rules with dictionaries (`world`, `stage`), and over SQLite (`match`, `club`)."""

import itertools
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from litestar import Litestar
from litestar.testing import AsyncTestClient

from tests.unit.livelike.clients import Club, Match, Stage, World, client_secret, producer_token
from tifo.engagement.access import TokenInfo, create_application, token_digest
from tifo.engagement.commands import Command, InvokeActions
from tifo.engagement.memory import ApplicationState, InMemoryEngine, InMemoryQueries, InMemoryState
from tifo.engagement.memory.state import StoredToken
from tifo.engagement.model import Application, Fan, Game, Program
from tifo.engagement.ports import Idempotency
from tifo.kernel.clock import system_clock
from tifo.kernel.ids import ClientId, NewId, ProfileId, ProgramId, uuid7
from tifo.livelike.app import livelike_app
from tifo.livelike.batched_reads import BatchedReads
from tifo.livelike.nicknames import Nicknames
from tifo.livelike.services import LiveLikeServices
from tifo.livelike.tokens import Tokens
from tifo.store.engagement.access import SqlAccess
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


@pytest.fixture(scope="session")
def app() -> Litestar:
    """The application, made once because that lasts longer than a test. Each test has services of its own."""
    nothing = Twin(Clock())
    return livelike_app(nothing, nothing)


@pytest.fixture
async def world(app: Litestar) -> AsyncIterator[World]:
    clock = Clock()
    twin = Twin(clock)
    app.state["services"] = LiveLikeServices(
        engine=twin,
        queries=twin,
        tokens=Tokens(twin, clock),
        nicknames=Nicknames(twin),
        public_url=BASE,
        clock=clock,
        reads=BatchedReads(twin),
    )
    async with AsyncTestClient(app) as http:
        yield World(http, twin, clock, twin.add_application("Club"), twin.add_application("Rival"))


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


@pytest.fixture
async def match(tmp_path: Path) -> AsyncIterator[Match]:
    database = open_sqlite(tmp_path / "tifo.db")
    made = create_application(SqlAccess(database, system_clock, uuid7), "Club")
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


@pytest.fixture
async def club(match: Match) -> Club:
    club = Club(match.http, match.made, match.access)
    club.points = (await club.make("reward-items/", name="Points", key="points"))["id"]
    club.action = (await club.make("reward-actions/", name="Vote", key="vote"))["id"]
    club.program_id = club.made.application.default_program_id
    club.fan = (await club.make(f"profile-by-custom-id/{club.client_id}/ada/"))["id"]
    return club
