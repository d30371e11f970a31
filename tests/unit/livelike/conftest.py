"""Fixtures of the routes: over the rules with dictionaries (`world`, `stage`), and over SQLite (`match`, `club`)."""

import itertools
from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar

import httpx
import pytest
from litestar import Litestar
from litestar.testing import AsyncTestClient

from tests.unit.livelike.clients import Club, Match, Stage, World, client_secret, producer_token
from tifo.engagement.batch import Working
from tifo.engagement.commands import Command, DefinitionCommand, InvokeActions
from tifo.engagement.definitions import define
from tifo.engagement.leaderboards import Standing, ranked
from tifo.engagement.model import (
    Application,
    EarnedBadge,
    Fan,
    Game,
    InvokedAction,
    Leaderboard,
    Profile,
    Program,
    Transaction,
    UserQuest,
)
from tifo.engagement.ports import (
    NOWHERE,
    Anchor,
    Decision,
    Glance,
    Idempotency,
    InvokedFilter,
    Page,
    TransactionFilter,
)
from tifo.kernel.clock import system_clock
from tifo.kernel.errors import KeyReused, NotFound
from tifo.kernel.ids import (
    BadgeId,
    ClientId,
    EarnedBadgeId,
    LeaderboardId,
    ProfileId,
    ProgramId,
    QuestId,
    UserQuestId,
    uuid7,
)
from tifo.livelike.app import livelike_app
from tifo.livelike.batched_reads import BatchedReads
from tifo.livelike.nicknames import Nicknames
from tifo.livelike.services import LiveLikeServices
from tifo.livelike.tokens import Tokens
from tifo.store.engagement.access import SqlAccess
from tifo.store.engagement.engine import SqlEngine, create_application
from tifo.store.engagement.images import SqlImages
from tifo.store.engagement.queries import SqlQueries
from tifo.store.sql.database import open_sqlite

T = TypeVar("T")
BASE = "https://fans.example.com"
START = datetime(2026, 11, 24, 10, tzinfo=UTC)


class Clock:
    def __init__(self) -> None:
        self.now = START

    def __call__(self) -> datetime:
        return self.now

    def tick(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)


class Twin:
    """Engine and queries in one: the real rules over dictionaries."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.ids = (f"00000000-0000-7000-8000-{number:012d}" for number in itertools.count(1))
        self.applications: dict[str, Working] = {}
        self.ledger: list[tuple[str, Transaction]] = []
        self.invoked: list[tuple[str, InvokedAction]] = []
        self.answers: dict[tuple[str, str], tuple[bytes, Any]] = {}
        self.handled: list[Command[Any]] = []
        self.raises: Exception | None = None
        self.reads = 0

    def add_application(self, name: str) -> ClientId:
        program = Program(id=ProgramId(self.id()), name="Default", created_at=self.clock())
        app = Application(id=ClientId(self.id()), name=name, default_program_id=program.id, created_at=self.clock())
        self.applications[app.id] = Working(Game(app, (program,)))
        return app.id

    def id(self) -> str:
        return next(self.ids)

    # The engine

    async def handle(self, command: Command[Any], idempotency: Idempotency | None = None) -> Any:
        if self.raises is not None:
            raise self.raises
        key = (command.client_id, idempotency.key if idempotency else "")
        if idempotency is None or key not in self.answers:
            answer = self._do(command)
            if idempotency is not None:
                self.answers[key] = (idempotency.digest, answer)
            return answer
        digest, answer = self.answers[key]
        if digest != idempotency.digest:
            raise KeyReused("Idempotency-Key was used for another request.")
        return answer

    def _do(self, command: Any) -> Any:
        working = self._working(command.client_id)
        if isinstance(command, DefinitionCommand):
            definition = define(working.game, command, self.clock(), self.id)
            working.game = working.game.with_(definition)
            self.handled.append(command)
            return definition
        if isinstance(command, InvokeActions):
            decisions, outcomes = working.invoke_all(command, self.clock(), self.id)
            for each in decisions:
                self._keep(command, each)
            return outcomes
        decision = working.play(command, self.clock(), self.id)
        self._keep(command, decision)
        return decision.answer

    def _keep(self, command: Command[Any], decision: Decision) -> None:
        self.handled.append(command)
        self.ledger.extend((command.client_id, row) for row in decision.transactions)
        if decision.invoked is not None:
            self.invoked.append((command.client_id, decision.invoked))

    def _working(self, client_id: str) -> Working:
        return found(self.applications, client_id)

    # The queries

    def game(self, client_id: ClientId) -> Game:
        return self._working(client_id).game

    def glances(self, asked: Sequence[tuple[ClientId, ProfileId | None]]) -> list[Glance | Exception]:
        return [self._glance(*each) for each in asked]

    def _glance(self, client_id: ClientId, profile_id: ProfileId | None) -> Glance | Exception:
        try:
            fan = self.fan(client_id, profile_id) if profile_id is not None else None
            return Glance(self.game(client_id), fan.balances if fan else {})
        except NotFound as error:
            return error

    def client_secret(self, client_id: ClientId) -> str:
        self.reads += 1
        return client_secret(self.game(client_id).application.id)

    def client_of_producer_token(self, token: str) -> ClientId | None:
        self.reads += 1
        return next((ClientId(c) for c in self.applications if producer_token(c) == token), None)

    def fan(self, client_id: ClientId, profile_id: ProfileId) -> Fan:
        self.reads += 1
        return found(self._working(client_id).fans, profile_id)

    def profile(self, client_id: ClientId, profile_id: ProfileId) -> Profile:
        return self.fan(client_id, profile_id).profile

    def profile_by_custom_id(self, client_id: ClientId, custom_id: str) -> Profile:
        return self.profile(client_id, found(self._working(client_id).by_custom_id, custom_id))

    def profiles(self, client_id: ClientId, profile_ids: Sequence[ProfileId]) -> dict[ProfileId, Profile]:
        return {p: self.profile(client_id, p) for p in profile_ids}

    def user_quest(self, client_id: ClientId, user_quest_id: UserQuestId) -> UserQuest:
        working = self._working(client_id)
        fan = working.fans[found(working.by_user_quest, user_quest_id)]
        return next(run for run in fan.user_quests.values() if run.id == user_quest_id)

    def user_quests(
        self,
        client_id: ClientId,
        profile_id: ProfileId,
        *,
        quest_ids: Sequence[QuestId] = (),
        ids: Sequence[UserQuestId] = (),
        page: int = 1,
        size: int = 20,
    ) -> Page[UserQuest]:
        runs = self.fan(client_id, profile_id).user_quests.values()
        return cut(
            [r for r in runs if (not ids or r.id in ids) and (not quest_ids or r.quest_id in quest_ids)], page, size
        )

    def transactions(
        self, client_id: ClientId, where: TransactionFilter, *, page: int = 1, size: int = 20, anchor: Anchor = NOWHERE
    ) -> Page[Transaction]:
        rows = [
            (place, row)
            for place, (owner, row) in reversed([*enumerate(self.ledger)])
            if owner == client_id
            and row.kind in where.kinds
            and (not where.profile_ids or row.profile_id in where.profile_ids)
            and (not where.reward_item_ids or row.reward_item_id in where.reward_item_ids)
            and (not where.reward_action_keys or row.reward_action_key in where.reward_action_keys)
            and (where.created_since is None or row.created_at >= where.created_since)
            and (where.created_until is None or row.created_at <= where.created_until)
        ]
        return cut_at(rows, page, size, anchor)

    def invoked_actions(
        self, client_id: ClientId, where: InvokedFilter, *, page: int = 1, size: int = 20, anchor: Anchor = NOWHERE
    ) -> Page[InvokedAction]:
        placed = [*enumerate(self.invoked)]
        rows = [
            (place, row)
            for place, (owner, row) in (placed if where.oldest_first else reversed(placed))
            if owner == client_id
            and (not where.profile_ids or row.profile_id in where.profile_ids)
            and where.program_id in {None, row.program_id}
            and (not where.reward_action_keys or row.reward_action_key in where.reward_action_keys)
            and (not where.codes or row.code in where.codes)
            and set(where.attributes) <= set(row.attributes)
            and (where.since is None or row.created_at >= where.since)
            and (where.until is None or row.created_at <= where.until)
        ]
        return cut_at(rows, page, size, anchor)

    def earned_badges(
        self,
        client_id: ClientId,
        *,
        profile_id: ProfileId | None = None,
        badge_id: BadgeId | None = None,
        page: int = 1,
        size: int = 20,
        anchor: Anchor = NOWHERE,
    ) -> Page[EarnedBadge]:
        rows = [
            (int(earned.id[-12:]), earned)
            for fan in self._working(client_id).fans.values()
            for earned in fan.badges.values()
            if profile_id in {None, earned.profile_id} and badge_id in {None, earned.badge_id}
        ]
        return cut_at(sorted(rows, key=lambda placed: -placed[0]), page, size, anchor)

    def earned_badge(self, client_id: ClientId, earned_badge_id: EarnedBadgeId) -> EarnedBadge:
        working = self._working(client_id)
        fan = working.fans[found(working.by_earned_badge, earned_badge_id)]
        return next(earned for earned in fan.badges.values() if earned.id == earned_badge_id)

    # Standings, of open leaderboards

    def client_of_leaderboard(self, leaderboard_id: LeaderboardId) -> ClientId:
        games = {app: working.game for app, working in self.applications.items()}
        return found(
            {board: ClientId(app) for app, game in games.items() for board in game.leaderboards}, leaderboard_id
        )

    def standings(self, leaderboard: Leaderboard, *, page: int = 1, size: int = 20) -> Page[Standing]:
        return cut(self._standings(leaderboard), page, size)

    def standings_of(self, leaderboard: Leaderboard, profile_ids: Sequence[ProfileId]) -> list[Standing]:
        return [each for each in self._standings(leaderboard) if each.profile_id in profile_ids]

    def standings_count(self, leaderboard: Leaderboard) -> int:
        return len(self._standings(leaderboard))

    def _standings(self, leaderboard: Leaderboard) -> list[Standing]:
        fans = self._working(self.client_of_leaderboard(leaderboard.id)).fans.values()
        item = leaderboard.reward_item_id
        return ranked({fan.profile.id: fan.balances[item] for fan in fans if item in fan.balances})


def found(things: Mapping[Any, T], key: Any) -> T:
    if key not in things:
        raise NotFound(f"There is no {key}.")
    return things[key]


def cut(rows: list[T], page: int, size: int) -> Page[T]:
    return Page(count=len(rows), results=rows[(page - 1) * size : page * size], number=page, size=size)


def cut_at(rows: list[tuple[int, T]], page: int, size: int, anchor: Anchor) -> Page[T]:
    """As `cut`, of rows with their positions."""
    places = [place for place, _ in rows]
    start = (page - 1) * size
    if anchor.before is not None:
        start = places.index(anchor.before) + 1
    elif anchor.after is not None:
        start = max(0, places.index(anchor.after) - size)
    found = rows[start : start + size]
    return Page(
        count=len(rows),
        results=[row for _, row in found],
        number=page,
        size=size,
        first=found[0][0] if found else None,
        last=found[-1][0] if found else None,
        more=start + size < len(rows),
    )


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


@pytest.fixture
async def club(match: Match) -> Club:
    club = Club(match.http, match.made, match.access)
    club.points = (await club.make("reward-items/", name="Points", key="points"))["id"]
    club.action = (await club.make("reward-actions/", name="Vote", key="vote"))["id"]
    club.program_id = club.made.application.default_program_id
    club.fan = (await club.make(f"profile-by-custom-id/{club.client_id}/ada/"))["id"]
    return club
