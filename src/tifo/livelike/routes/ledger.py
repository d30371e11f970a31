"""Routes of the ledger: credits, debits, transfers, balances, reward transactions."""

import msgspec
from litestar import get, post

from tifo.engagement.commands import Credit, Debit, Transfer
from tifo.engagement.model import Transaction, TransactionKind, is_live
from tifo.engagement.ports import Page, TransactionFilter
from tifo.kernel.errors import NotFound
from tifo.kernel.ids import ProfileId, RewardItemId
from tifo.livelike.inputs.ledger import LedgerInput, TransferInput
from tifo.livelike.lists.fans import profiles_of, visible_profiles
from tifo.livelike.lists.paging import Listed, anchor, window
from tifo.livelike.openapi import filters
from tifo.livelike.openapi.description import PRODUCER, describe
from tifo.livelike.request import LiveLikeRequest
from tifo.livelike.resources.ledger import (
    BalanceResource,
    BookingResource,
    ProfileBalanceResource,
    RewardTransactionResource,
    TransferResource,
)
from tifo.livelike.responses import JsonResponse, respond

_LEDGER = msgspec.json.Decoder(LedgerInput)
_TRANSFER = msgspec.json.Decoder(TransferInput)
_SIDES = {"sent": TransactionKind.TRANSFER_SENT, "received": TransactionKind.TRANSFER_RECEIVED}


# LiveLike answers 200 to credits and debits, though each makes a row.
@post("/profiles/{profile_id:str}/reward-item-credits/", status_code=200)
@describe(callers=PRODUCER, body=LedgerInput)
async def credit(request: LiveLikeRequest) -> JsonResponse[BookingResource]:
    return await _book(request, Credit)


@post("/profiles/{profile_id:str}/reward-item-debits/", status_code=200)
@describe(callers=PRODUCER, body=LedgerInput)
async def debit(request: LiveLikeRequest) -> JsonResponse[BookingResource]:
    return await _book(request, Debit)


@post("/profiles/{profile_id:str}/reward-item-transfers/")
@describe(body=TransferInput)
async def transfer(request: LiveLikeRequest) -> JsonResponse[TransferResource]:
    caller = await request.caller()
    sender = ProfileId(request.part("profile_id"))
    # LiveLike: the sender's own token transfers.
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
    # LiveLike answers 200.
    return respond(TransferResource.of(sent, profiles, await request.context(caller.client_id)), 201)


@get("/profiles/{profile_id:str}/reward-item-transfers/")
@describe(filters.TRANSFER_TYPE, filters.REWARD_ITEM_ID)
async def list_transfers(request: LiveLikeRequest) -> JsonResponse[Listed[TransferResource]]:
    """Lists the transfers that the fan sent and received, the newest first."""
    query = request.query
    caller = await request.caller()
    profile_id = ProfileId(request.part("profile_id"))
    caller.must_reach(profile_id)
    # Raises NotFound for an unknown profile, whose transfers would be an empty list.
    await request.in_thread(request.services.queries.profile, caller.client_id, profile_id)
    side = query.choice("transfer_type", [*_SIDES])
    where = TransactionFilter(
        profile_ids=[profile_id],
        reward_item_ids=[RewardItemId(i) for i in query.all("reward_item_id")],
        kinds=[_SIDES[side]] if side else [*_SIDES.values()],
    )
    page, size = window(query)
    transactions = request.services.queries.transactions
    found = await request.in_thread(transactions, caller.client_id, where, page=page, size=size, anchor=anchor(query))
    sides = [profile for row in found.results for profile in (row.profile_id, row.counterpart_profile_id) if profile]
    profiles = await profiles_of(request, caller, sides)
    context = await request.context(caller.client_id)
    return request.page(found, lambda row: TransferResource.of(row, profiles, context))


@get("/profiles/{profile_id:str}/reward-item-balances/")
@describe(filters.REWARD_ITEM_ID)
async def list_balances(request: LiveLikeRequest) -> JsonResponse[Listed[BalanceResource]]:
    """Lists every live reward item, with 0 where the fan has none, and archived ones of which the fan had some."""
    query = request.query
    caller = await request.caller()
    profile_id = ProfileId(request.part("profile_id"))
    caller.must_reach(profile_id)
    game, balances = await request.services.reads.balances(caller.client_id, profile_id)
    item_ids = set(query.all("reward_item_id"))
    items = [
        item
        for item in game.reward_items.values()
        if (not item_ids or item.id in item_ids) and (is_live(item) or item.id in balances)
    ]
    return request.page(window(query).of(items), lambda item: BalanceResource.of(item, balances))


@get("/profiles/{profile_id:str}/reward-item-balances/{reward_item_id:str}/")
@describe()
async def get_balance(request: LiveLikeRequest) -> JsonResponse[ProfileBalanceResource]:
    caller = await request.caller()
    profile_id = ProfileId(request.part("profile_id"))
    caller.must_reach(profile_id)
    game, balances = await request.services.reads.balances(caller.client_id, profile_id)
    item = game.reward_items.get(RewardItemId(request.part("reward_item_id")))
    if item is None:
        raise NotFound("There is no such reward item.")
    balance = ProfileBalanceResource(
        profile_id=profile_id,
        reward_item_id=item.id,
        reward_item_name=item.name,
        reward_item_balance=balances.get(item.id, 0),
    )
    # LiveLike's reference prints 201 here; nothing is made, so 200 is right.
    return respond(balance)


@get("/reward-transactions/")
@describe(
    filters.CLIENT_ID,
    filters.PROFILE_ID,
    filters.REWARD_ITEM_ID,
    filters.REWARD_ACTION_KEY,
    filters.CREATED_SINCE,
    filters.CREATED_UNTIL,
    filters.WIDGET_ID,
    filters.WIDGET_KIND,
)
async def list_reward_transactions(request: LiveLikeRequest) -> JsonResponse[Listed[RewardTransactionResource]]:
    """Lists what fans earned: all fans to a producer token, the fan's own to a fan's token."""
    query = request.query
    caller = await request.caller(query.one("client_id"))
    where = TransactionFilter(
        profile_ids=visible_profiles(caller, query),
        reward_item_ids=[RewardItemId(i) for i in query.all("reward_item_id")],
        reward_action_keys=query.all("reward_action_key"),
        created_since=query.moment("created_since"),
        created_until=query.moment("created_until"),
    )
    page, size = window(query)
    if query.all("widget_id") or query.all("widget_kind"):
        # Tifo has no widgets, so no transaction comes from one.
        found: Page[Transaction] = Page(count=0, results=(), number=page, size=size)
    else:
        transactions = request.services.queries.transactions
        found = await request.in_thread(
            transactions, caller.client_id, where, page=page, size=size, anchor=anchor(query)
        )
    profiles = await profiles_of(request, caller, [transaction.profile_id for transaction in found.results])
    context = await request.context(caller.client_id)

    return request.page(found, lambda row: RewardTransactionResource.of(row, profiles, context))


async def _book(request: LiveLikeRequest, kind: type[Credit | Debit]) -> JsonResponse[BookingResource]:
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
    return respond(BookingResource.of(await request.handle(caller, command)))


ROUTES = (
    credit,
    debit,
    transfer,
    list_transfers,
    list_balances,
    get_balance,
    list_reward_transactions,
)
