"""What can be rewarded, and for what: reward items, reward actions, reward tables and their entries."""

import msgspec
from litestar import delete, get, post
from litestar.response.base import ASGIResponse

from tifo.engagement.commands import (
    AddRewardTableEntry,
    CreateRewardAction,
    CreateRewardItem,
    CreateRewardTable,
    NewEntry,
    RemoveRewardTableEntry,
)
from tifo.engagement.model import Game, RewardTable, RewardTableEntry, live
from tifo.kernel.errors import NotFound
from tifo.kernel.ids import RewardActionId, RewardItemId, RewardTableEntryId, RewardTableId
from tifo.livelike.call import LiveLikeRequest, answer
from tifo.livelike.documented import takes
from tifo.livelike.paging import window
from tifo.livelike.segment import trigger_of
from tifo.livelike.shapes import EntryInput, RewardActionInput, RewardItemInput, RewardTableInput

_ITEM = msgspec.json.Decoder(RewardItemInput)
_ACTION = msgspec.json.Decoder(RewardActionInput)
_TABLE = msgspec.json.Decoder(RewardTableInput)
_ENTRY = msgspec.json.Decoder(EntryInput)


@get("/reward-items/")
async def list_reward_items(request: LiveLikeRequest) -> ASGIResponse:
    query = request.query
    caller = await request.caller(query.one("client_id"))
    resources = await request.resources(caller.client_id)
    items = [item for item in live(resources.game.reward_items) if query.matches_attributes(item.attributes)]
    return request.page(window(query).of(items), resources.reward_item)


@post("/reward-items/", operation_class=takes(RewardItemInput))
async def create_reward_item(request: LiveLikeRequest) -> ASGIResponse:
    caller = await request.producer()
    body = await request.decoded(_ITEM)
    caller.must_be_of(body.client_id)
    command = CreateRewardItem(client_id=caller.client_id, key=body.key, name=body.name, attributes=body.attributes)
    item = await request.handle(caller, command)
    return answer((await request.resources(caller.client_id)).reward_item(item), 201)


@get("/reward-items/{reward_item_id:str}/")
async def get_reward_item(request: LiveLikeRequest) -> ASGIResponse:
    resources = await request.resources((await request.caller()).client_id)
    item = resources.game.reward_items.get(RewardItemId(request.part("reward_item_id")))
    if item is None:
        raise NotFound("There is no such reward item.")
    return answer(resources.reward_item(item))


@get("/reward-actions/")
async def list_reward_actions(request: LiveLikeRequest) -> ASGIResponse:
    query = request.query
    caller = await request.caller(query.one("client_id"))
    resources = await request.resources(caller.client_id)
    return request.page(window(query).of(live(resources.game.actions_by_id)), resources.reward_action)


@post("/reward-actions/", operation_class=takes(RewardActionInput))
async def create_reward_action(request: LiveLikeRequest) -> ASGIResponse:
    caller = await request.producer()
    body = await request.decoded(_ACTION)
    caller.must_be_of(body.client_id)
    command = CreateRewardAction(
        client_id=caller.client_id,
        name=body.name,
        key=body.key,
        description=body.description,
        trigger=await trigger_of(request, caller, body),
    )
    action = await request.handle(caller, command)
    return answer((await request.resources(caller.client_id)).reward_action(action), 201)


@get("/reward-actions/{reward_action_id:str}/")
async def get_reward_action(request: LiveLikeRequest) -> ASGIResponse:
    resources = await request.resources((await request.caller()).client_id)
    action = resources.game.actions_by_id.get(RewardActionId(request.part("reward_action_id")))
    if action is None:
        raise NotFound("There is no such reward action.")
    return answer(resources.reward_action(action))


@get("/reward-tables/")
async def list_reward_tables(request: LiveLikeRequest) -> ASGIResponse:
    query = request.query
    caller = await request.caller(query.one("client_id"))
    resources = await request.resources(caller.client_id)
    return request.page(window(query).of(live(resources.game.reward_tables)), resources.reward_table)


@post("/reward-tables/", operation_class=takes(RewardTableInput))
async def create_reward_table(request: LiveLikeRequest) -> ASGIResponse:
    caller = await request.producer()
    body = await request.decoded(_TABLE)
    caller.must_be_of(body.client_id)
    command = CreateRewardTable(
        client_id=caller.client_id,
        key=body.key,
        name=body.name,
        entries=tuple(new_entry(entry) for entry in body.entries),
        program_ids=body.program_ids,
    )
    table = await request.handle(caller, command)
    return answer((await request.resources(caller.client_id)).reward_table(table), 201)


@get("/reward-tables/{table_id:str}/")
async def get_reward_table(request: LiveLikeRequest) -> ASGIResponse:
    resources = await request.resources((await request.caller()).client_id)
    return answer(resources.reward_table(_table(resources.game, request)))


@get("/reward-tables/{table_id:str}/entries/")
async def list_entries(request: LiveLikeRequest) -> ASGIResponse:
    resources = await request.resources((await request.caller()).client_id)
    return request.page(window(request.query).of(_table(resources.game, request).entries), resources.entry)


@post("/reward-tables/{table_id:str}/entries/", operation_class=takes(EntryInput))
async def add_entry(request: LiveLikeRequest) -> ASGIResponse:
    caller = await request.producer()
    entry = new_entry(await request.decoded(_ENTRY))
    table_id = RewardTableId(request.part("table_id"))
    command = AddRewardTableEntry(client_id=caller.client_id, reward_table_id=table_id, entry=entry)
    table = await request.handle(caller, command)
    return answer((await request.resources(caller.client_id)).entry(table.entries[-1]), 201)


@get("/reward-tables/{table_id:str}/entries/{entry_id:str}/")
async def get_entry(request: LiveLikeRequest) -> ASGIResponse:
    resources = await request.resources((await request.caller()).client_id)
    return answer(resources.entry(_entry(_table(resources.game, request), request)))


@delete("/reward-tables/{table_id:str}/entries/{entry_id:str}/")
async def remove_entry(request: LiveLikeRequest) -> None:
    caller = await request.producer()
    command = RemoveRewardTableEntry(
        client_id=caller.client_id,
        reward_table_id=RewardTableId(request.part("table_id")),
        entry_id=RewardTableEntryId(request.part("entry_id")),
    )
    await request.handle(caller, command)


def new_entry(entry: EntryInput) -> NewEntry:
    return NewEntry(
        reward_item_id=entry.reward_item_id,
        reward_item_amount=entry.reward_item_amount,
        action_key=entry.action,
        rate_limit=None if entry.rate_limit is None else entry.rate_limit.value(),
        reward_limit=None if entry.reward_limit is None else entry.reward_limit.value(),
    )


def _table(game: Game, request: LiveLikeRequest) -> RewardTable:
    table = game.reward_tables.get(RewardTableId(request.part("table_id")))
    if table is None:
        raise NotFound("There is no such reward table.")
    return table


def _entry(table: RewardTable, request: LiveLikeRequest) -> RewardTableEntry:
    wanted = request.part("entry_id")
    entry = next((entry for entry in table.entries if entry.id == wanted), None)
    if entry is None:
        raise NotFound("There is no such entry in this reward table.")
    return entry


ROUTES = (
    list_reward_items,
    create_reward_item,
    get_reward_item,
    list_reward_actions,
    create_reward_action,
    get_reward_action,
    list_reward_tables,
    create_reward_table,
    get_reward_table,
    list_entries,
    add_entry,
    get_entry,
    remove_entry,
)
