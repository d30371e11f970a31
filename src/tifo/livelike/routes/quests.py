"""Routes of quests as they are defined: their tasks, their rewards and their badges."""

from datetime import UTC, datetime
from typing import get_args

import msgspec
from litestar import delete, get, patch, post
from msgspec import UNSET

from tifo.engagement.commands import (
    AddQuestRewards,
    AddQuestTask,
    CreateQuest,
    NewQuestReward,
    RemoveQuestReward,
    RemoveQuestTask,
    UpdateQuest,
    UpdateQuestTask,
)
from tifo.engagement.model import Game, Quest, is_live, live
from tifo.kernel.errors import NotFound, Rejected
from tifo.kernel.ids import QuestId, QuestRewardId, QuestTaskId
from tifo.livelike.editing import apply_change, archive, body_of_producer, new_definition
from tifo.livelike.inputs.quests import (
    QuestBadgesInput,
    QuestChange,
    QuestInput,
    QuestRewardsInput,
    QuestTaskChange,
    QuestTaskInput,
)
from tifo.livelike.lists.paging import Listed, window
from tifo.livelike.openapi import filters
from tifo.livelike.openapi.description import PRODUCER, describe
from tifo.livelike.request import LiveLikeRequest
from tifo.livelike.resources.badges import BadgeResource
from tifo.livelike.resources.quests import (
    QuestBadgesResource,
    QuestResource,
    QuestRewardResource,
    QuestRewardsResource,
    QuestStatus,
    QuestTaskResource,
    status_of,
)
from tifo.livelike.responses import JsonResponse, respond

_QUEST = msgspec.json.Decoder(QuestInput)
_QUEST_CHANGE = msgspec.json.Decoder(QuestChange)
_TASK = msgspec.json.Decoder(QuestTaskInput)
_TASK_CHANGE = msgspec.json.Decoder(QuestTaskChange)
_BADGES = msgspec.json.Decoder(QuestBadgesInput)
_REWARDS = msgspec.json.Decoder(QuestRewardsInput)


@get("/quests/")
@describe(filters.CLIENT_ID, filters.ID, filters.QUEST_STATUS, filters.ATTRIBUTES)
async def list_quests(request: LiveLikeRequest) -> JsonResponse[Listed[QuestResource]]:
    query = request.query
    caller = await request.caller(query.one("client_id"))
    ids, status = query.all("id"), query.choice("status", get_args(QuestStatus))
    context = await request.context(caller.client_id)
    # A fan may hold runs of archived quests, so a request that names ids finds these too.
    quests = [
        quest
        for quest in (context.game.quests.values() if ids else live(context.game.quests))
        if (not ids or quest.id in ids)
        and (status is None or status_of(quest, context) == status)
        and query.matches_attributes(quest.attributes)
    ]
    return request.page(window(query).of(quests), lambda quest: QuestResource.of(quest, context))


@post("/quests/")
@describe(callers=PRODUCER, body=QuestInput)
async def create_quest(request: LiveLikeRequest) -> JsonResponse[QuestResource]:
    caller, body = await new_definition(request, _QUEST)
    command = CreateQuest(
        client_id=caller.client_id,
        key=body.key,
        name=body.name,
        description=body.description,
        started_at=_utc("started_at", body.started_at),
        stopped_at=_utc("stopped_at", body.stopped_at),
        timeout=body.timeout,
        attributes=body.attributes,
    )
    return await apply_change(request, caller, command, QuestResource.of, status=201)


@get("/quests/{quest_id:str}/")
@describe()
async def get_quest(request: LiveLikeRequest) -> JsonResponse[QuestResource]:
    context = await request.context((await request.caller()).client_id)
    return respond(QuestResource.of(_quest(context.game, request.part("quest_id")), context))


@get("/quest-tasks/")
@describe(filters.CLIENT_ID, filters.QUEST_ID)
async def list_quest_tasks(request: LiveLikeRequest) -> JsonResponse[Listed[QuestTaskResource]]:
    query = request.query
    caller = await request.caller(query.one("client_id"))
    context = await request.context(caller.client_id)
    tasks = [
        (task, quest) for quest in _named(context.game, query.all("quest_id")) for task in filter(is_live, quest.tasks)
    ]
    return request.page(window(query).of(tasks), lambda pair: QuestTaskResource.of(*pair, context))


@post("/quest-tasks/")
@describe(callers=PRODUCER, body=QuestTaskInput)
async def add_quest_task(request: LiveLikeRequest) -> JsonResponse[QuestTaskResource]:
    caller, body = await new_definition(request, _TASK)
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
    return respond(QuestTaskResource.of(quest.tasks[-1], quest, await request.context(caller.client_id)), 201)


@get("/quest-tasks/{task_id:str}/")
@describe()
async def get_quest_task(request: LiveLikeRequest) -> JsonResponse[QuestTaskResource]:
    context = await request.context((await request.caller()).client_id)
    task_id = QuestTaskId(request.part("task_id"))
    quest_id = context.game.quest_of_task.get(task_id)
    if quest_id is None:
        raise NotFound("There is no such quest task.")
    quest = context.game.quests[quest_id]
    return respond(QuestTaskResource.of(next(task for task in quest.tasks if task.id == task_id), quest, context))


@get("/quest-rewards/")
@describe(filters.CLIENT_ID, filters.QUEST_ID)
async def list_quest_rewards(request: LiveLikeRequest) -> JsonResponse[Listed[QuestRewardResource]]:
    query = request.query
    caller = await request.caller(query.one("client_id"))
    context = await request.context(caller.client_id)
    rewards = [(reward, quest) for quest in _named(context.game, query.all("quest_id")) for reward in quest.rewards]
    return request.page(window(query).of(rewards), lambda pair: QuestRewardResource.of(*pair, context))


@post("/quest-rewards/")
@describe(callers=PRODUCER, body=QuestRewardsInput)
async def add_quest_rewards(request: LiveLikeRequest) -> JsonResponse[QuestRewardsResource]:
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
    context = await request.context(caller.client_id)
    # The engine adds at the end, and answers with the quest as it was right then.
    added = quest.rewards[-len(body.quest_rewards) :]
    rewards = [QuestRewardResource.of(reward, quest, context) for reward in added]
    return respond(QuestRewardsResource(quest_id=quest.id, quest_rewards=rewards), 201)


@get("/quest-rewards/{reward_id:str}/")
@describe()
async def get_quest_reward(request: LiveLikeRequest) -> JsonResponse[QuestRewardResource]:
    context = await request.context((await request.caller()).client_id)
    reward_id = request.part("reward_id")
    for quest in context.game.quests.values():
        for reward in quest.rewards:
            if reward.id == reward_id:
                return respond(QuestRewardResource.of(reward, quest, context))
    raise NotFound("There is no such quest reward.")


@get("/quests/{quest_id:str}/badges/")
@describe()
async def list_quest_badges(request: LiveLikeRequest) -> JsonResponse[Listed[BadgeResource]]:
    context = await request.context((await request.caller()).client_id)
    quest = _quest(context.game, request.part("quest_id"))
    badges = [context.game.badges[badge_id] for badge_id in quest.badge_ids]
    return request.page(window(request.query).of(badges), lambda badge: BadgeResource.of(badge, context))


@post("/quests/{quest_id:str}/badges/")
@describe(callers=PRODUCER, body=QuestBadgesInput)
async def set_quest_badges(request: LiveLikeRequest) -> JsonResponse[QuestBadgesResource]:
    """Replaces the badges that fans who complete the quest may claim, at most five."""
    caller = await request.producer()
    body = await request.decoded(_BADGES)
    quest_id = QuestId(request.part("quest_id"))
    # LiveLike's request adds badges, and answers 200.
    command = UpdateQuest(client_id=caller.client_id, quest_id=quest_id, badge_ids=body.badge_ids)
    quest = await request.handle(caller, command)
    context = await request.context(caller.client_id)
    badges = [BadgeResource.of(context.game.badges[badge_id], context) for badge_id in quest.badge_ids]
    return respond(QuestBadgesResource(quest_id=quest.id, badge_ids=quest.badge_ids, badges=badges), 201)


@patch("/quests/{quest_id:str}/")
@describe(callers=PRODUCER, body=QuestChange)
async def change_quest(request: LiveLikeRequest) -> JsonResponse[QuestResource]:
    caller, body = await body_of_producer(request, _QUEST_CHANGE)
    started_at, stopped_at = body.started_at, body.stopped_at
    command = UpdateQuest(
        client_id=caller.client_id,
        quest_id=QuestId(request.part("quest_id")),
        name=body.name,
        key=body.key,
        description=body.description,
        started_at=UNSET if started_at is UNSET else _utc("started_at", started_at),
        stopped_at=UNSET if stopped_at is UNSET else _utc("stopped_at", stopped_at),
        timeout=body.timeout,
        attributes=body.attributes,
    )
    return await apply_change(request, caller, command, QuestResource.of)


@delete("/quests/{quest_id:str}/")
@describe(callers=PRODUCER)
async def archive_quest(request: LiveLikeRequest) -> None:
    """No fan starts or progresses the quest any more; completed runs can still be claimed."""
    await archive(request, "quest", request.part("quest_id"))


@patch("/quest-tasks/{task_id:str}/")
@describe(callers=PRODUCER, body=QuestTaskChange)
async def change_quest_task(request: LiveLikeRequest) -> JsonResponse[QuestTaskResource]:
    caller, body = await body_of_producer(request, _TASK_CHANGE)
    task_id = QuestTaskId(request.part("task_id"))
    command = UpdateQuestTask(
        client_id=caller.client_id,
        quest_task_id=task_id,
        name=body.name,
        key=body.key,
        description=body.description,
        target_value=body.target_value,
        default_progress_increment=body.default_progress_increment,
        reward_action_key=body.reward_action_key,
        attributes=body.attributes,
    )
    quest = await request.handle(caller, command)
    task = next(task for task in quest.tasks if task.id == task_id)
    return respond(QuestTaskResource.of(task, quest, await request.context(caller.client_id)))


@delete("/quest-tasks/{task_id:str}/")
@describe(callers=PRODUCER)
async def remove_quest_task(request: LiveLikeRequest) -> None:
    """Runs that already have the task keep it."""
    caller = await request.producer()
    task_id = QuestTaskId(request.part("task_id"))
    await request.handle(caller, RemoveQuestTask(client_id=caller.client_id, quest_task_id=task_id))


@delete("/quest-rewards/{reward_id:str}/")
@describe(callers=PRODUCER)
async def remove_quest_reward(request: LiveLikeRequest) -> None:
    caller = await request.producer()
    reward_id = QuestRewardId(request.part("reward_id"))
    await request.handle(caller, RemoveQuestReward(client_id=caller.client_id, quest_reward_id=reward_id))


def _utc(field: str, moment: datetime | None) -> datetime | None:
    """Reads a time without an offset as UTC."""
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


def _named(game: Game, quest_ids: list[str]) -> list[Quest]:
    """Returns the quests with these ids, or all live ones for no ids."""
    return [_quest(game, quest_id) for quest_id in dict.fromkeys(quest_ids)] or live(game.quests)


ROUTES = (
    list_quests,
    create_quest,
    get_quest,
    change_quest,
    archive_quest,
    list_quest_tasks,
    add_quest_task,
    get_quest_task,
    change_quest_task,
    remove_quest_task,
    list_quest_rewards,
    add_quest_rewards,
    get_quest_reward,
    remove_quest_reward,
    list_quest_badges,
    set_quest_badges,
)
