"""Fans' runs of quests: start, progress, claim."""

from uuid import NAMESPACE_URL, UUID, uuid5

import msgspec
from litestar import delete, get, patch, post
from litestar.response.base import ASGIResponse

from tifo.engagement.commands import ChangeUserQuest, ClaimQuestBadges, ProgressTask, RemoveUserQuest, StartQuest
from tifo.engagement.model import UserQuest
from tifo.kernel.errors import NotFound, Rejected
from tifo.kernel.ids import ProfileId, UserQuestId
from tifo.livelike.call import LiveLikeRequest, answer
from tifo.livelike.documented import takes
from tifo.livelike.paging import anchored, window
from tifo.livelike.resources import (
    CLAIMED,
    COMPLETED,
    INCOMPLETE,
    UNCLAIMED,
    rewards_status,
    user_quest_status,
)
from tifo.livelike.shapes import ClaimBadgesInput, ProgressInput, UserQuestChange, UserQuestInput
from tifo.livelike.tokens import Caller

MAX_USER_QUESTS = 100

_START = msgspec.json.Decoder(UserQuestInput)
_CHANGE = msgspec.json.Decoder(UserQuestChange)
_CLAIM = msgspec.json.Decoder(ClaimBadgesInput)
_PROGRESS = msgspec.json.Decoder(ProgressInput)


@get("/user-quests/")
async def list_user_quests(request: LiveLikeRequest) -> ASGIResponse:
    """One fan's runs, the newest first: there is at most one for each quest."""
    query = request.query
    caller = await request.caller()
    profile_id = ProfileId(
        query.required("profile_id") if caller.is_producer else _own(caller, query.one("profile_id"))
    )
    ids, quest_ids = query.all("id"), query.all("quest_id")
    status = query.choice("status", (COMPLETED, INCOMPLETE))
    claim = query.choice("rewards_status", (CLAIMED, UNCLAIMED))
    fan = await request.ask(request.desk.queries.fan, caller.client_id, profile_id)
    runs = [
        run
        for run in sorted(fan.user_quests.values(), key=_place, reverse=True)
        if (not ids or run.id in ids)
        and (not quest_ids or run.quest_id in quest_ids)
        and (status is None or user_quest_status(run) == status)
        and (claim is None or rewards_status(run) == claim)
    ]
    return request.page(anchored(query, runs, _place), (await request.resources(caller.client_id)).user_quest)


@post("/user-quests/", operation_class=takes(UserQuestInput))
async def start_quest(request: LiveLikeRequest) -> ASGIResponse:
    caller = await request.caller()
    body = await request.decoded(_START)
    if body.profile_id is None and caller.is_producer:
        raise Rejected("This field is required.", field="profile_id")
    profile_id = body.profile_id or caller.own_profile()
    caller.must_reach(profile_id)
    command = StartQuest(client_id=caller.client_id, profile_id=profile_id, quest_id=body.quest_id)
    run = await request.handle(caller, command)
    return answer((await request.resources(caller.client_id)).user_quest(run), 201)


@get("/user-quests/{user_quest_id:str}/")
async def get_user_quest(request: LiveLikeRequest) -> ASGIResponse:
    caller = await request.caller()
    run = await _run(request, caller, UserQuestId(request.part("user_quest_id")))
    return answer((await request.resources(caller.client_id)).user_quest(run))


@patch("/user-quests/{user_quest_id:str}/", operation_class=takes(UserQuestChange))
async def change_user_quest(request: LiveLikeRequest) -> ASGIResponse:
    """Sets tasks to completed or incomplete, then claims: all of it, or nothing."""
    caller = await request.caller()
    body = await request.decoded(_CHANGE)
    command = ChangeUserQuest(
        client_id=caller.client_id,
        user_quest_id=UserQuestId(request.part("user_quest_id")),
        completed=tuple(task.id for task in body.user_quest_tasks if task.status == COMPLETED),
        incomplete=tuple(task.id for task in body.user_quest_tasks if task.status == INCOMPLETE),
        claim=body.rewards_status is not None,
        profile_id=_fan(caller),
    )
    run = await request.handle(caller, command)
    return answer((await request.resources(caller.client_id)).user_quest(run))


@delete("/user-quests/{user_quest_id:str}/")
async def remove_user_quest(request: LiveLikeRequest) -> None:
    """The fan may start the quest anew. A completed one stays."""
    caller = await request.producer()
    user_quest_id = UserQuestId(request.part("user_quest_id"))
    await request.handle(caller, RemoveUserQuest(client_id=caller.client_id, user_quest_id=user_quest_id))


@patch("/user-quests/{user_quest_id:str}/badges/", operation_class=takes(ClaimBadgesInput, required=False))
async def claim_badges(request: LiveLikeRequest) -> ASGIResponse:
    """Gives the quest's badges, or those that `claim_badges` names."""
    body = await request.decoded(_CLAIM, empty_is=b"{}")
    return await _claim_badges(request, UserQuestId(request.part("user_quest_id")), body)


@patch("/quests/{quest_id:str}/badges/", operation_class=takes(ClaimBadgesInput))
async def claim_quest_badges(request: LiveLikeRequest) -> ASGIResponse:
    """LiveLike's other address for the same: the body names the user quest, which must be of this quest."""
    caller = await request.caller()
    body = await request.decoded(_CLAIM)
    if body.user_quest_id is None:
        raise Rejected("This field is required.", field="user_quest_id")
    run = await _run(request, caller, body.user_quest_id)
    if run.quest_id != request.part("quest_id"):
        raise NotFound("There is no such user quest of this quest.")
    return await _claim_badges(request, run.id, body)


async def _claim_badges(request: LiveLikeRequest, user_quest_id: UserQuestId, body: ClaimBadgesInput) -> ASGIResponse:
    caller = await request.caller()
    command = ClaimQuestBadges(
        client_id=caller.client_id, user_quest_id=user_quest_id, badge_ids=body.claim_badges, profile_id=_fan(caller)
    )
    claimed = await request.handle(caller, command)
    resources = await request.resources(caller.client_id)
    badges = [resources.profile_badge(earned) for earned in claimed]
    return answer({"user_quest_id": user_quest_id, "claimed_badges": badges}, 201)


@post("/user-quest-task-progress/", operation_class=takes(ProgressInput))
async def progress_task(request: LiveLikeRequest) -> ASGIResponse:
    """Answers with the user quest (which the SDK reads) and the task (which LiveLike's reference shows)."""
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
    resources = await request.resources(caller.client_id)
    resource = {
        "id": str(uuid5(NAMESPACE_URL, f"{task.id}/{task.progress}")),
        "custom_increment": body.custom_increment,
        "custom_progress": body.custom_progress,
        "user_quest_task_id": task.id,
        "user_quest_task": resources.user_quest_task(task, run),
        "user_quest": resources.user_quest(run),
    }
    return answer(resource, 201)


@get("/user-quest-rewards/")
async def list_user_quest_rewards(request: LiveLikeRequest) -> ASGIResponse:
    query = request.query
    caller = await request.caller()
    query.required("user_quest_id")
    ids = [UserQuestId(i) for i in dict.fromkeys(query.all("user_quest_id"))]
    if len(ids) > MAX_USER_QUESTS:
        raise Rejected(f"Name at most {MAX_USER_QUESTS} user quests.", field="user_quest_id")
    status = query.choice("reward_status", (CLAIMED, UNCLAIMED))
    resources = await request.resources(caller.client_id)
    runs = [await _run(request, caller, user_quest_id) for user_quest_id in ids]
    rewards = [
        reward
        for run in runs
        if status is None or rewards_status(run) == status
        for reward in resources.user_quest_rewards(run)
    ]
    return request.page(window(query).of(rewards), lambda reward: reward)


def _place(run: UserQuest) -> int:
    """Ids are made in the order of time."""
    return UUID(run.id).int


def _own(caller: Caller, asked: str | None) -> ProfileId:
    if asked is not None:
        caller.must_reach(asked)
    return caller.own_profile()


def _fan(caller: Caller) -> ProfileId | None:
    """Whose the thing must be: a producer's may be anyone's."""
    return None if caller.is_producer else caller.own_profile()


async def _run(request: LiveLikeRequest, caller: Caller, user_quest_id: UserQuestId) -> UserQuest:
    """Another fan's is as good as none."""
    run = await request.ask(request.desk.queries.user_quest, caller.client_id, user_quest_id)
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
