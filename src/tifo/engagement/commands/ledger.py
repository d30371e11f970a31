"""Commands that move balances: invoked actions, credits, debits and transfers."""

from tifo.engagement.commands.base import Command
from tifo.engagement.model import Attributes, Invocation, InvokedAction, Transaction
from tifo.kernel.ids import ProfileId, ProgramId, RewardItemId


class InvokeAction(Command[InvokedAction], frozen=True, kw_only=True):
    """Performs an action for one fan, named by exactly one of the two profile ids.

    Refused with 409 `code already used.` for the same action, profile and code (LiveLike's rule).
    """

    program_id: ProgramId
    reward_action_key: str
    profile_id: ProfileId | None = None
    custom_profile_id: str | None = None
    code: str | None = None
    description: str | None = None
    attributes: Attributes = ()


class InvokeActions(Command[tuple[Invocation, ...]], frozen=True, kw_only=True):
    """Performs several actions in order and in one commit; one that is refused does not affect the others."""

    actions: tuple[InvokeAction, ...]


class BalanceChange(Command[Transaction], frozen=True, kw_only=True):
    """Fields of credits and debits. The amount is positive in both, as in LiveLike's requests."""

    profile_id: ProfileId
    reward_item_id: RewardItemId
    reward_item_amount: int
    reason: str | None = None
    description: str | None = None
    custom_data: str | None = None
    attributes: Attributes = ()


class Credit(BalanceChange, frozen=True, kw_only=True):
    """Adds an amount to a balance."""


class Debit(BalanceChange, frozen=True, kw_only=True):
    """Subtracts an amount from a balance; refused with 400 naming both if the balance is too low."""


class Transfer(Command[Transaction], frozen=True, kw_only=True):
    """Moves an amount from one fan to another. The answer is the sender's row; its `transfer_id` is shared by both."""

    profile_id: ProfileId
    recipient_profile_id: ProfileId
    reward_item_id: RewardItemId
    reward_item_amount: int
