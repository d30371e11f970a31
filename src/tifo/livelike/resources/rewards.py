"""Reward items and reward actions."""

from msgspec import UNSET, UnsetType

from tifo.engagement.model import Attributes, Condition, RewardAction, RewardItem, SegmentTrigger
from tifo.kernel.clock import to_iso
from tifo.livelike.resources.base import Id, Resource, Time, Unused, Url
from tifo.livelike.resources.context import ResourceContext


class RewardItemResource(Resource, frozen=True, kw_only=True):
    id: Id
    key: str | None
    url: Url
    client_id: Id
    name: str
    created_at: Time
    attributes: Attributes
    images: Unused = ()
    prizeout_conversion_rate: None = None
    prizeout_points: None = None
    prizeout_status: None = None
    reward_item_points: None = None

    @classmethod
    def of(cls, item: RewardItem, context: ResourceContext) -> "RewardItemResource":
        return cls(
            id=item.id,
            key=item.key,
            url=context.links.to("reward-items", item.id),
            client_id=context.client_id,
            name=item.name,
            created_at=to_iso(item.created_at),
            attributes=item.attributes,
        )


class ConditionResource(Resource, frozen=True, kw_only=True):
    """A condition on a property of the tracked event."""

    property: str
    operator: str
    value: str | int | float | bool | None

    @classmethod
    def of(cls, condition: Condition) -> "ConditionResource":
        return cls(property=condition.property, operator=condition.operator, value=condition.value)


class SegmentTriggerResource(Resource, frozen=True, kw_only=True):
    """The tracked event that invokes the action; all its conditions must hold."""

    source: Id
    event: str
    properties: tuple[ConditionResource, ...]
    program_id: Id | None
    create_profiles: bool

    @classmethod
    def of(cls, trigger: SegmentTrigger) -> "SegmentTriggerResource":
        return cls(
            source=trigger.source_id,
            event=trigger.event,
            properties=tuple(map(ConditionResource.of, trigger.conditions)),
            program_id=trigger.program_id,
            create_profiles=trigger.create_profiles,
        )


class RewardActionResource(Resource, frozen=True, kw_only=True):
    """`segment` is sent for an action of the type `segment` only."""

    id: Id
    url: Url
    client_id: Id
    key: str
    name: str
    description: str | None
    type: str
    segment: SegmentTriggerResource | UnsetType = UNSET

    @classmethod
    def of(cls, action: RewardAction, context: ResourceContext) -> "RewardActionResource":
        return cls(
            id=action.id,
            url=context.links.to("reward-actions", action.id),
            client_id=context.client_id,
            key=action.key,
            name=action.name,
            description=action.description,
            type=action.type,
            segment=UNSET if action.trigger is None else SegmentTriggerResource.of(action.trigger),
        )
