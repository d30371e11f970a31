"""Tracked events as actions: the consumer over the real log, the real engine and its state."""

import asyncio
import json
import time
from collections.abc import AsyncIterator
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tifo.engagement.access import create_application
from tifo.engagement.commands import (
    AddQuestTask,
    Command,
    CreateProfile,
    CreateQuest,
    CreateRewardAction,
    UpdateApplication,
)
from tifo.engagement.model import Condition, SegmentTrigger
from tifo.engagement.ports import Idempotency, InvokedFilter
from tifo.eventlog.ports import Append
from tifo.eventlog.sqlite import SqliteEventLog
from tifo.kernel.clock import system_clock
from tifo.kernel.errors import Transient
from tifo.kernel.ids import MessageId, Position, SourceId, uuid7
from tifo.source.segment_actions.consumer import SegmentActions, read_through
from tifo.source.segment_actions.matching import MADE_BY_TIFO, NO_USER_ID, UNKNOWN_USER, UNUSABLE_ID
from tifo.source.segment_actions.memory import InMemoryActionsState
from tifo.source.segment_actions.ports import ActionsState
from tifo.store.engagement.access import SqlAccess
from tifo.store.engagement.engine import SqlEngine
from tifo.store.engagement.queries import SqlQueries
from tifo.store.source.segment_actions import SqlActionsState
from tifo.store.sql.database import open_sqlite
from tifo.tracking.envelope import Message

VIDEO, OTHER = SourceId("video"), SourceId("other")


class Flaky:
    """The engine, which answers the first commands with an error that passes."""

    def __init__(self, engine: SqlEngine) -> None:
        self.engine, self.failures = engine, 0

    async def handle(self, command: Command[Any], idempotency: Idempotency | None = None) -> Any:
        if self.failures:
            self.failures -= 1
        if self.failures % 2:
            raise Transient("The state is out of reach.")
        return await self.engine.handle(command, idempotency)


class Rig:
    def __init__(self, folder: Path, kind: str) -> None:
        self.database = open_sqlite(folder / "tifo.db")
        self.client_id = create_application(SqlAccess(self.database, system_clock, uuid7), "Club").application.id
        self.engine = Flaky(SqlEngine(self.database, system_clock, uuid7))
        self.ahead = timedelta(0)
        self.log = SqliteEventLog(folder / "log", clock=lambda: system_clock() + self.ahead)
        self.queries = SqlQueries(self.database)
        self.state: ActionsState = SqlActionsState(self.database, system_clock, self.log.shard)
        if kind == "memory":
            self.state = InMemoryActionsState(lambda: [self.queries.game(self.client_id)], system_clock)
        self.consumer = self.restarted()

    def restarted(self) -> SegmentActions:
        return SegmentActions(self.log, self.engine, self.state, monotonic=lambda: 0.0)

    async def action(self, key: str = "watch", **more: Any) -> None:
        trigger = SegmentTrigger(**{"source_id": VIDEO, "event": "Video Watched", **more})
        await self.engine.handle(CreateRewardAction(client_id=self.client_id, name=key, key=key, trigger=trigger))

    def track(self, message_id: str, user: str | None = "ada", source: SourceId = VIDEO, **more: Any) -> None:
        body = {"type": "track", "messageId": message_id, "event": "Video Watched", **more}
        if user is not None:
            body["userId"] = user
        message = Message(MessageId(message_id), json.dumps(body).encode())
        self.log.append([Append(source, system_clock(), [message])])

    async def read_all(self, consumer: SegmentActions | None = None) -> None:
        while await (consumer or self.consumer).step():
            pass

    def codes(self, key: str = "watch") -> list[str | None]:
        where = InvokedFilter(reward_action_keys=[key])
        found = self.queries.invoked_actions(self.client_id, where, size=10_000).results
        return [each.code for each in reversed(found)]

    def skipped(self) -> dict[str, tuple[int, str]]:
        return {each.reason: (each.total, each.message_id) for each, _ in self.state.skipped(self.client_id)}


@pytest.fixture(params=["memory", "sqlite"])
async def rig(tmp_path: Path, request: pytest.FixtureRequest) -> AsyncIterator[Rig]:
    """The state is one of both; the log and the engine are the real ones."""
    rig = Rig(tmp_path, request.param)
    await rig.engine.handle(CreateProfile(client_id=rig.client_id, custom_id="ada"))
    yield rig
    await rig.engine.engine.close()
    rig.log.close()
    rig.database.dispose()


async def test_a_fitting_track_is_an_action_once_however_often_it_is_read_or_sent_again(rig: Rig) -> None:
    await rig.action(conditions=(Condition(property="seconds", operator=">=", value=60),))
    rig.track("m-1", properties={"seconds": 60})
    rig.track("m-2", properties={"seconds": 59})
    rig.track("m-3", properties={"seconds": 61}, event="Video Paused")
    rig.track("m-4", properties={"seconds": 61}, type="page")
    rig.track("m-5", properties={"seconds": 61}, source=OTHER)
    rig.track("m-6", properties=None)
    await rig.read_all()
    rig.ahead = timedelta(days=2)  # the log has forgotten by now that it knows m-1
    rig.track("m-7", event="Other")
    rig.track("m-1", properties={"seconds": 60})
    assert rig.log.end() == 8, "the log holds it twice"
    await rig.read_all()
    assert rig.codes() == ["m-1"]
    assert rig.skipped() == {}


async def test_a_consumer_that_dies_before_it_stored_its_position_does_nothing_twice(rig: Rig) -> None:
    await rig.action()
    for number in range(50):
        rig.track(f"m-{number}")
    await rig.read_all()
    rig.state.advance(Position(0), [])
    await rig.read_all(rig.restarted())
    assert rig.codes() == [f"m-{number}" for number in range(50)], "once each, and in order for the fan"
    assert rig.state.position() == 50


async def test_three_videos_are_a_quest_and_automatic_processing_starts_it(rig: Rig) -> None:
    await rig.action(create_profiles=True)
    client_id = rig.client_id
    await rig.engine.handle(UpdateApplication(client_id=client_id, automatic_quest_processing=True))
    quest = await rig.engine.handle(CreateQuest(client_id=client_id, name="Watch three"))
    task = AddQuestTask(
        client_id=client_id, quest_id=quest.id, name="Watch", target_value=Decimal(3), reward_action_key="watch"
    )
    await rig.engine.handle(task)
    for message_id in ("m-1", "m-2", "m-1", "m-2", "m-3", "m-4"):
        rig.track(message_id, "zoë")
    await rig.read_all()
    profile = rig.queries.profile_by_custom_id(client_id, "zoë")
    [run] = rig.queries.user_quests(client_id, profile.id).results
    assert run.completed_at is not None
    assert rig.codes() == ["m-1", "m-2", "m-3", "m-4"]


async def test_what_is_no_action_is_counted_with_its_reason_and_newest_message(rig: Rig) -> None:
    await rig.action()
    rig.track("m-1", "nobody")
    rig.track("m-2", None, anonymousId="x")
    rig.track("m-3", "nobody")
    rig.track("m-4", "a\0da")
    await rig.read_all()
    rig.track("m-5", "nobody")
    await rig.read_all()
    assert rig.skipped() == {UNKNOWN_USER: (3, "m-5"), NO_USER_ID: (1, "m-2"), UNUSABLE_ID: (1, "m-4")}
    assert rig.codes() == []


async def test_unknown_users_are_created_where_the_action_says_so_and_one_that_cannot_be_harms_nobody(rig: Rig) -> None:
    await rig.action(create_profiles=True)
    rig.track("m-1", "new")
    rig.track("m-2", "x" * 300)
    rig.track("m-3", "new")
    await rig.read_all()
    assert rig.codes() == ["m-1", "m-3"]
    assert rig.skipped() == {UNKNOWN_USER: (1, "m-2")}


async def test_an_action_acts_on_what_is_received_after_it_was_made(rig: Rig) -> None:
    rig.track("m-1")
    await rig.action()
    rig.track("m-2")
    await rig.read_all()
    assert rig.codes() == ["m-2"]


async def test_no_event_of_tifos_own_is_an_action_and_those_of_livelikes_webhooks_are(rig: Rig) -> None:
    await rig.action()
    library = {"name": "tifo", "version": "1"}
    rig.track("m-1", context={"library": library})
    rig.track("m-2", context={"library": library, "livelike": {"client_id": rig.client_id}})
    rig.track("m-3", context={"library": library, "livelike": {"client_id": "one of livelike's"}})
    rig.track("m-4", context={"library": {"name": "analytics.js"}})
    await rig.read_all()
    assert rig.codes() == ["m-3", "m-4"]
    assert rig.skipped() == {MADE_BY_TIFO: (2, "m-2")}


async def test_while_the_engine_is_out_of_reach_the_events_wait_and_then_count_once(rig: Rig) -> None:
    await rig.action()
    for number in range(20):
        rig.track(f"m-{number:02}")
    rig.engine.failures = 31
    stop = asyncio.Event()
    running = asyncio.create_task(rig.consumer.run(stop))
    deadline = time.monotonic() + 10
    while rig.state.position() < 20:
        assert time.monotonic() < deadline, "not read within 10 s"
        await asyncio.sleep(0.01)
    stop.set()
    await running
    assert sorted(rig.codes(), key=str) == [f"m-{number:02}" for number in range(20)]


async def test_the_log_is_needed_from_the_stored_position_on_and_only_where_an_action_reads_it(rig: Rig) -> None:
    rig.track("m-1")
    assert read_through(rig.log, rig.state) == Position(1)
    await rig.action()
    assert read_through(rig.log, rig.state) == Position(0)
    rig.track("m-2")
    await rig.read_all()
    assert read_through(rig.log, rig.state) == Position(2)


async def test_several_actions_and_applications_may_act_on_one_event(rig: Rig) -> None:
    await rig.action("watch")
    await rig.action("look", create_profiles=True)
    rig.track("m-1", "new")
    rig.track("m-2", "ada")
    await rig.read_all()
    assert (rig.codes("watch"), set(rig.codes("look"))) == (["m-2"], {"m-1", "m-2"})
