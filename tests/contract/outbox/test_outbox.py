"""What every outbox of webhooks does, over each implementation."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import insert

from tifo.engagement.access import create_application
from tifo.engagement.commands import AddQuestTask, CreateProfile, CreateQuest, CreateRewardAction, StartQuest
from tifo.engagement.facts import AnyFact, RewardItemRewarded, UserQuestCompleted
from tifo.engagement.memory import InMemoryAccess, InMemoryQueries, InMemoryState
from tifo.kernel.clock import system_clock
from tifo.kernel.errors import NotFound, Rejected
from tifo.kernel.ids import (
    ClientId,
    FactId,
    ProfileId,
    RewardItemId,
    TransactionId,
    uuid7,
)
from tifo.source.webhooks.memory import InMemoryWebhookOutbox
from tifo.source.webhooks.outbox import (
    PlacedFact,
    Subscriber,
    UndeliveredWebhook,
    UndeliveredWebhookState,
    WebhookOutbox,
)
from tifo.store.engagement import rows as r
from tifo.store.engagement.access import SqlAccess
from tifo.store.engagement.engine import SqlEngine
from tifo.store.source.webhooks_out import SqlWebhookOutbox
from tifo.store.sql import tables as t
from tifo.store.sql.database import Database, open_sqlite

NOW = datetime(2026, 11, 24, 10, tzinfo=UTC)


class Rig:
    """An outbox with one application, and what commits facts as a transaction of the engine's does."""

    def __init__(self, outbox: WebhookOutbox, client_id: ClientId, client_secret: str) -> None:
        self.outbox, self.client_id, self.client_secret = outbox, client_id, client_secret

    def other_application(self) -> ClientId:
        raise NotImplementedError

    def commit(self, *ids: str, client_id: ClientId | None = None) -> None:
        """`ada-1`: a fact of the profile `ada`."""
        for each in ids:
            self.store(fact(each, client_id or self.client_id))

    def store(self, fact: AnyFact) -> None:
        raise NotImplementedError

    def subscribe(self, *events: str) -> Subscriber:
        return self.outbox.subscribe(self.client_id, "https://example.com/hook", events, None)

    def undelivered(self, placed: PlacedFact, **more: object) -> UndeliveredWebhook:
        return UndeliveredWebhook(
            placed.position,
            placed.fact.id,
            placed.fact.profile_id,
            "reward-table-rewards-awarded",
            **more,  # type: ignore[arg-type]
        )

    def settle(
        self,
        subscriber: Subscriber,
        new: Sequence[PlacedFact],
        undelivered: Sequence[UndeliveredWebhook] = (),
        failed: int = 0,
    ) -> None:
        places = {each.position for each in undelivered}
        delivered = [each for each in new if each.position not in places]
        through = max((each.position for each in new), default=None)
        self.outbox.settle(
            subscriber, through=through, delivered=delivered, undelivered=undelivered, failed_in_a_row=failed, at=NOW
        )


class SqlRig(Rig):
    def __init__(self, database: Database) -> None:
        self.database = database
        made = create_application(SqlAccess(database, system_clock, uuid7), "Club")
        outbox = SqlWebhookOutbox(database, lambda: NOW, uuid7)
        super().__init__(outbox, made.application.id, made.client_secret)

    def other_application(self) -> ClientId:
        return create_application(SqlAccess(self.database, system_clock, uuid7), "Other").application.id

    def store(self, fact: AnyFact) -> None:
        with self.database.writing() as connection:
            connection.execute(insert(t.facts), r.fact_row(fact))


class InMemoryRig(Rig):
    def __init__(self) -> None:
        state = InMemoryState()
        self.access = InMemoryAccess(state)
        made = create_application(self.access, "Club")
        self.twin = InMemoryWebhookOutbox(clock=lambda: NOW, secret_of=InMemoryQueries(state).client_secret)
        super().__init__(self.twin, made.application.id, made.client_secret)

    def other_application(self) -> ClientId:
        return create_application(self.access, "Other").application.id

    def store(self, fact: AnyFact) -> None:
        self.twin.commit(fact)


def fact(fact_id: str, client_id: ClientId) -> RewardItemRewarded:
    return RewardItemRewarded(
        id=FactId(fact_id),
        client_id=client_id,
        profile_id=ProfileId(fact_id.partition("-")[0]),
        custom_id=None,
        happened_at=NOW,
        reward_item_id=RewardItemId("i"),
        reward_item_name="Points",
        reward_item_amount=1,
        reward_item_balance=1,
        reward_item_transaction_id=TransactionId("t"),
        reward_action_key="vote",
    )


@pytest.fixture(params=["memory", "sqlite"])
def rig(request: pytest.FixtureRequest) -> Rig:
    rig: Rig = InMemoryRig() if request.param == "memory" else request.getfixturevalue("sql_rig")
    return rig


@pytest.fixture
def sql_rig(tmp_path: Path) -> Iterator[SqlRig]:
    database = open_sqlite(tmp_path / "tifo.db")
    yield SqlRig(database)
    database.dispose()


def ids(placed: Sequence[PlacedFact]) -> list[str]:
    return [each.fact.id for each in placed]


def test_a_subscriber_gets_what_comes_after_it_and_only_of_its_application(rig: Rig) -> None:
    rig.commit("ada-1")
    subscriber = rig.subscribe()
    other = rig.other_application()
    rig.commit("ada-2", "bob-1")
    rig.commit("eve-1", client_id=other)
    assert ids(rig.outbox.new(subscriber, 10)) == ["ada-2", "bob-1"]
    assert ids(rig.outbox.new(subscriber, 1)) == ["ada-2"]
    assert subscriber.secret == rig.client_secret
    assert subscriber.secret not in repr(subscriber)


def test_each_subscriber_has_a_cursor_of_its_own(rig: Rig) -> None:
    one, other = rig.subscribe(), rig.subscribe("badge-awarded")
    rig.commit("ada-1", "ada-2")
    rig.settle(one, rig.outbox.new(one, 1))
    assert ids(rig.outbox.new(one, 10)) == ["ada-2"]
    assert ids(rig.outbox.new(other, 10)) == ["ada-1", "ada-2"]
    assert [each.events for each in rig.outbox.subscribers(rig.client_id)][1] == ("badge-awarded",)


def test_of_each_profile_the_first_late_fact_is_due_once_its_time_has_come(rig: Rig) -> None:
    subscriber = rig.subscribe()
    rig.commit("ada-1", "ada-2", "bob-1", "eve-1")
    new = rig.outbox.new(subscriber, 10)
    failed = {"attempts": 1, "first_at": NOW, "tried_at": NOW, "next_at": NOW + timedelta(seconds=5), "status": 500}
    rig.settle(
        subscriber, new, [rig.undelivered(new[0], **failed), rig.undelivered(new[1]), rig.undelivered(new[2])], failed=1
    )
    assert rig.outbox.new(subscriber, 10) == []
    assert rig.outbox.waiting_profiles(subscriber, [ProfileId("ada"), ProfileId("eve")]) == {"ada"}
    assert ids(rig.outbox.due(subscriber, NOW, 10)) == ["bob-1"]
    later = rig.outbox.due(subscriber, NOW + timedelta(seconds=5), 10)
    assert sorted(ids(later)) == ["ada-1", "bob-1"], "ada's second waits for her first"
    [ada] = [each for each in later if each.fact.id == "ada-1"]
    assert (ada.attempts, ada.first_at) == (1, NOW)
    rig.outbox.settle(subscriber, delivered=later, failed_in_a_row=0, at=NOW)
    assert ids(rig.outbox.due(subscriber, NOW, 10)) == ["ada-2"]
    report = rig.outbox.report(rig.client_id, subscriber.id)
    assert (report.to_send, report.waiting, report.dead_lettered, report.delivered) == (0, 1, 0, 3)


def test_what_is_set_aside_holds_nobody_up_is_shown_and_comes_back_by_retry(rig: Rig) -> None:
    subscriber = rig.subscribe()
    rig.commit("ada-1", "ada-2")
    new = rig.outbox.new(subscriber, 10)
    aside = rig.undelivered(
        new[0],
        state=UndeliveredWebhookState.DEAD_LETTERED,
        attempts=9,
        first_at=NOW,
        tried_at=NOW,
        status=500,
        answer="no",
    )
    rig.settle(subscriber, new, [aside])
    assert rig.outbox.due(subscriber, NOW, 10) == []
    assert rig.outbox.waiting_profiles(subscriber, [ProfileId("ada")]) == set()
    assert rig.outbox.undelivered(rig.client_id, subscriber.id, 10) == [aside]
    assert rig.outbox.retry(rig.client_id, subscriber.id) == 1
    [again] = rig.outbox.due(subscriber, NOW, 10)
    assert (again.fact.id, again.attempts, again.first_at) == ("ada-1", 0, None)


def test_unsubscribing_forgets_what_waits_and_an_answer_that_comes_later_does_no_harm(rig: Rig) -> None:
    subscriber = rig.subscribe()
    rig.commit("ada-1")
    new = rig.outbox.new(subscriber, 10)
    rig.outbox.unsubscribe(rig.client_id, subscriber.id)
    rig.settle(subscriber, new, [rig.undelivered(new[0])])
    assert rig.outbox.subscribers() == []
    assert rig.outbox.new(subscriber, 10) == []
    assert rig.outbox.due(subscriber, NOW, 10) == []
    with pytest.raises(NotFound, match=subscriber.id):
        rig.outbox.report(rig.client_id, subscriber.id)


def test_a_sender_that_is_slower_than_another_moves_the_cursor_not_back(rig: Rig) -> None:
    subscriber = rig.subscribe()
    rig.commit("ada-1")
    slow = rig.outbox.new(subscriber, 10)
    rig.commit("bob-1")
    rig.settle(subscriber, rig.outbox.new(subscriber, 10))
    rig.settle(subscriber, slow)
    assert rig.outbox.new(subscriber, 10) == []


def test_bad_input_is_refused_by_its_field(rig: Rig) -> None:
    with pytest.raises(Rejected, match="ftp") as caught:
        rig.outbox.subscribe(rig.client_id, "ftp://example.com", (), None)
    assert caught.value.field == "target_url"
    with pytest.raises(NotFound, match="nobody"):
        rig.outbox.subscribe(ClientId("nobody"), "https://example.com", (), None)
    with pytest.raises(NotFound):
        rig.outbox.undelivered(ClientId("nobody"), rig.subscribe().id, 1)


async def test_what_a_fact_lacks_is_looked_up_in_the_state(sql_rig: SqlRig) -> None:
    rig = sql_rig
    engine = SqlEngine(rig.database, system_clock, uuid7)
    client_id = rig.client_id
    action = await engine.handle(CreateRewardAction(client_id=client_id, name="Vote", key="vote"))
    quest = await engine.handle(CreateQuest(client_id=client_id, name="Matchday"))
    quest = await engine.handle(AddQuestTask(client_id=client_id, quest_id=quest.id, name="Vote"))
    profile = await engine.handle(CreateProfile(client_id=client_id, nickname="Zoë"))
    run = await engine.handle(StartQuest(client_id=client_id, profile_id=profile.id, quest_id=quest.id))
    await engine.close()
    who: dict[str, Any] = {"client_id": client_id, "profile_id": profile.id, "custom_id": None, "happened_at": NOW}
    completed = UserQuestCompleted(
        id=FactId("f"),
        **who,
        quest_id=quest.id,
        quest_name="Matchday",
        user_quest_id=run.id,
    )
    [about_quest, about_reward] = rig.outbox.contexts([completed, fact("ada-1", client_id)])
    assert about_quest.nickname == "Zoë"
    assert about_quest.quest_run is not None
    assert about_quest.quest_run.quest_tasks == {run.tasks[0].id: quest.tasks[0].id}
    assert about_quest.quest_run.created_at == run.created_at
    assert (about_reward.nickname, about_reward.reward_action_id) == (None, action.id)
