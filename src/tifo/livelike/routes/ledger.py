"""What is paid and spent: invoked actions, credits, debits, transfers, balances, reward transactions."""

import msgspec
from litestar import get, post
from litestar.response.base import ASGIResponse

from tifo.engagement.commands import Credit, Debit, InvokeAction, InvokeActions, Transfer
from tifo.engagement.model import Transaction, TransactionKind, is_live
from tifo.engagement.ports import InvokedFilter, Page, TransactionFilter
from tifo.kernel.errors import NotFound, Rejected
from tifo.kernel.ids import ProfileId, ProgramId, RewardItemId
from tifo.livelike.call import LiveLikeRequest, answer
from tifo.livelike.documented import takes
from tifo.livelike.listing import profiles_of, reachable
from tifo.livelike.paging import anchor, window
from tifo.livelike.resources import Resource, batch_answer, invoked_action, ledger_answer
from tifo.livelike.shapes import BatchedAction, BatchInput, InvokedActionInput, LedgerInput, TransferInput

MAX_BATCHED = 1_000
"""Actions in one batch. Ours."""


_INVOKED = msgspec.json.Decoder(InvokedActionInput)
_BATCH = msgspec.json.Decoder(BatchInput)
_LEDGER = msgspec.json.Decoder(LedgerInput)
_TRANSFER = msgspec.json.Decoder(TransferInput)
_SIDES = {"sent": TransactionKind.TRANSFER_SENT, "received": TransactionKind.TRANSFER_RECEIVED}


@post("/invoked-actions/", operation_class=takes(InvokedActionInput))
async def invoke_action(request: LiveLikeRequest) -> ASGIResponse:
    """The hot route: with a known token and fan it hops to no thread."""
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
    nickname = await request.desk.nicknames.of(caller.client_id, invoked.profile_id)
    return answer(invoked_action(invoked, caller.client_id, nickname), 201)


@post("/batch-invoked-actions/", operation_class=takes(BatchInput))
async def invoke_actions(request: LiveLikeRequest) -> ASGIResponse:
    """Each action answers for itself: what is wrong with one harms no other. Together at most 1,000.

    With an `Idempotency-Key` the request as a whole is done once, and answers the same again, refusals included.
    """
    caller = await request.producer()
    body = await request.decoded(_BATCH)
    asked = [(update, _batched(each)) for update in body.updates for each in update.reward_actions]
    if len(asked) > MAX_BATCHED:
        raise Rejected(f"updates hold {len(asked):,} actions; at most {MAX_BATCHED:,} are taken.", field="updates")
    actions = tuple(
        InvokeAction(
            client_id=caller.client_id,
            program_id=body.program_id,
            reward_action_key=each.reward_action_key,
            profile_id=update.profile_id,
            custom_profile_id=update.custom_profile_id,
            code=each.code,
            description=each.description,
            attributes=each.attributes,
        )
        for update, each in asked
    )
    outcomes = await request.handle(caller, InvokeActions(client_id=caller.client_id, actions=actions))
    return answer(batch_answer(body, outcomes, request.new_id(caller)), 201)


def _batched(action: BatchedAction | str) -> BatchedAction:
    return BatchedAction(action) if isinstance(action, str) else action


@get("/invoked-actions/")
async def list_invoked_actions(request: LiveLikeRequest) -> ASGIResponse:
    query = request.query
    caller = await request.caller(query.one("client_id"))
    program_id = query.one("program_id")
    where = InvokedFilter(
        profile_ids=reachable(caller, query),
        program_id=None if program_id is None else ProgramId(program_id),
        reward_action_keys=query.all("reward_action_key"),
        codes=query.all("code"),
        attributes=query.attributes(),
        since=query.moment("since"),
        until=query.moment("until"),
        oldest_first=query.choice("ordering", ("-created_at", "created_at")) == "created_at",
    )
    page, size = window(query)
    asked = request.desk.queries.invoked_actions
    found = await request.ask(asked, caller.client_id, where, page=page, size=size, anchor=anchor(query))
    profiles = await profiles_of(request, caller, [invoked.profile_id for invoked in found.results])
    return request.page(found, lambda i: invoked_action(i, caller.client_id, profiles[i.profile_id].nickname))


@post("/profiles/{profile_id:str}/reward-item-credits/", operation_class=takes(LedgerInput), status_code=200)
async def credit(request: LiveLikeRequest) -> ASGIResponse:
    return await _book(request, Credit)


@post("/profiles/{profile_id:str}/reward-item-debits/", operation_class=takes(LedgerInput), status_code=200)
async def debit(request: LiveLikeRequest) -> ASGIResponse:
    return await _book(request, Debit)


@post("/profiles/{profile_id:str}/reward-item-transfers/", operation_class=takes(TransferInput))
async def transfer(request: LiveLikeRequest) -> ASGIResponse:
    caller = await request.caller()
    sender = ProfileId(request.part("profile_id"))
    caller.must_reach(sender)
    body = await request.decoded(_TRANSFER)
    command = Transfer(
        client_id=caller.client_id,
        profile_id=sender,
        recipient_profile_id=body.recipient_profile_id,
        reward_item_id=body.reward_item_id,
        reward_item_amount=body.reward_item_amount,
    )
    sent = await request.handle(caller, command)
    profiles = await profiles_of(request, caller, [sender, body.recipient_profile_id])
    return answer((await request.resources(caller.client_id)).transfer(sent, profiles), 201)


@get("/profiles/{profile_id:str}/reward-item-transfers/")
async def list_transfers(request: LiveLikeRequest) -> ASGIResponse:
    """Sent and received, the newest first."""
    query = request.query
    caller = await request.caller()
    profile_id = ProfileId(request.part("profile_id"))
    caller.must_reach(profile_id)
    await request.ask(request.desk.queries.profile, caller.client_id, profile_id)
    side = query.choice("transfer_type", [*_SIDES])
    where = TransactionFilter(
        profile_ids=[profile_id],
        reward_item_ids=[RewardItemId(i) for i in query.all("reward_item_id")],
        kinds=[_SIDES[side]] if side else [*_SIDES.values()],
    )
    page, size = window(query)
    asked = request.desk.queries.transactions
    found = await request.ask(asked, caller.client_id, where, page=page, size=size, anchor=anchor(query))
    sides = [profile for row in found.results for profile in (row.profile_id, row.counterpart_profile_id) if profile]
    profiles = await profiles_of(request, caller, sides)
    resources = await request.resources(caller.client_id)
    return request.page(found, lambda row: resources.transfer(row, profiles))


@get("/profiles/{profile_id:str}/reward-item-balances/")
async def list_balances(request: LiveLikeRequest) -> ASGIResponse:
    """Every reward item of the application, also those of which the fan has none; archived ones where she had some."""
    query = request.query
    caller = await request.caller()
    profile_id = ProfileId(request.part("profile_id"))
    caller.must_reach(profile_id)
    game, balances = await request.desk.reads.balances(caller.client_id, profile_id)
    resources = request.resources_of(game)
    wanted = set(query.all("reward_item_id"))
    items = [
        item
        for item in game.reward_items.values()
        if (not wanted or item.id in wanted) and (is_live(item) or item.id in balances)
    ]
    return request.page(window(query).of(items), lambda item: resources.balance(item, balances))


@get("/profiles/{profile_id:str}/reward-item-balances/{reward_item_id:str}/")
async def get_balance(request: LiveLikeRequest) -> ASGIResponse:
    caller = await request.caller()
    profile_id = ProfileId(request.part("profile_id"))
    caller.must_reach(profile_id)
    game, balances = await request.desk.reads.balances(caller.client_id, profile_id)
    item = game.reward_items.get(RewardItemId(request.part("reward_item_id")))
    if item is None:
        raise NotFound("There is no such reward item.")
    return answer({"profile_id": profile_id, **request.resources_of(game).balance(item, balances)})


@get("/reward-transactions/")
async def list_reward_transactions(request: LiveLikeRequest) -> ASGIResponse:
    """What was earned: by a producer token all fans', by a fan's token her own."""
    query = request.query
    caller = await request.caller(query.one("client_id"))
    where = TransactionFilter(
        profile_ids=reachable(caller, query),
        reward_item_ids=[RewardItemId(i) for i in query.all("reward_item_id")],
        reward_action_keys=query.all("reward_action_key"),
        created_since=query.moment("created_since"),
        created_until=query.moment("created_until"),
    )
    page, size = window(query)
    if query.all("widget_id") or query.all("widget_kind"):
        # There are no widgets here, so no transaction comes from one.
        found: Page[Transaction] = Page(count=0, results=(), number=page, size=size)
    else:
        asked = request.desk.queries.transactions
        found = await request.ask(asked, caller.client_id, where, page=page, size=size, anchor=anchor(query))
    profiles = await profiles_of(request, caller, [transaction.profile_id for transaction in found.results])
    resources = await request.resources(caller.client_id)

    def shape(transaction: Transaction) -> Resource:
        return resources.reward_transaction(transaction, profiles)

    return request.page(found, shape)


async def _book(request: LiveLikeRequest, kind: type[Credit | Debit]) -> ASGIResponse:
    caller = await request.producer()
    body = await request.decoded(_LEDGER)
    command = kind(
        client_id=caller.client_id,
        profile_id=ProfileId(request.part("profile_id")),
        reward_item_id=body.reward_item_id,
        reward_item_amount=body.reward_item_amount,
        reason=body.reason,
        description=body.description,
        custom_data=body.custom_data,
        attributes=body.attributes,
    )
    return answer(ledger_answer(await request.handle(caller, command)))


ROUTES = (
    invoke_action,
    invoke_actions,
    list_invoked_actions,
    credit,
    debit,
    transfer,
    list_transfers,
    list_balances,
    get_balance,
    list_reward_transactions,
)
