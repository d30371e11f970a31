"""Requests with these bodies credit, debit or transfer reward items."""

import msgspec

from tifo.kernel.ids import ProfileId, RewardItemId
from tifo.livelike.inputs.fields import Amount, Attributes, Text


class LedgerInput(msgspec.Struct, frozen=True):
    """The route decides whether this is a credit or a debit; the amount is positive in both."""

    reward_item_id: RewardItemId
    reward_item_amount: Amount
    reason: Text | None = None
    description: Text | None = None
    custom_data: Text | None = None
    attributes: Attributes = ()


class TransferInput(msgspec.Struct, frozen=True):
    reward_item_id: RewardItemId
    reward_item_amount: Amount
    recipient_profile_id: ProfileId
