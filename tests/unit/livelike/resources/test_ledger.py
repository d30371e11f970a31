"""Transfers look alike from both sides."""

from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest

from tifo.engagement.model import Application, Game, Profile, RewardItem, Transaction, TransactionKind
from tifo.kernel.ids import ClientId, ProfileId, ProgramId, RewardItemId, TransactionId
from tifo.livelike.links import Links
from tifo.livelike.resources.context import ResourceContext
from tifo.livelike.resources.ledger import TransferResource

NOW = datetime(2026, 11, 24, 10, tzinfo=UTC)
ITEM = RewardItem(id=RewardItemId("item"), name="Points", created_at=NOW)
APP = Application(id=ClientId("app"), name="Club", default_program_id=ProgramId("program"), created_at=NOW)
CONTEXT = ResourceContext(Links("https://x.example"), Game(APP, (ITEM,)), NOW)
PROFILES = {
    ProfileId(name): Profile(id=ProfileId(name), client_id=APP.id, nickname=name.title(), created_at=NOW)
    for name in ("ann", "bob")
}


def _row(**changes: Any) -> Transaction:
    row = Transaction(
        id=TransactionId("row"),
        profile_id=ProfileId("ann"),
        reward_item_id=ITEM.id,
        amount=-3,
        balance=7,
        kind=TransactionKind.TRANSFER_SENT,
        created_at=NOW,
        transfer_id="transfer",
        counterpart_profile_id=ProfileId("bob"),
    )
    return msgspec.structs.replace(row, **changes)


def test_both_rows_of_a_transfer_show_the_same_transfer() -> None:
    received = _row(
        profile_id=ProfileId("bob"),
        counterpart_profile_id=ProfileId("ann"),
        amount=3,
        kind=TransactionKind.TRANSFER_RECEIVED,
    )
    shown = TransferResource.of(_row(), PROFILES, CONTEXT)
    assert shown == TransferResource.of(received, PROFILES, CONTEXT)
    assert (shown.sender_profile_name, shown.recipient_profile_name, shown.reward_item_amount) == ("Ann", "Bob", 3)


def test_a_row_that_belongs_to_no_transfer_is_refused() -> None:
    with pytest.raises(ValueError, match="belongs to no transfer"):
        TransferResource.of(_row(transfer_id=None), PROFILES, CONTEXT)
