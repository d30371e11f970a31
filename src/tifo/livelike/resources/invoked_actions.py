"""Invoked actions are shown one by one, and in batches under other field names, which are LiveLike's too."""

from collections.abc import Iterator, Sequence
from typing import Literal

from tifo.engagement.model import Attributes, Invocation, InvokedAction, InvokedReward
from tifo.kernel.clock import to_iso
from tifo.kernel.ids import ClientId
from tifo.livelike.inputs.invoked_actions import BatchedAction, BatchInput, BatchUpdate
from tifo.livelike.resources.base import Id, Resource, Time

Outcome = Literal["success", "failed"]


class InvokedActionResource(Resource, frozen=True, kw_only=True):
    id: Id
    created_at: Time
    client_id: Id
    program_id: Id
    profile_id: Id
    profile_nickname: str | None
    reward_action_key: str
    code: str | None
    rewards: tuple[InvokedReward, ...]
    attributes: Attributes
    description: str | None

    @classmethod
    def of(cls, invoked: InvokedAction, client_id: ClientId, nickname: str | None) -> "InvokedActionResource":
        return cls(
            id=invoked.id,
            created_at=to_iso(invoked.created_at),
            client_id=client_id,
            program_id=invoked.program_id,
            profile_id=invoked.profile_id,
            profile_nickname=nickname,
            reward_action_key=invoked.reward_action_key,
            code=invoked.code,
            rewards=invoked.rewards,
            attributes=invoked.attributes,
            description=invoked.description,
        )


class BatchRewardResource(Resource, frozen=True, kw_only=True):
    reward_name: str
    reward_item_id: Id
    amount: int


class BatchActionResource(Resource, frozen=True, kw_only=True):
    """One action of the batch was paid or failed; `reason` says why it failed."""

    reward_action_key: str
    code: str | None
    invoked_action_id: Id | None
    status: Outcome
    reason: str | None
    rewards: list[BatchRewardResource]

    @classmethod
    def of(cls, action: BatchedAction | str, outcome: Invocation) -> "BatchActionResource":
        invoked = outcome.invoked
        return cls(
            reward_action_key=action if isinstance(action, str) else action.reward_action_key,
            code=None if isinstance(action, str) else action.code,
            invoked_action_id=None if invoked is None else invoked.id,
            status=_status(outcome.refused),
            reason=outcome.refused,
            rewards=[
                BatchRewardResource(
                    reward_name=reward.reward_item_name,
                    reward_item_id=reward.reward_item_id,
                    amount=reward.reward_item_amount,
                )
                for reward in (() if invoked is None else invoked.rewards)
            ],
        )


class BatchUpdateResource(Resource, frozen=True, kw_only=True):
    """One fan's actions. The update failed if any action did; `reason` is that of the first failure."""

    profile_id: Id | None
    custom_profile_id: str | None
    status: Outcome
    reason: str | None
    reward_actions: list[BatchActionResource]

    @classmethod
    def of(cls, update: BatchUpdate, outcomes: Sequence[Invocation]) -> "BatchUpdateResource":
        reason = next((each.refused for each in outcomes if each.refused is not None), None)
        return cls(
            profile_id=next((each.invoked.profile_id for each in outcomes if each.invoked), update.profile_id),
            custom_profile_id=update.custom_profile_id,
            status=_status(reason),
            reason=reason,
            reward_actions=[
                BatchActionResource.of(action, outcome)
                for action, outcome in zip(update.reward_actions, outcomes, strict=True)
            ],
        )


class BatchResource(Resource, frozen=True, kw_only=True):
    request_id: str
    program_id: Id
    updates: list[BatchUpdateResource]

    @classmethod
    def of(cls, body: BatchInput, outcomes: Sequence[Invocation], request_id: str) -> "BatchResource":
        """`outcomes` are those of all actions of the body, in its order."""
        remaining = iter(outcomes)
        return cls(
            request_id=request_id,
            program_id=body.program_id,
            updates=[
                BatchUpdateResource.of(update, _next(remaining, len(update.reward_actions))) for update in body.updates
            ],
        )


def _next(outcomes: Iterator[Invocation], count: int) -> list[Invocation]:
    return [next(outcomes) for _ in range(count)]


def _status(refused: str | None) -> Outcome:
    return "success" if refused is None else "failed"
