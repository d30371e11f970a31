"""Moves balances: invoked actions, credits, debits and transfers."""

from msgspec.structs import replace

from tifo.engagement import limits
from tifo.engagement.commands import Credit, Debit, InvokeAction, Transfer
from tifo.engagement.facts import RewardItemRewarded
from tifo.engagement.model import (
    InvokedAction,
    InvokedReward,
    Payments,
    RewardTableEntry,
    Transaction,
    TransactionKind,
    is_live,
)
from tifo.engagement.rules.badges import earn_badges
from tifo.engagement.rules.quest_runs import progress_linked
from tifo.engagement.turn import Turn
from tifo.engagement.values import check_amount, check_text
from tifo.kernel.errors import Conflict, NotFound, Rejected
from tifo.kernel.ids import InvokedActionId, ProfileId


def invoke_action(turn: Turn, command: InvokeAction) -> InvokedAction:
    game, key = turn.game, command.reward_action_key
    profile_id = _invoker(turn, command)
    program = game.programs.get(command.program_id)
    if program is None or not is_live(program):
        raise NotFound(f"There is no program {command.program_id!r:.100} in this application.", field="program_id")
    action = game.reward_actions.get(key)
    if action is None or not is_live(action):
        raise NotFound(f"There is no reward action with the key {key!r:.100}.", field="reward_action_key")
    if command.code is not None:
        check_text(command.code, "code")
        # The table is unique in these three too, but a conflict there would fail the whole batch.
        if (profile_id, key, command.code) in turn.state.used_codes:
            raise Conflict("code already used.", code="code_already_used", field="code")
    # Made before the payments, which name it in the ledger.
    invoked_id = InvokedActionId(turn.new_id())
    rewards = tuple(_pay_entries(turn, profile_id, invoked_id, command))
    # After the payments: this is the order in which the events leave (docs/rules.md).
    for quest in game.quests_by_action.get(key, ()):
        progress_linked(turn, profile_id, quest, key)
    turn.invoked = InvokedAction(
        id=invoked_id,
        program_id=command.program_id,
        profile_id=profile_id,
        reward_action_key=key,
        created_at=turn.now,
        code=command.code,
        rewards=rewards,
        description=command.description,
        attributes=command.attributes,
    )
    return turn.invoked


def _invoker(turn: Turn, command: InvokeAction) -> ProfileId:
    # LiveLike: 400 for both ids, and for neither.
    if (command.profile_id is None) == (command.custom_profile_id is None):
        raise Rejected("Send exactly one of profile_id and custom_profile_id.", field="profile_id")
    if command.profile_id is not None:
        return turn.fan(command.profile_id).profile.id
    custom_id = command.custom_profile_id or ""
    if custom_id not in turn.state.by_custom_id:
        raise NotFound(f"There is no profile with custom_id {custom_id!r:.100}.", field="custom_profile_id")
    return turn.state.by_custom_id[custom_id]


def _pay_entries(
    turn: Turn, profile_id: ProfileId, invoked_id: InvokedActionId, command: InvokeAction
) -> list[InvokedReward]:
    """Pays every matching entry of every table of the program, in the order of tables and entries."""
    rewards: list[InvokedReward] = []
    # LiveLike: an action consults every table that is linked to its program, and every matching entry pays.
    for table, entry in turn.game.entries.get((command.program_id, command.reward_action_key), ()):
        if (entry.rate_limit or entry.reward_limit) and not _within_limits(turn, profile_id, entry):
            # A limit refuses the payment, not the action: other entries pay, and tasks progress.
            continue
        name = turn.item(entry.reward_item_id).name
        paid = turn.move(
            profile_id,
            entry.reward_item_id,
            entry.reward_item_amount,
            TransactionKind.REWARD_TABLE,
            invoked_action_id=invoked_id,
            reward_action_key=command.reward_action_key,
            reward_table_entry_id=entry.id,
        )
        turn.record(
            RewardItemRewarded,
            turn.fan(profile_id).profile,
            reward_item_id=entry.reward_item_id,
            reward_item_name=name,
            reward_item_amount=paid.amount,
            reward_item_balance=paid.balance,
            reward_item_transaction_id=paid.id,
            reward_action_key=command.reward_action_key,
            reward_table_id=table.id,
        )
        # Right behind its payment, because the next entry may change the same balance.
        earn_badges(turn, paid)
        rewards.append(
            InvokedReward(
                reward_item_id=entry.reward_item_id, reward_item_name=name, reward_item_amount=entry.reward_item_amount
            )
        )
    return rewards


def _within_limits(turn: Turn, profile_id: ProfileId, entry: RewardTableEntry) -> bool:
    """Counts the payment and returns True, or returns False where a limit does not allow it now."""
    fan = turn.fan(profile_id)
    payments = limits.counted(entry, fan.payments.get(entry.id, Payments()), turn.now)
    if payments is None:
        return False
    turn.put(replace(fan, payments={**fan.payments, entry.id: payments}))
    return True


def credit(turn: Turn, command: Credit) -> Transaction:
    return _change_balance(turn, command, check_amount(command.reward_item_amount, "reward_item_amount"))


def debit(turn: Turn, command: Debit) -> Transaction:
    return _change_balance(turn, command, -check_amount(command.reward_item_amount, "reward_item_amount"))


def _change_balance(turn: Turn, command: Credit | Debit, amount: int) -> Transaction:
    moved = turn.move(
        command.profile_id,
        turn.item(command.reward_item_id).id,
        amount,
        TransactionKind.CREDIT if amount > 0 else TransactionKind.DEBIT,
        reason=command.reason,
        description=command.description,
        custom_data=command.custom_data,
        attributes=command.attributes,
    )
    # A debit reaches no threshold, even where the balance that is left would suffice.
    if amount > 0:
        earn_badges(turn, moved)
    return moved


def transfer(turn: Turn, command: Transfer) -> Transaction:
    amount = check_amount(command.reward_item_amount, "reward_item_amount")
    item_id = turn.item(command.reward_item_id).id
    sender, recipient = command.profile_id, command.recipient_profile_id
    if sender == recipient:
        raise Rejected("Sender and recipient are the same profile.", field="recipient_profile_id")
    # Checked before anything moves, so that the error names the recipient's field.
    turn.fan(recipient, "recipient_profile_id")
    transfer_id = turn.new_id()
    sent = turn.move(
        sender,
        item_id,
        -amount,
        TransactionKind.TRANSFER_SENT,
        transfer_id=transfer_id,
        counterpart_profile_id=recipient,
    )
    received = turn.move(
        recipient,
        item_id,
        amount,
        TransactionKind.TRANSFER_RECEIVED,
        transfer_id=transfer_id,
        counterpart_profile_id=sender,
    )
    earn_badges(turn, received)
    # LiveLike: the answer of a transfer is the sender's.
    return sent
