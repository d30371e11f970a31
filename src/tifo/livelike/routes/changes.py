"""Definitions are changed and archived; what is sent changes, all else stays."""

from collections.abc import Callable
from typing import Any

import msgspec
from litestar import delete, get, patch, post
from litestar.response.base import ASGIResponse
from msgspec import UNSET

from tifo.engagement.commands import (
    Archivable,
    Archive,
    ChangeRewardTableEntry,
    DefinitionCommand,
    LinkRewardTable,
    NewEntry,
    NewProgression,
    RemoveQuestReward,
    RemoveQuestTask,
    UnlinkRewardTable,
    UpdateBadge,
    UpdateProgram,
    UpdateQuest,
    UpdateQuestTask,
    UpdateRewardAction,
    UpdateRewardItem,
    UpdateRewardTable,
)
from tifo.engagement.model import Game, RewardTable, is_live
from tifo.kernel.errors import NotFound, Rejected
from tifo.kernel.ids import ProgramId, QuestRewardId, QuestTaskId, RewardTableEntryId, RewardTableId
from tifo.livelike.call import LiveLikeRequest, answer
from tifo.livelike.documented import takes
from tifo.livelike.images import MAX_UPLOAD_BYTES, decoded_with_image
from tifo.livelike.paging import window
from tifo.livelike.resources import Resource, Resources
from tifo.livelike.routes.quests import utc
from tifo.livelike.routes.rewards import new_entry
from tifo.livelike.shapes import (
    BadgeChange,
    EntryInput,
    ProgramChange,
    QuestChange,
    QuestTaskChange,
    RewardActionChange,
    RewardItemChange,
    RewardTableChange,
    RewardTableLinks,
)

_PROGRAM = msgspec.json.Decoder(ProgramChange)
_ITEM = msgspec.json.Decoder(RewardItemChange)
_ACTION = msgspec.json.Decoder(RewardActionChange)
_TABLE = msgspec.json.Decoder(RewardTableChange)
_LINKS = msgspec.json.Decoder(RewardTableLinks)
_ENTRY = msgspec.json.Decoder(EntryInput)
_BADGE = msgspec.json.Decoder(BadgeChange)
_QUEST = msgspec.json.Decoder(QuestChange)
_TASK = msgspec.json.Decoder(QuestTaskChange)


@patch("/programs/{program_id:str}/", operation_class=takes(ProgramChange))
async def change_program(request: LiveLikeRequest) -> ASGIResponse:
    sent = _sent(await _body(request, _PROGRAM))
    return await _change(request, UpdateProgram, Resources.program, program_id=request.part("program_id"), **sent)


@delete("/programs/{program_id:str}/")
async def archive_program(request: LiveLikeRequest) -> None:
    await _archive(request, "program", request.part("program_id"))


@patch("/reward-items/{reward_item_id:str}/", operation_class=takes(RewardItemChange))
async def change_reward_item(request: LiveLikeRequest) -> ASGIResponse:
    sent = _sent(await _body(request, _ITEM))
    item_id = request.part("reward_item_id")
    return await _change(request, UpdateRewardItem, Resources.reward_item, reward_item_id=item_id, **sent)


@delete("/reward-items/{reward_item_id:str}/")
async def archive_reward_item(request: LiveLikeRequest) -> None:
    await _archive(request, "reward_item", request.part("reward_item_id"))


@patch("/reward-actions/{reward_action_id:str}/", operation_class=takes(RewardActionChange))
async def change_reward_action(request: LiveLikeRequest) -> ASGIResponse:
    """Its key stays: tables, tasks and recorded actions name it."""
    sent = _sent(await _body(request, _ACTION))
    action_id = request.part("reward_action_id")
    return await _change(request, UpdateRewardAction, Resources.reward_action, reward_action_id=action_id, **sent)


@delete("/reward-actions/{reward_action_id:str}/")
async def archive_reward_action(request: LiveLikeRequest) -> None:
    await _archive(request, "reward_action", request.part("reward_action_id"))


@patch("/reward-tables/{table_id:str}/", operation_class=takes(RewardTableChange))
async def change_reward_table(request: LiveLikeRequest) -> ASGIResponse:
    """`entries` and `program_ids` replace what is there; an entry with the `id` of an earlier one keeps its counts."""
    body: RewardTableChange = await _body(request, _TABLE)
    sent = _sent(body)
    if body.entries is not UNSET:
        sent["entries"] = tuple(_entry(entry) for entry in body.entries)
    return await _change(
        request, UpdateRewardTable, Resources.reward_table, reward_table_id=request.part("table_id"), **sent
    )


@delete("/reward-tables/{table_id:str}/")
async def archive_reward_table(request: LiveLikeRequest) -> None:
    await _archive(request, "reward_table", request.part("table_id"))


@patch("/reward-tables/{table_id:str}/entries/{entry_id:str}/", operation_class=takes(EntryInput))
async def change_entry(request: LiveLikeRequest) -> ASGIResponse:
    """The whole entry is sent; it keeps its id, and what its limits have counted."""
    caller = await request.producer()
    entry_id = RewardTableEntryId(request.part("entry_id"))
    command = ChangeRewardTableEntry(
        client_id=caller.client_id,
        reward_table_id=RewardTableId(request.part("table_id")),
        entry_id=entry_id,
        entry=new_entry(await request.decoded(_ENTRY)),
    )
    table = await request.handle(caller, command)
    changed = next(entry for entry in table.entries if entry.id == entry_id)
    return answer((await request.resources(caller.client_id)).entry(changed))


@get("/reward-tables/{table_id:str}/programs/")
async def list_linked_programs(request: LiveLikeRequest) -> ASGIResponse:
    resources = await request.resources((await request.caller()).client_id)
    programs = [resources.game.programs[each] for each in _live_table(resources.game, request).program_ids]
    return request.page(window(request.query).of(programs), resources.program)


@post("/reward-tables/{table_id:str}/programs/", operation_class=takes(RewardTableLinks))
async def link_programs(request: LiveLikeRequest) -> ASGIResponse:
    """Adds to the programs that the table is linked to."""
    body = await _body(request, _LINKS)
    added = (*body.program_ids, *((body.program_id,) if body.program_id else ()))
    if not added:
        raise Rejected("This field is required.", field="program_id")
    return await _change(
        request,
        LinkRewardTable,
        Resources.reward_table,
        status=201,
        reward_table_id=request.part("table_id"),
        program_ids=added,
    )


@delete("/reward-tables/{table_id:str}/programs/{program_id:str}/")
async def unlink_program(request: LiveLikeRequest) -> None:
    caller = await request.producer()
    command = UnlinkRewardTable(
        client_id=caller.client_id,
        reward_table_id=RewardTableId(request.part("table_id")),
        program_id=ProgramId(request.part("program_id")),
    )
    await request.handle(caller, command)


@patch(
    "/badges/{badge_id:str}/",
    operation_class=takes(BadgeChange, image=True),
    request_max_body_size=MAX_UPLOAD_BYTES,
)
async def change_badge(request: LiveLikeRequest) -> ASGIResponse:
    await request.producer()
    body = await decoded_with_image(request, _BADGE)
    sent = _sent(body)
    if body.progressions is not UNSET:
        sent["progressions"] = tuple(
            NewProgression(reward_item_id=p.reward_item_id, reward_item_threshold=p.reward_item_threshold)
            for p in body.progressions
        )
    return await _change(request, UpdateBadge, Resources.badge, badge_id=request.part("badge_id"), **sent)


@delete("/badges/{badge_id:str}/")
async def archive_badge(request: LiveLikeRequest) -> None:
    """Whoever has the badge keeps it."""
    await _archive(request, "badge", request.part("badge_id"))


@patch("/quests/{quest_id:str}/", operation_class=takes(QuestChange))
async def change_quest(request: LiveLikeRequest) -> ASGIResponse:
    sent = _sent(await _body(request, _QUEST))
    for name in ("started_at", "stopped_at"):
        if name in sent:
            sent[name] = utc(name, sent[name])
    return await _change(request, UpdateQuest, Resources.quest, quest_id=request.part("quest_id"), **sent)


@delete("/quests/{quest_id:str}/")
async def archive_quest(request: LiveLikeRequest) -> None:
    """Nobody starts or progresses it any more; completed runs can still be claimed."""
    await _archive(request, "quest", request.part("quest_id"))


@patch("/quest-tasks/{task_id:str}/", operation_class=takes(QuestTaskChange))
async def change_quest_task(request: LiveLikeRequest) -> ASGIResponse:
    caller = await request.producer()
    task_id = QuestTaskId(request.part("task_id"))
    sent = _sent(await _body(request, _TASK))
    command = UpdateQuestTask(client_id=caller.client_id, quest_task_id=task_id, **sent)
    quest = await request.handle(caller, command)
    resources = await request.resources(caller.client_id)
    return answer(resources.quest_task(next(task for task in quest.tasks if task.id == task_id), quest))


@delete("/quest-tasks/{task_id:str}/")
async def remove_quest_task(request: LiveLikeRequest) -> None:
    """Runs that have the task keep it."""
    caller = await request.producer()
    task_id = QuestTaskId(request.part("task_id"))
    await request.handle(caller, RemoveQuestTask(client_id=caller.client_id, quest_task_id=task_id))


@delete("/quest-rewards/{reward_id:str}/")
async def remove_quest_reward(request: LiveLikeRequest) -> None:
    caller = await request.producer()
    reward_id = QuestRewardId(request.part("reward_id"))
    await request.handle(caller, RemoveQuestReward(client_id=caller.client_id, quest_reward_id=reward_id))


async def _body(request: LiveLikeRequest, decoder: Any) -> Any:
    """Only for who may change definitions."""
    await request.producer()
    return await request.decoded(decoder)


def _sent(body: msgspec.Struct) -> dict[str, Any]:
    fields = ((name, getattr(body, name)) for name in body.__struct_fields__)
    return {name: value for name, value in fields if value is not UNSET}


async def _change(
    request: LiveLikeRequest,
    command: Callable[..., DefinitionCommand],
    shape: Callable[[Resources, Any], Resource],
    *,
    status: int = 200,
    **fields: Any,
) -> ASGIResponse:
    caller = await request.producer()
    changed = await request.handle(caller, command(client_id=caller.client_id, **fields))
    return answer(shape(await request.resources(caller.client_id), changed), status)


async def _archive(request: LiveLikeRequest, kind: Archivable, definition_id: str) -> None:
    caller = await request.producer()
    await request.handle(caller, Archive(client_id=caller.client_id, kind=kind, id=definition_id))


def _live_table(game: Game, request: LiveLikeRequest) -> RewardTable:
    table = game.reward_tables.get(RewardTableId(request.part("table_id")))
    if table is None or not is_live(table):
        raise NotFound("There is no such reward table.")
    return table


def _entry(entry: EntryInput) -> NewEntry:
    return msgspec.structs.replace(new_entry(entry), id=entry.id)


ROUTES = (
    change_program,
    archive_program,
    change_reward_item,
    archive_reward_item,
    change_reward_action,
    archive_reward_action,
    change_reward_table,
    archive_reward_table,
    change_entry,
    list_linked_programs,
    link_programs,
    unlink_program,
    change_badge,
    archive_badge,
    change_quest,
    archive_quest,
    change_quest_task,
    remove_quest_task,
    remove_quest_reward,
)
