"""Reward tables and their entries, with the limits of what an entry pays."""

from typing import Literal

from tifo.engagement.model import RateLimit, RewardLimit, RewardTable, RewardTableEntry, live
from tifo.livelike.resources.base import Id, Resource, Url
from tifo.livelike.resources.context import ResourceContext
from tifo.livelike.resources.rewards import RewardItemResource


class RateLimitResource(Resource, frozen=True, kw_only=True):
    """At most `frequency` payments a fan in each `unit` of the clock; all null without such a limit."""

    is_enabled: bool
    frequency: int | None = None
    unit: Literal["second", "minute", "hour", "day"] | None = None

    @classmethod
    def of(cls, limit: RateLimit | None) -> "RateLimitResource":
        if limit is None:
            return cls(is_enabled=False)
        return cls(is_enabled=True, frequency=limit.frequency, unit=limit.unit)


class RewardLimitResource(Resource, frozen=True, kw_only=True):
    """At most `action_limit_count` payments a fan in each calendar `duration`; all null without such a limit."""

    is_enabled: bool
    action_limit_count: int | None = None
    duration: Literal["day", "week", "month", "all_time"] | None = None
    timezone: str | None = None

    @classmethod
    def of(cls, limit: RewardLimit | None) -> "RewardLimitResource":
        if limit is None:
            return cls(is_enabled=False)
        return cls(
            is_enabled=True,
            action_limit_count=limit.action_limit_count,
            duration=limit.duration,
            timezone=limit.timezone,
        )


class RewardTableEntryResource(Resource, frozen=True, kw_only=True):
    id: Id
    reward_item: RewardItemResource
    reward_item_id: Id
    action: str
    action_display: str
    reward_item_amount: int
    rate_limit: RateLimitResource
    reward_limit: RewardLimitResource

    @classmethod
    def of(cls, entry: RewardTableEntry, context: ResourceContext) -> "RewardTableEntryResource":
        action = context.game.reward_actions.get(entry.action_key)
        return cls(
            id=entry.id,
            reward_item=RewardItemResource.of(context.reward_item(entry.reward_item_id), context),
            reward_item_id=entry.reward_item_id,
            action=entry.action_key,
            action_display=action.name if action else entry.action_key,
            reward_item_amount=entry.reward_item_amount,
            rate_limit=RateLimitResource.of(entry.rate_limit),
            reward_limit=RewardLimitResource.of(entry.reward_limit),
        )


class ActionChoiceResource(Resource, frozen=True, kw_only=True):
    """A reward action that an entry may name."""

    action: str
    action_display: str


class RewardTableResource(Resource, frozen=True, kw_only=True):
    id: Id
    key: str | None
    url: Url
    name: str
    client_id: Id
    program_ids: tuple[Id, ...]
    action_choices: list[ActionChoiceResource]
    entries: list[RewardTableEntryResource]

    @classmethod
    def of(cls, table: RewardTable, context: ResourceContext) -> "RewardTableResource":
        return cls(
            id=table.id,
            key=table.key,
            url=context.links.to("reward-tables", table.id),
            name=table.name,
            client_id=context.client_id,
            program_ids=table.program_ids,
            action_choices=[
                ActionChoiceResource(action=action.key, action_display=action.name)
                for action in live(context.game.actions_by_id)
            ],
            entries=[RewardTableEntryResource.of(entry, context) for entry in table.entries],
        )
