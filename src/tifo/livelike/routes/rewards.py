"""Routes of reward items and of the reward actions that pay them."""

import msgspec
from litestar import delete, get, patch, post

from tifo.engagement.commands import CreateRewardAction, CreateRewardItem, UpdateRewardAction, UpdateRewardItem
from tifo.engagement.model import live
from tifo.kernel.errors import NotFound
from tifo.kernel.ids import RewardActionId, RewardItemId
from tifo.livelike.editing import apply_change, archive, body_of_producer, new_definition
from tifo.livelike.inputs.rewards import RewardActionChange, RewardActionInput, RewardItemChange, RewardItemInput
from tifo.livelike.lists.paging import Listed, window
from tifo.livelike.openapi import filters
from tifo.livelike.openapi.description import PRODUCER, describe
from tifo.livelike.request import LiveLikeRequest
from tifo.livelike.resources.rewards import RewardActionResource, RewardItemResource
from tifo.livelike.responses import JsonResponse, respond
from tifo.livelike.segment_triggers import trigger_of

_ITEM = msgspec.json.Decoder(RewardItemInput)
_ITEM_CHANGE = msgspec.json.Decoder(RewardItemChange)
_ACTION = msgspec.json.Decoder(RewardActionInput)
_ACTION_CHANGE = msgspec.json.Decoder(RewardActionChange)


@get("/reward-items/")
@describe(filters.CLIENT_ID, filters.ATTRIBUTES)
async def list_reward_items(request: LiveLikeRequest) -> JsonResponse[Listed[RewardItemResource]]:
    query = request.query
    caller = await request.caller(query.one("client_id"))
    context = await request.context(caller.client_id)
    items = [item for item in live(context.game.reward_items) if query.matches_attributes(item.attributes)]
    return request.page(window(query).of(items), lambda item: RewardItemResource.of(item, context))


@post("/reward-items/")
@describe(callers=PRODUCER, body=RewardItemInput)
async def create_reward_item(request: LiveLikeRequest) -> JsonResponse[RewardItemResource]:
    caller, body = await new_definition(request, _ITEM)
    command = CreateRewardItem(client_id=caller.client_id, key=body.key, name=body.name, attributes=body.attributes)
    return await apply_change(request, caller, command, RewardItemResource.of, status=201)


@get("/reward-items/{reward_item_id:str}/")
@describe()
async def get_reward_item(request: LiveLikeRequest) -> JsonResponse[RewardItemResource]:
    context = await request.context((await request.caller()).client_id)
    item = context.game.reward_items.get(RewardItemId(request.part("reward_item_id")))
    if item is None:
        raise NotFound("There is no such reward item.")
    return respond(RewardItemResource.of(item, context))


@patch("/reward-items/{reward_item_id:str}/")
@describe(callers=PRODUCER, body=RewardItemChange)
async def change_reward_item(request: LiveLikeRequest) -> JsonResponse[RewardItemResource]:
    caller, body = await body_of_producer(request, _ITEM_CHANGE)
    command = UpdateRewardItem(
        client_id=caller.client_id,
        reward_item_id=RewardItemId(request.part("reward_item_id")),
        name=body.name,
        key=body.key,
        attributes=body.attributes,
    )
    return await apply_change(request, caller, command, RewardItemResource.of)


@delete("/reward-items/{reward_item_id:str}/")
@describe(callers=PRODUCER)
async def archive_reward_item(request: LiveLikeRequest) -> None:
    await archive(request, "reward_item", request.part("reward_item_id"))


@get("/reward-actions/")
@describe(filters.CLIENT_ID)
async def list_reward_actions(request: LiveLikeRequest) -> JsonResponse[Listed[RewardActionResource]]:
    query = request.query
    caller = await request.caller(query.one("client_id"))
    context = await request.context(caller.client_id)
    return request.page(
        window(query).of(live(context.game.actions_by_id)), lambda action: RewardActionResource.of(action, context)
    )


@post("/reward-actions/")
@describe(callers=PRODUCER, body=RewardActionInput)
async def create_reward_action(request: LiveLikeRequest) -> JsonResponse[RewardActionResource]:
    caller, body = await new_definition(request, _ACTION)
    command = CreateRewardAction(
        client_id=caller.client_id,
        name=body.name,
        key=body.key,
        description=body.description,
        trigger=await trigger_of(request, caller, body),
    )
    return await apply_change(request, caller, command, RewardActionResource.of, status=201)


@get("/reward-actions/{reward_action_id:str}/")
@describe()
async def get_reward_action(request: LiveLikeRequest) -> JsonResponse[RewardActionResource]:
    context = await request.context((await request.caller()).client_id)
    action = context.game.actions_by_id.get(RewardActionId(request.part("reward_action_id")))
    if action is None:
        raise NotFound("There is no such reward action.")
    return respond(RewardActionResource.of(action, context))


@patch("/reward-actions/{reward_action_id:str}/")
@describe(callers=PRODUCER, body=RewardActionChange)
async def change_reward_action(request: LiveLikeRequest) -> JsonResponse[RewardActionResource]:
    """The key cannot change: tables, tasks and recorded actions name it."""
    caller, body = await body_of_producer(request, _ACTION_CHANGE)
    command = UpdateRewardAction(
        client_id=caller.client_id,
        reward_action_id=RewardActionId(request.part("reward_action_id")),
        name=body.name,
        description=body.description,
    )
    return await apply_change(request, caller, command, RewardActionResource.of)


@delete("/reward-actions/{reward_action_id:str}/")
@describe(callers=PRODUCER)
async def archive_reward_action(request: LiveLikeRequest) -> None:
    await archive(request, "reward_action", request.part("reward_action_id"))


ROUTES = (
    list_reward_items,
    create_reward_item,
    get_reward_item,
    change_reward_item,
    archive_reward_item,
    list_reward_actions,
    create_reward_action,
    get_reward_action,
    change_reward_action,
    archive_reward_action,
)
