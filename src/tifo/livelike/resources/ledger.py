"""Balances, and the transactions that changed them: credits, debits, transfers, rewards."""

from collections.abc import Mapping

from tifo.engagement.model import Attributes, Profile, RewardItem, Transaction, TransactionKind
from tifo.kernel.clock import to_iso
from tifo.kernel.ids import ProfileId, RewardItemId
from tifo.livelike.resources.base import Id, Resource, Time
from tifo.livelike.resources.context import ResourceContext


class BalanceResource(Resource, frozen=True, kw_only=True):
    reward_item_id: Id
    reward_item_name: str
    reward_item_balance: int
    prizeout_balance: None = None

    @classmethod
    def of(cls, item: RewardItem, balances: Mapping[RewardItemId, int]) -> "BalanceResource":
        return cls(reward_item_id=item.id, reward_item_name=item.name, reward_item_balance=balances.get(item.id, 0))


class ProfileBalanceResource(Resource, frozen=True, kw_only=True):
    """One balance, with its fan."""

    profile_id: Id
    reward_item_id: Id
    reward_item_name: str
    reward_item_balance: int
    prizeout_balance: None = None


class BookingResource(Resource, frozen=True, kw_only=True):
    """A credit or a debit."""

    id: Id
    new_balance: int
    created_at: Time
    reason: str | None
    description: str | None
    custom_data: str | None
    prizeout_balance: None = None
    attributes: Attributes

    @classmethod
    def of(cls, transaction: Transaction) -> "BookingResource":
        return cls(
            id=transaction.id,
            new_balance=transaction.balance,
            created_at=to_iso(transaction.created_at),
            reason=transaction.reason,
            description=transaction.description,
            custom_data=transaction.custom_data,
            attributes=transaction.attributes,
        )


class TransferResource(Resource, frozen=True, kw_only=True):
    id: Id
    created_at: Time
    reward_item_id: Id
    reward_item_name: str
    reward_item_amount: int
    sender_profile_id: Id
    # The names are in the SDK's type; LiveLike's reference lacks them.
    sender_profile_name: str | None
    recipient_profile_id: Id
    recipient_profile_name: str | None

    @classmethod
    def of(
        cls, row: Transaction, profiles: Mapping[ProfileId, Profile], context: ResourceContext
    ) -> "TransferResource":
        """`row` is the ledger's row of either side; both sides show the same transfer."""
        if row.transfer_id is None or row.counterpart_profile_id is None:
            raise ValueError(f"The transaction {row.id} belongs to no transfer.")
        sender, recipient = row.profile_id, row.counterpart_profile_id
        if row.kind is TransactionKind.TRANSFER_RECEIVED:
            sender, recipient = recipient, sender
        return cls(
            id=row.transfer_id,
            created_at=to_iso(row.created_at),
            reward_item_id=row.reward_item_id,
            reward_item_name=context.reward_item(row.reward_item_id).name,
            reward_item_amount=abs(row.amount),
            sender_profile_id=sender,
            sender_profile_name=_nickname(profiles, sender),
            recipient_profile_id=recipient,
            recipient_profile_name=_nickname(profiles, recipient),
        )


class RewardTransactionResource(Resource, frozen=True, kw_only=True):
    """A reward that a fan earned."""

    id: Id
    created_at: Time
    profile_id: Id
    profile_nickname: str | None
    reward_item_id: Id
    reward_item_name: str
    reward_item_amount: int
    reward_action_id: Id | None
    reward_action_key: str | None
    reward_action_name: str | None
    # Tifo has no widgets.
    widget_id: None = None
    widget_kind: None = None
    source: str | None
    user_quest_id: Id | None
    invoked_action_id: Id | None
    reward_table_entry_id: Id | None
    reason: str | None
    description: str | None
    custom_data: str | None
    attributes: Attributes

    @classmethod
    def of(
        cls, transaction: Transaction, profiles: Mapping[ProfileId, Profile], context: ResourceContext
    ) -> "RewardTransactionResource":
        # A key that is used again names its live action, which may be another one than paid.
        action = context.game.reward_actions.get(transaction.reward_action_key or "")
        return cls(
            id=transaction.id,
            created_at=to_iso(transaction.created_at),
            profile_id=transaction.profile_id,
            profile_nickname=_nickname(profiles, transaction.profile_id),
            reward_item_id=transaction.reward_item_id,
            reward_item_name=context.reward_item(transaction.reward_item_id).name,
            reward_item_amount=transaction.amount,
            reward_action_id=action.id if action else None,
            reward_action_key=transaction.reward_action_key,
            reward_action_name=action.name if action else None,
            # The only value that LiveLike documents.
            source="quest-completed" if transaction.kind is TransactionKind.QUEST else None,
            user_quest_id=transaction.user_quest_id,
            invoked_action_id=transaction.invoked_action_id,
            reward_table_entry_id=transaction.reward_table_entry_id,
            reason=transaction.reason,
            description=transaction.description,
            custom_data=transaction.custom_data,
            attributes=transaction.attributes,
        )


def _nickname(profiles: Mapping[ProfileId, Profile], profile_id: ProfileId) -> str | None:
    profile = profiles.get(profile_id)
    return profile.nickname if profile else None
