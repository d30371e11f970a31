"""Routes of invoked actions: one by one, and in batches."""

import msgspec
from litestar import get, post

from tifo.engagement.commands import InvokeAction, InvokeActions
from tifo.engagement.ports import InvokedFilter
from tifo.kernel.errors import Rejected
from tifo.kernel.ids import ProgramId
from tifo.livelike.inputs.invoked_actions import BatchedAction, BatchInput, BatchUpdate, InvokedActionInput
from tifo.livelike.lists.fans import profiles_of, visible_profiles
from tifo.livelike.lists.paging import Listed, anchor, window
from tifo.livelike.openapi import filters
from tifo.livelike.openapi.description import PRODUCER, describe
from tifo.livelike.request import LiveLikeRequest
from tifo.livelike.resources.invoked_actions import BatchResource, InvokedActionResource
from tifo.livelike.responses import JsonResponse, respond
from tifo.livelike.tokens import Caller

MAX_BATCHED = 1_000
"""Limit of actions in one batch. LiveLike documents none."""

_INVOKED = msgspec.json.Decoder(InvokedActionInput)
_BATCH = msgspec.json.Decoder(BatchInput)


@post("/invoked-actions/")
@describe(callers=PRODUCER, body=InvokedActionInput)
async def invoke_action(request: LiveLikeRequest) -> JsonResponse[InvokedActionResource]:
    """Performs a reward action for a fan, and answers with what the reward tables paid."""
    # This route is hot: for a known token and fan nothing here hops to a thread.
    caller = await request.producer()
    body = await request.decoded(_INVOKED)
    command = InvokeAction(
        client_id=caller.client_id,
        program_id=body.program_id,
        reward_action_key=body.reward_action_key,
        profile_id=body.profile_id,
        custom_profile_id=body.custom_profile_id,
        code=body.code,
        description=body.description,
        attributes=body.attributes,
    )
    invoked = await request.handle(caller, command)
    nickname = await request.services.nicknames.of(caller.client_id, invoked.profile_id)
    return respond(InvokedActionResource.of(invoked, caller.client_id, nickname), 201)


@post("/batch-invoked-actions/")
@describe(callers=PRODUCER, body=BatchInput)
async def invoke_actions(request: LiveLikeRequest) -> JsonResponse[BatchResource]:
    """Performs at most 1,000 actions. Each succeeds or fails by itself and has its own answer.

    With an `Idempotency-Key` the whole request is done once; repeated, it gives the same answer, failures included.
    """
    caller = await request.producer()
    body = await request.decoded(_BATCH)
    count = sum(len(update.reward_actions) for update in body.updates)
    if count > MAX_BATCHED:
        raise Rejected(f"updates hold {count:,} actions; at most {MAX_BATCHED:,} are accepted.", field="updates")
    actions = tuple(
        _command(body.program_id, update, action, caller) for update in body.updates for action in update.reward_actions
    )
    # One command for all: one commit, and one stored answer for an Idempotency-Key.
    outcomes = await request.handle(caller, InvokeActions(client_id=caller.client_id, actions=actions))
    return respond(BatchResource.of(body, outcomes, request.new_id(caller)), 201)


@get("/invoked-actions/")
@describe(
    filters.CLIENT_ID,
    filters.PROGRAM_ID,
    filters.REWARD_ACTION_KEY,
    filters.PROFILE_ID,
    filters.ATTRIBUTES,
    filters.CODE,
    filters.SINCE,
    filters.UNTIL,
    filters.ORDERING,
)
async def list_invoked_actions(request: LiveLikeRequest) -> JsonResponse[Listed[InvokedActionResource]]:
    query = request.query
    caller = await request.caller(query.one("client_id"))
    program_id = query.one("program_id")
    where = InvokedFilter(
        profile_ids=visible_profiles(caller, query),
        program_id=None if program_id is None else ProgramId(program_id),
        reward_action_keys=query.all("reward_action_key"),
        codes=query.all("code"),
        attributes=query.attributes(),
        since=query.moment("since"),
        until=query.moment("until"),
        oldest_first=query.choice("ordering", ("-created_at", "created_at")) == "created_at",
    )
    page, size = window(query)
    query_actions = request.services.queries.invoked_actions
    found = await request.in_thread(query_actions, caller.client_id, where, page=page, size=size, anchor=anchor(query))
    profiles = await profiles_of(request, caller, [invoked.profile_id for invoked in found.results])
    return request.page(
        found,
        lambda invoked: InvokedActionResource.of(invoked, caller.client_id, profiles[invoked.profile_id].nickname),
    )


def _command(program_id: ProgramId, update: BatchUpdate, action: BatchedAction | str, caller: Caller) -> InvokeAction:
    given = BatchedAction(action) if isinstance(action, str) else action
    return InvokeAction(
        client_id=caller.client_id,
        program_id=program_id,
        reward_action_key=given.reward_action_key,
        profile_id=update.profile_id,
        custom_profile_id=update.custom_profile_id,
        code=given.code,
        description=given.description,
        attributes=given.attributes,
    )


ROUTES = (invoke_action, invoke_actions, list_invoked_actions)
