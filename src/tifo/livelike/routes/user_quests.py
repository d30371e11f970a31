"""Routes of a fan's run of a quest: start, progress, claim."""

from typing import get_args
from uuid import UUID

import msgspec
from litestar import delete, get, patch, post

from tifo.engagement.commands import ChangeUserQuest, ClaimQuestBadges, ProgressTask, RemoveUserQuest, StartQuest
from tifo.engagement.model import UserQuest
from tifo.kernel.errors import NotFound, Rejected
from tifo.kernel.ids import ProfileId, UserQuestId
from tifo.livelike.editing import apply_change
from tifo.livelike.inputs.user_quests import ClaimBadgesInput, ProgressInput, UserQuestChange, UserQuestInput
from tifo.livelike.lists.paging import Listed, anchored, window
from tifo.livelike.openapi import filters
from tifo.livelike.openapi.description import PRODUCER, describe
from tifo.livelike.request import LiveLikeRequest
from tifo.livelike.resources.badges import ProfileBadgeResource
from tifo.livelike.resources.base import known
from tifo.livelike.resources.user_quests import (
    Claim,
    ClaimedBadgesResource,
    Completion,
    TaskProgressResource,
    UserQuestResource,
    UserQuestRewardResource,
    claim_of,
    completion_of,
)
from tifo.livelike.responses import JsonResponse, respond
from tifo.livelike.tokens import Caller

MAX_USER_QUESTS = 100
"""User quests of one request, each of which is a read. Our limit."""

_START = msgspec.json.Decoder(UserQuestInput)
_CHANGE = msgspec.json.Decoder(UserQuestChange)
_CLAIM = msgspec.json.Decoder(ClaimBadgesInput)
_PROGRESS = msgspec.json.Decoder(ProgressInput)


@get("/user-quests/")
@describe(filters.PROFILE_ID, filters.USER_QUEST_STATUS, filters.REWARDS_STATUS, filters.ID, filters.QUEST_ID)
async def list_user_quests(request: LiveLikeRequest) -> JsonResponse[Listed[UserQuestResource]]:
    """Lists one fan's runs, the newest first. A fan has at most one run of a quest."""
    query = request.query
    caller = await request.caller()
    profile_id = ProfileId(
        # LiveLike lists all fans' runs to a producer; here one fan's runs are one read.
        query.required("profile_id") if caller.is_producer else _own(caller, query.one("profile_id"))
    )
    ids, quest_ids = query.all("id"), query.all("quest_id")
    status = query.choice("status", get_args(Completion))
    claim = query.choice("rewards_status", get_args(Claim))
    fan = await request.in_thread(request.services.queries.fan, caller.client_id, profile_id)
    runs = [
        run
        for run in sorted(fan.user_quests.values(), key=_position, reverse=True)
        if (not ids or run.id in ids)
        and (not quest_ids or run.quest_id in quest_ids)
        and (status is None or completion_of(run) == status)
        and (claim is None or claim_of(run) == claim)
    ]
    context = await request.context(caller.client_id)
    return request.page(anchored(query, runs, _position), lambda run: UserQuestResource.of(run, context))


@post("/user-quests/")
@describe(body=UserQuestInput)
async def start_quest(request: LiveLikeRequest) -> JsonResponse[UserQuestResource]:
    caller = await request.caller()
    body = await request.decoded(_START)
    if body.profile_id is None and caller.is_producer:
        raise Rejected("This field is required.", field="profile_id")
    profile_id = body.profile_id or caller.own_profile()
    caller.must_reach(profile_id)
    command = StartQuest(client_id=caller.client_id, profile_id=profile_id, quest_id=body.quest_id)
    return await apply_change(request, caller, command, UserQuestResource.of, status=201)


@get("/user-quests/{user_quest_id:str}/")
@describe()
async def get_user_quest(request: LiveLikeRequest) -> JsonResponse[UserQuestResource]:
    caller = await request.caller()
    run = await _run(request, caller, UserQuestId(request.part("user_quest_id")))
    return respond(UserQuestResource.of(run, await request.context(caller.client_id)))


@patch("/user-quests/{user_quest_id:str}/")
@describe(body=UserQuestChange)
async def change_user_quest(request: LiveLikeRequest) -> JsonResponse[UserQuestResource]:
    """Sets tasks to completed or incomplete and then claims: all of it, or nothing."""
    caller = await request.caller()
    body = await request.decoded(_CHANGE)
    command = ChangeUserQuest(
        client_id=caller.client_id,
        user_quest_id=UserQuestId(request.part("user_quest_id")),
        completed=tuple(task.id for task in body.user_quest_tasks if task.status == "completed"),
        incomplete=tuple(task.id for task in body.user_quest_tasks if task.status == "incomplete"),
        claim=body.rewards_status is not None,
        profile_id=_fan(caller),
    )
    return await apply_change(request, caller, command, UserQuestResource.of)


@delete("/user-quests/{user_quest_id:str}/")
@describe(callers=PRODUCER)
async def remove_user_quest(request: LiveLikeRequest) -> None:
    """Lets the fan start the quest again. A completed run cannot be removed."""
    caller = await request.producer()
    user_quest_id = UserQuestId(request.part("user_quest_id"))
    await request.handle(caller, RemoveUserQuest(client_id=caller.client_id, user_quest_id=user_quest_id))


@patch("/user-quests/{user_quest_id:str}/badges/", status_code=201)
@describe(body=ClaimBadgesInput, body_required=False)
async def claim_badges(request: LiveLikeRequest) -> JsonResponse[ClaimedBadgesResource]:
    """Gives the fan the quest's badges, or only those that `claim_badges` names."""
    body = await request.decoded(_CLAIM, empty_is=b"{}")
    return await _claim_badges(request, UserQuestId(request.part("user_quest_id")), body)


# LiveLike's reference files the claim here, with a parameter named user_quest_id: so both addresses are served.
@patch("/quests/{quest_id:str}/badges/", status_code=201)
@describe(body=ClaimBadgesInput)
async def claim_quest_badges(request: LiveLikeRequest) -> JsonResponse[ClaimedBadgesResource]:
    """Claims as the address of the user quest does; here the body names the user quest, which must be of this quest."""
    caller = await request.caller()
    body = await request.decoded(_CLAIM)
    if body.user_quest_id is None:
        raise Rejected("This field is required.", field="user_quest_id")
    run = await _run(request, caller, body.user_quest_id)
    if run.quest_id != request.part("quest_id"):
        raise NotFound("There is no such user quest of this quest.")
    return await _claim_badges(request, run.id, body)


async def _claim_badges(
    request: LiveLikeRequest, user_quest_id: UserQuestId, body: ClaimBadgesInput
) -> JsonResponse[ClaimedBadgesResource]:
    caller = await request.caller()
    command = ClaimQuestBadges(
        client_id=caller.client_id, user_quest_id=user_quest_id, badge_ids=body.claim_badges, profile_id=_fan(caller)
    )
    claimed = await request.handle(caller, command)
    context = await request.context(caller.client_id)
    badges = [ProfileBadgeResource.of(earned, context) for earned in claimed]
    return respond(ClaimedBadgesResource(user_quest_id=user_quest_id, claimed_badges=badges), 201)


@post("/user-quest-task-progress/")
@describe(body=ProgressInput)
async def progress_task(request: LiveLikeRequest) -> JsonResponse[TaskProgressResource]:
    """Progresses the task by its default increment, by `custom_increment`, or to `custom_progress`."""
    caller = await request.caller()
    body = await request.decoded(_PROGRESS)
    command = ProgressTask(
        client_id=caller.client_id,
        user_quest_task_id=body.user_quest_task_id,
        custom_increment=body.custom_increment,
        custom_progress=body.custom_progress,
        profile_id=_fan(caller),
    )
    run = await request.handle(caller, command)
    task = next(task for task in run.tasks if task.id == body.user_quest_task_id)
    resource = TaskProgressResource.of(
        task,
        run,
        await request.context(caller.client_id),
        custom_increment=body.custom_increment,
        custom_progress=body.custom_progress,
    )
    return respond(resource, 201)


@get("/user-quest-rewards/")
@describe(filters.USER_QUEST_ID_REQUIRED, filters.REWARD_STATUS)
async def list_user_quest_rewards(request: LiveLikeRequest) -> JsonResponse[Listed[UserQuestRewardResource]]:
    query = request.query
    caller = await request.caller()
    query.required("user_quest_id")
    # LiveLike's SDK repeats the parameter for each user quest.
    ids = [UserQuestId(i) for i in dict.fromkeys(query.all("user_quest_id"))]
    if len(ids) > MAX_USER_QUESTS:
        raise Rejected(f"Name at most {MAX_USER_QUESTS} user quests.", field="user_quest_id")
    status = query.choice("reward_status", get_args(Claim))
    context = await request.context(caller.client_id)
    runs = [await _run(request, caller, user_quest_id) for user_quest_id in ids]
    rewards = [
        UserQuestRewardResource.of(reward, run, context)
        for run in runs
        if status is None or claim_of(run) == status
        for reward in known(context.game.quests, run.quest_id).rewards
    ]
    return request.page(window(query).of(rewards), lambda reward: reward)


def _position(run: UserQuest) -> int:
    """Returns the run's position in the list: its id, because ids grow with time."""
    return UUID(run.id).int


def _own(caller: Caller, profile_id: str | None) -> ProfileId:
    """Returns the fan's own profile. Raises `Forbidden` where the query names another."""
    if profile_id is not None:
        caller.must_reach(profile_id)
    return caller.own_profile()


def _fan(caller: Caller) -> ProfileId | None:
    """Returns the fan who must own the run; None for a producer, who may change any fan's."""
    return None if caller.is_producer else caller.own_profile()


async def _run(request: LiveLikeRequest, caller: Caller, user_quest_id: UserQuestId) -> UserQuest:
    """Raises `NotFound` for another fan's run too, so that its id cannot be probed."""
    run = await request.in_thread(request.services.queries.user_quest, caller.client_id, user_quest_id)
    if _fan(caller) not in (None, run.profile_id):
        raise NotFound("There is no such user quest.")
    return run


ROUTES = (
    list_user_quests,
    start_quest,
    get_user_quest,
    change_user_quest,
    remove_user_quest,
    claim_badges,
    claim_quest_badges,
    progress_task,
    list_user_quest_rewards,
)
