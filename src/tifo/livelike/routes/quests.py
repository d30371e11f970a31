"""Quests with their tasks and rewards, as they are defined."""

from datetime import UTC, datetime

import msgspec
from litestar import get, post
from litestar.response.base import ASGIResponse

from tifo.engagement.commands import AddQuestRewards, AddQuestTask, CreateQuest, NewQuestReward, UpdateQuest
from tifo.engagement.model import Game, Quest, is_live, live
from tifo.kernel.errors import NotFound, Rejected
from tifo.kernel.ids import QuestId, QuestTaskId
from tifo.livelike.call import LiveLikeRequest, answer
from tifo.livelike.documented import takes
from tifo.livelike.paging import window
from tifo.livelike.shapes import QuestBadgesInput, QuestInput, QuestRewardsInput, QuestTaskInput

_QUEST = msgspec.json.Decoder(QuestInput)
_TASK = msgspec.json.Decoder(QuestTaskInput)
_BADGES = msgspec.json.Decoder(QuestBadgesInput)
_REWARDS = msgspec.json.Decoder(QuestRewardsInput)

QUEST_STATUS = ("active", "not_started", "expired")


@get("/quests/")
async def list_quests(request: LiveLikeRequest) -> ASGIResponse:
    query = request.query
    caller = await request.caller(query.one("client_id"))
    ids, status = query.all("id"), query.choice("status", QUEST_STATUS)
    resources = await request.resources(caller.client_id)
    quests = [
        quest
        for quest in (resources.game.quests.values() if ids else live(resources.game.quests))
        if (not ids or quest.id in ids)
        and (status is None or resources.quest_status(quest) == status)
        and query.matches_attributes(quest.attributes)
    ]
    return request.page(window(query).of(quests), resources.quest)


@post("/quests/", operation_class=takes(QuestInput))
async def create_quest(request: LiveLikeRequest) -> ASGIResponse:
    caller = await request.producer()
    body = await request.decoded(_QUEST)
    caller.must_be_of(body.client_id)
    command = CreateQuest(
        client_id=caller.client_id,
        key=body.key,
        name=body.name,
        description=body.description,
        started_at=utc("started_at", body.started_at),
        stopped_at=utc("stopped_at", body.stopped_at),
        timeout=body.timeout,
        attributes=body.attributes,
    )
    quest = await request.handle(caller, command)
    return answer((await request.resources(caller.client_id)).quest(quest), 201)


@get("/quests/{quest_id:str}/")
async def get_quest(request: LiveLikeRequest) -> ASGIResponse:
    resources = await request.resources((await request.caller()).client_id)
    return answer(resources.quest(_quest(resources.game, request.part("quest_id"))))


@get("/quest-tasks/")
async def list_quest_tasks(request: LiveLikeRequest) -> ASGIResponse:
    query = request.query
    caller = await request.caller(query.one("client_id"))
    resources = await request.resources(caller.client_id)
    tasks = [
        (task, quest)
        for quest in _asked(resources.game, query.all("quest_id"))
        for task in filter(is_live, quest.tasks)
    ]
    return request.page(window(query).of(tasks), lambda pair: resources.quest_task(*pair))


@post("/quest-tasks/", operation_class=takes(QuestTaskInput))
async def add_quest_task(request: LiveLikeRequest) -> ASGIResponse:
    caller = await request.producer()
    body = await request.decoded(_TASK)
    caller.must_be_of(body.client_id)
    command = AddQuestTask(
        client_id=caller.client_id,
        key=body.key,
        quest_id=body.quest_id,
        name=body.name,
        description=body.description,
        target_value=body.target_value,
        default_progress_increment=body.default_progress_increment,
        reward_action_key=body.reward_action_key,
        attributes=body.attributes,
    )
    quest = await request.handle(caller, command)
    return answer((await request.resources(caller.client_id)).quest_task(quest.tasks[-1], quest), 201)


@get("/quest-tasks/{task_id:str}/")
async def get_quest_task(request: LiveLikeRequest) -> ASGIResponse:
    resources = await request.resources((await request.caller()).client_id)
    task_id = QuestTaskId(request.part("task_id"))
    quest_id = resources.game.quest_of_task.get(task_id)
    if quest_id is None:
        raise NotFound("There is no such quest task.")
    quest = resources.game.quests[quest_id]
    return answer(resources.quest_task(next(task for task in quest.tasks if task.id == task_id), quest))


@get("/quest-rewards/")
async def list_quest_rewards(request: LiveLikeRequest) -> ASGIResponse:
    query = request.query
    caller = await request.caller(query.one("client_id"))
    resources = await request.resources(caller.client_id)
    rewards = [(reward, quest) for quest in _asked(resources.game, query.all("quest_id")) for reward in quest.rewards]
    return request.page(window(query).of(rewards), lambda pair: resources.quest_reward(*pair))


@post("/quest-rewards/", operation_class=takes(QuestRewardsInput))
async def add_quest_rewards(request: LiveLikeRequest) -> ASGIResponse:
    caller = await request.producer()
    body = await request.decoded(_REWARDS)
    command = AddQuestRewards(
        client_id=caller.client_id,
        quest_id=body.quest_id,
        rewards=tuple(
            NewQuestReward(reward_item_id=r.reward_item_id, reward_item_amount=r.reward_item_amount)
            for r in body.quest_rewards
        ),
    )
    quest = await request.handle(caller, command)
    resources = await request.resources(caller.client_id)
    added = quest.rewards[-len(body.quest_rewards) :]
    rewards = [resources.quest_reward(reward, quest) for reward in added]
    return answer({"quest_id": quest.id, "quest_rewards": rewards}, 201)


@get("/quest-rewards/{reward_id:str}/")
async def get_quest_reward(request: LiveLikeRequest) -> ASGIResponse:
    resources = await request.resources((await request.caller()).client_id)
    reward_id = request.part("reward_id")
    for quest in resources.game.quests.values():
        for reward in quest.rewards:
            if reward.id == reward_id:
                return answer(resources.quest_reward(reward, quest))
    raise NotFound("There is no such quest reward.")


@get("/quests/{quest_id:str}/badges/")
async def list_quest_badges(request: LiveLikeRequest) -> ASGIResponse:
    resources = await request.resources((await request.caller()).client_id)
    quest = _quest(resources.game, request.part("quest_id"))
    badges = [resources.game.badges[badge_id] for badge_id in quest.badge_ids]
    return request.page(window(request.query).of(badges), resources.badge)


@post("/quests/{quest_id:str}/badges/", operation_class=takes(QuestBadgesInput))
async def set_quest_badges(request: LiveLikeRequest) -> ASGIResponse:
    """The badges that completing the quest gives, at most five; they take the place of those it had."""
    caller = await request.producer()
    body = await request.decoded(_BADGES)
    quest_id = QuestId(request.part("quest_id"))
    command = UpdateQuest(client_id=caller.client_id, quest_id=quest_id, badge_ids=body.badge_ids)
    quest = await request.handle(caller, command)
    resources = await request.resources(caller.client_id)
    badges = [resources.badge(resources.game.badges[badge_id]) for badge_id in quest.badge_ids]
    return answer({"quest_id": quest.id, "badge_ids": quest.badge_ids, "badges": badges}, 201)


def utc(field: str, moment: datetime | None) -> datetime | None:
    """A time without an offset is taken as UTC."""
    if moment is None or moment.tzinfo is None:
        return None if moment is None else moment.replace(tzinfo=UTC)
    try:
        return moment.astimezone(UTC)
    except OverflowError as exc:
        raise Rejected("This time lies outside the years 1 to 9999 in UTC.", field=field) from exc


def _quest(game: Game, quest_id: str) -> Quest:
    quest = game.quests.get(QuestId(quest_id))
    if quest is None:
        raise NotFound("There is no such quest.")
    return quest


def _asked(game: Game, quest_ids: list[str]) -> list[Quest]:
    """The named quests, or all."""
    return [_quest(game, quest_id) for quest_id in dict.fromkeys(quest_ids)] or live(game.quests)


ROUTES = (
    list_quests,
    create_quest,
    get_quest,
    list_quest_tasks,
    add_quest_task,
    get_quest_task,
    list_quest_rewards,
    add_quest_rewards,
    get_quest_reward,
    list_quest_badges,
    set_quest_badges,
)
