"""Routes of reward tables: their entries, and the programs that they are linked to."""

import msgspec
from litestar import delete, get, patch, post
from msgspec import UNSET

from tifo.engagement.commands import (
    AddRewardTableEntry,
    ChangeRewardTableEntry,
    CreateRewardTable,
    LinkRewardTable,
    NewEntry,
    RemoveRewardTableEntry,
    UnlinkRewardTable,
    UpdateRewardTable,
)
from tifo.engagement.model import Game, RewardTable, RewardTableEntry, is_live, live
from tifo.kernel.errors import NotFound, Rejected
from tifo.kernel.ids import ProgramId, RewardTableEntryId, RewardTableId
from tifo.livelike.editing import apply_change, archive, body_of_producer, new_definition
from tifo.livelike.inputs.reward_tables import EntryInput, RewardTableChange, RewardTableInput, RewardTableLinks
from tifo.livelike.lists.paging import Listed, window
from tifo.livelike.openapi import filters
from tifo.livelike.openapi.description import PRODUCER, describe
from tifo.livelike.request import LiveLikeRequest
from tifo.livelike.resources.programs import ProgramResource
from tifo.livelike.resources.reward_tables import RewardTableEntryResource, RewardTableResource
from tifo.livelike.responses import JsonResponse, respond

_TABLE = msgspec.json.Decoder(RewardTableInput)
_TABLE_CHANGE = msgspec.json.Decoder(RewardTableChange)
_ENTRY = msgspec.json.Decoder(EntryInput)
_LINKS = msgspec.json.Decoder(RewardTableLinks)


@get("/reward-tables/")
@describe(filters.CLIENT_ID)
async def list_reward_tables(request: LiveLikeRequest) -> JsonResponse[Listed[RewardTableResource]]:
    query = request.query
    caller = await request.caller(query.one("client_id"))
    context = await request.context(caller.client_id)
    return request.page(
        window(query).of(live(context.game.reward_tables)), lambda table: RewardTableResource.of(table, context)
    )


@post("/reward-tables/")
@describe(callers=PRODUCER, body=RewardTableInput)
async def create_reward_table(request: LiveLikeRequest) -> JsonResponse[RewardTableResource]:
    caller, body = await new_definition(request, _TABLE)
    command = CreateRewardTable(
        client_id=caller.client_id,
        key=body.key,
        name=body.name,
        entries=tuple(_new_entry(entry) for entry in body.entries),
        program_ids=body.program_ids,
    )
    return await apply_change(request, caller, command, RewardTableResource.of, status=201)


@get("/reward-tables/{table_id:str}/")
@describe()
async def get_reward_table(request: LiveLikeRequest) -> JsonResponse[RewardTableResource]:
    context = await request.context((await request.caller()).client_id)
    return respond(RewardTableResource.of(_table(context.game, request), context))


@patch("/reward-tables/{table_id:str}/")
@describe(callers=PRODUCER, body=RewardTableChange)
async def change_reward_table(request: LiveLikeRequest) -> JsonResponse[RewardTableResource]:
    """`entries` and `program_ids` replace all of the table's. An entry with the `id` of an earlier one continues
    the counts of its limits.
    """
    caller, body = await body_of_producer(request, _TABLE_CHANGE)
    command = UpdateRewardTable(
        client_id=caller.client_id,
        reward_table_id=RewardTableId(request.part("table_id")),
        name=body.name,
        key=body.key,
        entries=UNSET if body.entries is UNSET else tuple(_replacing_entry(entry) for entry in body.entries),
        program_ids=body.program_ids,
    )
    return await apply_change(request, caller, command, RewardTableResource.of)


@delete("/reward-tables/{table_id:str}/")
@describe(callers=PRODUCER)
async def archive_reward_table(request: LiveLikeRequest) -> None:
    await archive(request, "reward_table", request.part("table_id"))


@get("/reward-tables/{table_id:str}/entries/")
@describe()
async def list_entries(request: LiveLikeRequest) -> JsonResponse[Listed[RewardTableEntryResource]]:
    context = await request.context((await request.caller()).client_id)
    return request.page(
        window(request.query).of(_table(context.game, request).entries),
        lambda entry: RewardTableEntryResource.of(entry, context),
    )


@post("/reward-tables/{table_id:str}/entries/")
@describe(callers=PRODUCER, body=EntryInput)
async def add_entry(request: LiveLikeRequest) -> JsonResponse[RewardTableEntryResource]:
    caller = await request.producer()
    entry = _new_entry(await request.decoded(_ENTRY))
    table_id = RewardTableId(request.part("table_id"))
    command = AddRewardTableEntry(client_id=caller.client_id, reward_table_id=table_id, entry=entry)
    table = await request.handle(caller, command)
    return respond(RewardTableEntryResource.of(table.entries[-1], await request.context(caller.client_id)), 201)


@get("/reward-tables/{table_id:str}/entries/{entry_id:str}/")
@describe()
async def get_entry(request: LiveLikeRequest) -> JsonResponse[RewardTableEntryResource]:
    context = await request.context((await request.caller()).client_id)
    return respond(RewardTableEntryResource.of(_entry(_table(context.game, request), request), context))


@delete("/reward-tables/{table_id:str}/entries/{entry_id:str}/")
@describe(callers=PRODUCER)
async def remove_entry(request: LiveLikeRequest) -> None:
    caller = await request.producer()
    command = RemoveRewardTableEntry(
        client_id=caller.client_id,
        reward_table_id=RewardTableId(request.part("table_id")),
        entry_id=RewardTableEntryId(request.part("entry_id")),
    )
    await request.handle(caller, command)


@patch("/reward-tables/{table_id:str}/entries/{entry_id:str}/")
@describe(callers=PRODUCER, body=EntryInput)
async def change_entry(request: LiveLikeRequest) -> JsonResponse[RewardTableEntryResource]:
    """Replaces the whole entry. Its id and the counts of its limits stay."""
    caller = await request.producer()
    entry_id = RewardTableEntryId(request.part("entry_id"))
    command = ChangeRewardTableEntry(
        client_id=caller.client_id,
        reward_table_id=RewardTableId(request.part("table_id")),
        entry_id=entry_id,
        entry=_new_entry(await request.decoded(_ENTRY)),
    )
    table = await request.handle(caller, command)
    changed = next(entry for entry in table.entries if entry.id == entry_id)
    return respond(RewardTableEntryResource.of(changed, await request.context(caller.client_id)))


@get("/reward-tables/{table_id:str}/programs/")
@describe()
async def list_linked_programs(request: LiveLikeRequest) -> JsonResponse[Listed[ProgramResource]]:
    context = await request.context((await request.caller()).client_id)
    programs = [context.game.programs[each] for each in _live_table(context.game, request).program_ids]
    return request.page(window(request.query).of(programs), lambda program: ProgramResource.of(program, context))


@post("/reward-tables/{table_id:str}/programs/")
@describe(callers=PRODUCER, body=RewardTableLinks)
async def link_programs(request: LiveLikeRequest) -> JsonResponse[RewardTableResource]:
    """Adds to the programs that the table is linked to."""
    caller, body = await body_of_producer(request, _LINKS)
    added = (*body.program_ids, *((body.program_id,) if body.program_id else ()))
    if not added:
        raise Rejected("This field is required.", field="program_id")
    command = LinkRewardTable(
        client_id=caller.client_id, reward_table_id=RewardTableId(request.part("table_id")), program_ids=added
    )
    return await apply_change(request, caller, command, RewardTableResource.of, status=201)


@delete("/reward-tables/{table_id:str}/programs/{program_id:str}/")
@describe(callers=PRODUCER)
async def unlink_program(request: LiveLikeRequest) -> None:
    caller = await request.producer()
    command = UnlinkRewardTable(
        client_id=caller.client_id,
        reward_table_id=RewardTableId(request.part("table_id")),
        program_id=ProgramId(request.part("program_id")),
    )
    await request.handle(caller, command)


def _new_entry(entry: EntryInput) -> NewEntry:
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
    entry_id = request.part("entry_id")
    entry = next((entry for entry in table.entries if entry.id == entry_id), None)
    if entry is None:
        raise NotFound("There is no such entry in this reward table.")
    return entry


def _replacing_entry(entry: EntryInput) -> NewEntry:
    """Makes the new entry with the id of the one that it replaces."""
    return msgspec.structs.replace(_new_entry(entry), id=entry.id)


def _live_table(game: Game, request: LiveLikeRequest) -> RewardTable:
    table = _table(game, request)
    if not is_live(table):
        raise NotFound("There is no such reward table.")
    return table


ROUTES = (
    list_reward_tables,
    create_reward_table,
    get_reward_table,
    change_reward_table,
    archive_reward_table,
    list_entries,
    add_entry,
    get_entry,
    remove_entry,
    change_entry,
    list_linked_programs,
    link_programs,
    unlink_program,
)
