"""Collects what one command does: the new state of its fans, the ledger's rows, and the facts in causal order.

A rejection discards the turn, so nothing of the command remains.
"""

from collections.abc import Callable
from datetime import datetime
from typing import Any

from msgspec.structs import replace

from tifo.engagement.facts import AnyFact
from tifo.engagement.model import Fan, Game, InvokedAction, Profile, RewardItem, Transaction, TransactionKind
from tifo.engagement.ports import BatchState, Decision
from tifo.engagement.values import MAX_AMOUNT
from tifo.kernel.errors import NotFound, Rejected
from tifo.kernel.ids import FactId, NewId, ProfileId, RewardItemId, TransactionId


class Turn:
    """Collects one command's effects."""

    def __init__(self, game: Game, state: BatchState, now: datetime, new_id: NewId) -> None:
        self.game = game
        self.state = state
        self.now = now
        self.new_id = new_id
        self.invoked: InvokedAction | None = None
        self._changed: dict[ProfileId, Fan] = {}
        self._transactions: list[Transaction] = []
        self._facts: list[AnyFact] = []

    def decision(self, answer: object) -> Decision:
        return Decision(
            answer=answer,
            fans=tuple(self._changed.values()),
            transactions=tuple(self._transactions),
            invoked=self.invoked,
            facts=tuple(self._facts),
        )

    def fan(self, profile_id: ProfileId, field: str = "profile_id") -> Fan:
        """Returns the fan as the command has left her. Raises `NotFound` for a profile of another application."""
        # The command's own effects first, then those of earlier commands of the batch.
        fan = self._changed.get(profile_id) or self.state.fans.get(profile_id)
        if fan is None or fan.profile.client_id != self.game.application.id:
            raise NotFound(f"There is no profile {profile_id!r:.100} in this application.", field=field)
        return fan

    def put(self, fan: Fan) -> None:
        self._changed[fan.profile.id] = fan

    def record(self, kind: Callable[..., AnyFact], profile: Profile, **more: object) -> None:
        """Adds a fact behind those of its causes."""
        self._facts.append(
            kind(
                id=FactId(self.new_id()),
                client_id=profile.client_id,
                profile_id=profile.id,
                custom_id=profile.custom_id,
                happened_at=self.now,
                **more,
            )
        )

    def item(self, reward_item_id: RewardItemId) -> RewardItem:
        item = self.game.reward_items.get(reward_item_id)
        if item is None:
            raise NotFound(
                f"There is no reward item {reward_item_id!r:.100} in this application.", field="reward_item_id"
            )
        return item

    def move(
        self,
        profile_id: ProfileId,
        reward_item_id: RewardItemId,
        amount: int,
        kind: TransactionKind,
        **more: Any,
    ) -> Transaction:
        """Adds a row to the ledger; `amount` is signed. Badges are the caller's business (`earn_badges`)."""
        fan = self.fan(profile_id)
        before = fan.balances.get(reward_item_id, 0)
        balance = before + amount
        # LiveLike does not document the answer to an overdraft; status and code are ours.
        if balance < 0:
            raise Rejected(
                f"The balance is {before}, which is less than the amount {-amount}. Nothing was changed.",
                code="insufficient_balance",
                field="reward_item_amount",
            )
        # JavaScript's numbers, with which LiveLike's SDK reads the balance, are exact up to here only.
        if balance > MAX_AMOUNT:
            raise Rejected(
                f"The balance is {before}, and {amount} more would exceed {MAX_AMOUNT}. Nothing was changed.",
                field="reward_item_amount",
            )
        transaction = Transaction(
            id=TransactionId(self.new_id()),
            profile_id=profile_id,
            reward_item_id=reward_item_id,
            amount=amount,
            balance=balance,
            kind=kind,
            created_at=self.now,
            **more,
        )
        self._transactions.append(transaction)
        self.put(replace(fan, balances={**fan.balances, reward_item_id: balance}))
        return transaction
