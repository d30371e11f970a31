import json
from collections.abc import AsyncIterator, Callable
from decimal import Decimal
from typing import Any

import aiohttp
import pytest

from tifo.kernel.errors import NotFound, Transient
from tifo.source.webhooks.incoming import LookedUp, read_webhook
from tifo.source.webhooks.lookup import DEFINITIONS_FRESH_S, NOBODY_FRESH_S, LiveLikeApi

Hook = Callable[..., dict[str, Any]]


class Time:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


class Rig:
    def __init__(self, session: aiohttp.ClientSession, livelike: Any) -> None:
        self.livelike = livelike
        self.time = Time()
        self.api = LiveLikeApi(session, livelike.address, "producer-token", monotonic=self.time)

    async def find(self, hook: dict[str, Any]) -> LookedUp:
        return await self.api.find(read_webhook(json.dumps(hook).encode()))


@pytest.fixture
async def rig(livelike: Any) -> AsyncIterator[Rig]:
    async with aiohttp.ClientSession() as session:
        yield Rig(session, livelike)


async def test_each_event_asks_for_just_what_it_lacks(rig: Rig, recorded: list[dict[str, Any]]) -> None:
    found = {each["event"]: await rig.find(each) for each in recorded}
    assert found["badge-awarded"] == LookedUp()
    quest = found["user-quest-completed"].quest
    assert quest is not None
    assert (quest.name, quest.tasks["qt-1"]) == ("Matchday Ω", ("Drei Fragen täglich", Decimal(3)))
    assert found["user-quest-completed"] == LookedUp(custom_id="ada", quest=quest)
    assert found["user-quest-task-completed"] == LookedUp(custom_id="ada", quest=quest)
    assert found["user-quest-task-progressed"] == LookedUp(custom_id="ada", quest=quest, progress=Decimal("2.5"))
    assert found["reward-table-rewards-awarded"] == LookedUp(reward_item_name="Punkte 🎯")
    for paid in ("user-quest-reward-awarded", "user-reward-awarded"):
        assert found[paid] == LookedUp(quest=quest, reward_item_name="Punkte 🎯")
    assert rig.livelike.tokens == {"Bearer producer-token"}


async def test_names_and_custom_ids_are_asked_for_once_and_progress_each_time(rig: Rig, hook: Hook) -> None:
    for _ in range(3):
        await rig.find(hook("user-quest-task-progressed"))
    asked = [path.partition("?")[0] for path in rig.livelike.asked]
    assert sorted(asked) == ["/api/v1/profiles/p-1/", "/api/v1/quests/q-1/"] + ["/api/v1/user-quests/"] * 3


async def test_a_name_is_asked_for_again_after_a_while_and_a_custom_id_only_where_there_was_none(
    rig: Rig, hook: Hook
) -> None:
    rig.livelike.custom_id = None
    assert (await rig.find(hook("user-quest-completed"))).custom_id is None
    rig.livelike.custom_id = "ada"
    rig.time.now += NOBODY_FRESH_S
    assert (await rig.find(hook("user-quest-completed"))).custom_id == "ada"
    rig.time.now += DEFINITIONS_FRESH_S
    await rig.find(hook("user-quest-completed"))
    assert rig.livelike.asked.count("/api/v1/profiles/p-1/") == 2
    assert rig.livelike.asked.count("/api/v1/quests/q-1/") == 2


async def test_a_task_that_was_added_since_is_found(rig: Rig, hook: Hook) -> None:
    await rig.find(hook("user-quest-completed"))
    rig.livelike.tasks.append({"id": "qt-2", "name": "New", "target_value": "1"})
    found = await rig.find(hook("user-quest-task-completed", quest_task_id="qt-2"))
    assert found.quest is not None
    assert found.quest.tasks["qt-2"].name == "New"


async def test_progress_that_the_webhook_tells_is_not_asked_for(rig: Rig, hook: Hook) -> None:
    assert (await rig.find(hook("user-quest-task-progressed", custom_progress="0.5"))).progress == Decimal("0.5")
    assert (await rig.find(hook("user-quest-task-progressed", progress=1.5))).progress == Decimal("1.5")
    assert not [path for path in rig.livelike.asked if "user-quests" in path]


async def test_a_quest_is_found_by_its_transaction_on_whatever_page_and_is_unknown_without_one(
    rig: Rig, hook: Hook
) -> None:
    rig.livelike.transactions = [{"id": "t-9"}, {"id": "t-8"}, {"id": "t-1", "user_quest_id": "uq-1"}]
    found = await rig.find(hook("user-reward-awarded"))
    assert found.quest is not None
    rig.livelike.transactions = [{"id": "t-1", "user_quest_id": None}]
    assert (await rig.find(hook("user-reward-awarded"))).quest is None
    rig.livelike.transactions = []
    assert (await rig.find(hook("user-reward-awarded"))).quest is None


async def test_what_the_api_does_not_know_is_not_found(rig: Rig, hook: Hook) -> None:
    with pytest.raises(NotFound, match="quests/other%2F"):
        await rig.find(hook("user-quest-completed", quest_id="other/"))
    with pytest.raises(NotFound, match="uq-2"):
        await rig.find(hook("user-quest-task-progressed", user_quest_id="uq-2"))
    with pytest.raises(NotFound, match="uqt-2"):
        await rig.find(hook("user-quest-task-progressed", user_quest_task_id="uqt-2"))


@pytest.mark.parametrize("status", [500, 503, 429, 401, 403, 302])
async def test_an_api_that_fails_is_left_alone_for_a_while_and_then_asked_again(
    rig: Rig, hook: Hook, status: int
) -> None:
    rig.livelike.status = status
    with pytest.raises(Transient, match=str(status)) as failed:
        await rig.find(hook("user-quest-completed"))
    assert "producer-token" not in failed.value.message
    with pytest.raises(Transient):
        await rig.find(hook("user-quest-completed"))
    assert len(rig.livelike.asked) == 1, "while the pause lasts nothing is asked"
    rig.livelike.status = 200
    rig.time.now += failed.value.retry_after_s
    assert (await rig.find(hook("user-quest-completed"))).custom_id == "ada"


async def test_the_pause_grows_with_each_failure(rig: Rig, hook: Hook) -> None:
    rig.livelike.status = 500
    pauses = []
    for _ in range(10):
        with pytest.raises(Transient) as failed:
            await rig.find(hook("user-quest-completed"))
        pauses.append(round(failed.value.retry_after_s, 6))
        rig.time.now += failed.value.retry_after_s + 0.001
    assert pauses == sorted(pauses)
    assert (pauses[0], pauses[-1]) == (0.2, 60)


async def test_an_api_that_cannot_be_reached_is_a_passing_trouble(hook: Hook) -> None:
    async with aiohttp.ClientSession() as session:
        api = LiveLikeApi(session, "http://127.0.0.1:1/api/v1", "token", timeout_s=2)
        with pytest.raises(Transient, match=r"127\.0\.0\.1:1"):
            await api.find(read_webhook(json.dumps(hook("user-quest-completed")).encode()))
