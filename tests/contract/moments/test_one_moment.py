"""An answer that several statements read is of one moment, whenever another process commits between two of them."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tests.conftest import NewState
from tests.interleaving import Interleaving, outcomes
from tests.shards import SHARD, at
from tifo.delivery.ports import Checkpoint, Counted, Result
from tifo.engagement import commands as c
from tifo.engagement.access import create_application
from tifo.engagement.model import Leaderboard
from tifo.engagement.ports import TransactionFilter
from tifo.kernel.clock import system_clock
from tifo.kernel.ids import ClientId, DestinationId, MessageId, Position, ProfileId, RewardItemId, TrackingPlanId, uuid7
from tifo.source.webhooks.outbox import Subscriber
from tifo.store.delivery.deliveries import SqlDeliveryState
from tifo.store.engagement.access import SqlAccess
from tifo.store.engagement.engine import SqlEngine
from tifo.store.engagement.queries import SqlQueries
from tifo.store.engagement.recorded import SqlRecordedActions
from tifo.store.source.facts import SqlFactFeed
from tifo.store.source.webhooks_out import SqlWebhookOutbox
from tifo.store.sql.database import Database
from tifo.store.workspace.as_text import SqlWorkspace
from tifo.store.workspace.catalog import SqlCatalog
from tifo.store.workspace.destinations import SqlDestinations
from tifo.store.workspace.plans import SqlTrackingPlans
from tifo.store.workspace.vault import Vault
from tifo.store.workspace.warehouses import SqlWarehouses
from tifo.tracking.plans.violations import ViolationCounts, ViolationKey, bucket_of
from tifo.workspace.model import Source, SourceType
from tifo.workspace.sync import Override
from tifo.workspace.warehouses import BUILT_IN, Sync, SyncStatus

NOW = datetime(2026, 11, 24, 10, tzinfo=UTC)


class Case(NamedTuple):
    read: Callable[[], object]
    change: Callable[[], object]


class Club:
    """A state that is read here and changed from elsewhere: two connections to one database."""

    def __init__(self, here: Database, there: Database, folder: Path) -> None:
        self.here, self.there = here, there
        self.queries = SqlQueries(here)
        self.vault = Vault("", folder / "key")
        self.client_id: ClientId = create_application(SqlAccess(there, system_clock, uuid7), "Club").application.id
        self.item = RewardItemId(self.do(c.CreateRewardItem, name="Points").id)
        self.board: Leaderboard = self.do(c.CreateLeaderboard, name="Best", reward_item_id=self.item)
        quest = self.do(c.CreateQuest, name="Quest")
        self.do(c.AddQuestTask, quest_id=quest.id, name="Step", target_value=Decimal(1))
        reward = c.NewQuestReward(reward_item_id=self.item, reward_item_amount=7)
        self.do(c.AddQuestRewards, quest_id=quest.id, rewards=(reward,))
        self.quest = quest.id
        self.fans = [self.fan(points) for points in (100, 70, 70, 5)]

    def do(self, command: type[Any], **fields: Any) -> Any:
        async def handle() -> Any:
            engine = SqlEngine(self.there, system_clock, uuid7)
            answer: Any = await engine.handle(command(client_id=self.client_id, **fields))
            await engine.close()
            return answer

        return asyncio.run(handle())

    def fan(self, points: int) -> ProfileId:
        made: ProfileId = self.do(c.CreateProfile).id
        self.credit(made, points)
        return made

    def credit(self, fan: ProfileId, points: int) -> None:
        self.do(c.Credit, profile_id=fan, reward_item_id=self.item, reward_item_amount=points)

    def restart(self, fan: ProfileId, run_id: str) -> None:
        """Puts another run of the quest in the place of this one."""
        self.do(c.RemoveUserQuest, user_quest_id=run_id)
        self.do(c.StartQuest, profile_id=fan, quest_id=self.quest)

    def run(self, fan: ProfileId) -> Any:
        return self.do(c.StartQuest, profile_id=fan, quest_id=self.quest)

    def complete(self, run: Any) -> None:
        self.do(c.ProgressTask, user_quest_task_id=run.tasks[0].id)
        self.do(c.ClaimQuestRewards, user_quest_id=run.id)

    def source(self) -> Source:
        return SqlCatalog(self.there, system_clock, uuid7).create_source(uuid7(), SourceType.HTTP)

    def destination(self, source: Source) -> DestinationId:
        destinations = SqlDestinations(self.there, system_clock, uuid7, self.vault)
        return destinations.add("webhook", "Hook", source.id, {}, start=at(0)).id

    def subscriber(self) -> Subscriber:
        outbox = SqlWebhookOutbox(self.there, lambda: NOW, uuid7)
        return outbox.subscribe(self.client_id, "https://example.com/hook", (), None)


def _standings(club: Club) -> Case:
    last = club.fans[-1]
    return Case(lambda: club.queries.standings(club.board, page=2, size=2), lambda: club.credit(last, 200))


def _a_page_that_begins_at_the_end(club: Club) -> Case:
    # The last fan leaves the last place for the first.
    last = club.fan(1)
    count = club.queries.standings(club.board).count
    return Case(lambda: club.queries.standings(club.board, page=count, size=1), lambda: club.credit(last, 900_000))


def _places(club: Club) -> Case:
    return Case(lambda: club.queries.standings_of(club.board, club.fans), lambda: club.fan(1_000))


def _places_of_a_leaderboard_that_ends(club: Club) -> Case:
    board = club.do(c.CreateLeaderboard, name="Mine", reward_item_id=club.item, is_locked=True)
    return Case(
        lambda: club.queries.standings_of(board, club.fans),
        lambda: club.do(c.Archive, kind="leaderboard", id=board.id),
    )


def _a_fan(club: Club) -> Case:
    fan = club.fan(10)
    run = club.run(fan)
    club.do(c.ProgressTask, user_quest_task_id=run.tasks[0].id)
    return Case(
        lambda: club.queries.fan(club.client_id, fan), lambda: club.do(c.ClaimQuestRewards, user_quest_id=run.id)
    )


def _runs(club: Club) -> Case:
    fan = club.fan(10)
    run = club.run(fan)
    return Case(
        lambda: club.queries.user_quests(club.client_id, fan),
        lambda: club.do(c.RemoveUserQuest, user_quest_id=run.id),
    )


def _a_run(club: Club) -> Case:
    run = club.run(club.fan(10))
    step = run.tasks[0].id
    return Case(
        lambda: club.queries.user_quest(club.client_id, run.id),
        lambda: club.do(c.ProgressTask, user_quest_task_id=step),
    )


def _a_page(club: Club) -> Case:
    fan = club.fan(10)
    every = TransactionFilter(profile_ids=(fan,), kinds=())
    return Case(lambda: club.queries.transactions(club.client_id, every), lambda: club.credit(fan, 1))


def _game_and_balances(club: Club) -> Case:
    fan = club.fan(10)

    def change() -> None:
        item = club.do(c.CreateRewardItem, name="Coins").id
        club.do(c.Credit, profile_id=fan, reward_item_id=item, reward_item_amount=1)

    def read() -> object:
        (glance,) = club.queries.glances([(club.client_id, fan)])
        assert not isinstance(glance, Exception)
        return set(glance.balances) <= set(glance.game.reward_items)

    return Case(read, change)


def _recorded_play(club: Club) -> Case:
    fan = club.fan(10)
    run = club.run(fan)

    def read() -> object:
        groups = SqlRecordedActions(club.here).groups(club.client_id)
        (mine,) = [each for group in groups for each in group if each.profile.id == fan]
        return len(mine.transfers), len(mine.starts)

    def change() -> None:
        club.do(c.RemoveUserQuest, user_quest_id=run.id)

    return Case(read, change)


def _facts(club: Club) -> Case:
    feed, elsewhere = SqlFactFeed(club.here), SqlFactFeed(club.there)
    club.complete(club.run(club.fan(1)))
    waiting = [each.id for each in elsewhere.pending(club.client_id, 100)]
    elsewhere.advance(club.client_id, waiting[:-2], NOW)
    elsewhere.dead_letter(club.client_id, waiting[-2], 400, "no", NOW)
    elsewhere.resend(club.client_id)
    return Case(
        lambda: [each.id for each in feed.pending(club.client_id, 100)],
        lambda: elsewhere.advance(club.client_id, waiting[-2:], NOW),
    )


def _relay_report(club: Club) -> Case:
    feed, elsewhere = SqlFactFeed(club.here), SqlFactFeed(club.there)
    club.complete(club.run(club.fan(1)))
    waiting = [each.id for each in elsewhere.pending(club.client_id, 100)]
    return Case(
        lambda: feed.report(club.client_id),
        lambda: elsewhere.dead_letter(club.client_id, waiting[0], 400, "no", NOW),
    )


def _outbox_report(club: Club) -> Case:
    outbox, elsewhere = (SqlWebhookOutbox(each, lambda: NOW, uuid7) for each in (club.here, club.there))
    subscriber = club.subscriber()
    club.complete(club.run(club.fan(1)))
    new = elsewhere.new(subscriber, 10)
    return Case(
        lambda: outbox.report(club.client_id, subscriber.id),
        lambda: elsewhere.settle(subscriber, through=new[-1].position, delivered=new, failed_in_a_row=0, at=NOW),
    )


def _webhooks_about_a_run(club: Club) -> Case:
    outbox = SqlWebhookOutbox(club.here, lambda: NOW, uuid7)
    subscriber = club.subscriber()
    fan = club.fan(1)
    run = club.run(fan)
    club.do(c.ProgressTask, user_quest_task_id=run.tasks[0].id)
    facts = [each.fact for each in outbox.new(subscriber, 10)]

    def change() -> None:
        club.do(c.UpdateProfile, profile_id=fan, nickname=uuid7())

    return Case(lambda: outbox.contexts(facts), change)


def _destination_numbers(club: Club) -> Case:
    state, elsewhere = SqlDeliveryState(club.here, SHARD), SqlDeliveryState(club.there, SHARD)
    destination = club.destination(club.source())
    delivered = Counted(minute=1, type="track", name="Vote", result=Result.DELIVERED, code="")
    moved = Checkpoint(destination, position=Position(5), received=5, counts={delivered: 5}, previous=Position(0))
    return Case(lambda: state.numbers(destination), lambda: elsewhere.settle([moved]))


def _loads(club: Club) -> Case:
    warehouses, elsewhere = (SqlWarehouses(each, lambda: NOW) for each in (club.here, club.there))
    source = club.source()

    def record() -> None:
        sync = Sync(
            warehouse=BUILT_IN,
            source_id=source.id,
            status=SyncStatus.SUCCESS,
            started_at=NOW,
            finished_at=NOW,
            events=3,
            position=Position(3),
            latencies={1: 3},
        )
        elsewhere.record([sync])

    record()
    return Case(lambda: [each for each in warehouses.loads(BUILT_IN) if each.source_id == source.id], record)


def _sources(club: Club) -> Case:
    catalog, elsewhere = (SqlCatalog(each, system_clock, uuid7) for each in (club.here, club.there))
    source = club.source()
    return Case(catalog.sources, lambda: elsewhere.delete_source(source.id))


def _workspace(club: Club) -> Case:
    workspace = SqlWorkspace(club.here, system_clock, uuid7, club.vault)
    elsewhere = SqlCatalog(club.there, system_clock, uuid7)
    source = club.source()
    elsewhere.select(BUILT_IN, {source.id: [Override("pages", None, enabled=False)]})

    def change() -> None:
        elsewhere.select(BUILT_IN, {source.id: [Override("pages", None, enabled=True)]})

    return Case(workspace.read, change)


def _violations(club: Club) -> Case:
    plans, elsewhere = (SqlTrackingPlans(each, system_clock, uuid7) for each in (club.here, club.there))
    source = club.source()
    kind = ViolationKey(
        source_id=source.id,
        plan_id=TrackingPlanId("plan"),
        bucket=bucket_of(NOW),
        type="track",
        name="Vote",
        violation="Required",
        field="properties.a",
    )
    counts = ViolationCounts(
        total=2, blocked=0, omitted=0, description="missing", message_id=MessageId("m"), sample=b"{}", at=NOW
    )
    elsewhere.record({kind: counts})
    return Case(
        lambda: plans.violations(source.id, NOW - timedelta(days=1), limit=10),
        lambda: elsewhere.forget(NOW + timedelta(days=1)),
    )


CASES: dict[str, Callable[[Club], Case]] = {
    "a page of a leaderboard": _standings,
    "the last place of a leaderboard": _a_page_that_begins_at_the_end,
    "places and their number": _places,
    "places of a leaderboard that ends": _places_of_a_leaderboard_that_ends,
    "a fan": _a_fan,
    "a fan's runs and their number": _runs,
    "a run and its tasks": _a_run,
    "a page of the ledger and its count": _a_page,
    "balances and their items": _game_and_balances,
    "recorded play": _recorded_play,
    "facts that wait": _facts,
    "the relay's report": _relay_report,
    "a subscriber's report": _outbox_report,
    "what webhooks say of a run": _webhooks_about_a_run,
    "a destination's numbers": _destination_numbers,
    "a warehouse's loads": _loads,
    "sources and their keys": _sources,
    "the workspace": _workspace,
    "violations and their samples": _violations,
}


@pytest.fixture(params=["sqlite", "postgres"])
def club(request: pytest.FixtureRequest, new_state: NewState, tmp_path: Path) -> Club:
    return Club(new_state(request.param), new_state(request.param), tmp_path)


@pytest.mark.parametrize("name", CASES)
def test_what_is_read_was_true_at_one_moment(club: Club, name: str) -> None:
    def read(interleaving: Interleaving, number: int) -> None:
        case = CASES[name](club)
        before = case.read()
        with interleaving.before(number, case.change):
            found = case.read()
        assert found in (before, case.read()), f"a change before statement {number} was seen in part"

    assert list(outcomes(club.here, read))
