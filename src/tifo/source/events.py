"""Maps the engine's facts to the six events of the LiveLike Source, and their attributes to properties.

Names, spelling and casing are LiveLike's (events.yaml beside this file; a test compares the two).
"""

from collections.abc import Callable, Mapping
from decimal import Decimal
from types import MappingProxyType
from typing import Literal, NamedTuple

from tifo.engagement.facts import (
    AnyFact,
    BadgeRewarded,
    QuestRewardAwarded,
    QuestTaskCompleted,
    RewardItemRewarded,
    UserQuestCompleted,
    UserQuestTaskProgressed,
)
from tifo.kernel.clock import to_iso
from tifo.kernel.json import JsonObject, JsonValue

When = Literal["always", "known"]


class Property(NamedTuple):
    name: str
    attribute: str
    """The fact's attribute that holds the value."""
    type: Literal["string", "number"]
    when: When
    """`known`: left out where the fact does not know it, never sent as `""` or 0 in its place."""


class EventSpec(NamedTuple):
    name: str
    properties: tuple[Property, ...]


def text(name: str, *, of: str | None = None, when: When = "always") -> Property:
    return Property(name, of or name, "string", when)


def number(name: str, *, when: When = "always") -> Property:
    return Property(name, name, "number", when)


_PROFILE = text("livelike_profile_id", of="profile_id")

EVENTS: Mapping[type[AnyFact], EventSpec] = MappingProxyType(
    {
        BadgeRewarded: EventSpec(
            "Badge Rewarded",
            (
                _PROFILE,
                text("badge_id"),
                text("badge_title"),
                text("description", when="known"),
                text("earned_badge_id"),
                text("image_url", when="known"),
                text("reward_item_id", when="known"),
                text("reward_item_name", when="known"),
                number("reward_item_threshold", when="known"),
            ),
        ),
        QuestTaskCompleted: EventSpec(
            "Quest Task Completed",
            (
                _PROFILE,
                text("quest_id"),
                text("quest_name"),
                text("quest_task_id"),
                text("quest_task_name"),
                text("user_quest_id"),
                text("user_quest_task_id"),
            ),
        ),
        QuestRewardAwarded: EventSpec(
            "Quest Reward Awarded",
            (
                _PROFILE,
                text("quest_id", when="known"),
                text("quest_name", when="known"),
                text("reward_item_name"),
                number("reward_item_amount"),
                number("reward_item_balance"),
                text("reward_item_id"),
                text("reward_item_transaction_id"),
            ),
        ),
        RewardItemRewarded: EventSpec(
            "Reward Item Rewarded",
            (
                _PROFILE,
                text("reward_item_name"),
                number("reward_item_amount"),
                number("reward_item_balance"),
                text("reward_item_id"),
                text("reward_item_transaction_id"),
            ),
        ),
        UserQuestTaskProgressed: EventSpec(
            "User Quest Task Progressed",
            (
                _PROFILE,
                text("quest_id"),
                text("quest_name"),
                text("quest_task_id"),
                text("quest_task_name"),
                number("quest_task_target_value"),
                text("user_quest_id"),
                text("user_quest_task_id"),
                number("user_quest_task_progress"),
            ),
        ),
        UserQuestCompleted: EventSpec(
            "User Quest Completed",
            (
                _PROFILE,
                text("quest_id"),
                text("quest_name"),
                text("user_quest_id"),
            ),
        ),
    }
)


def track_message(fact: AnyFact) -> JsonObject:
    """Makes the fact's one `track` call. The same fact always makes the same message."""
    event = EVENTS[type(fact)]
    # LiveLike's table marks which properties may be absent: those are left out, never sent empty.
    properties: JsonObject = {}
    for name, attribute, kind, when in event.properties:
        value = _JSON[kind](getattr(fact, attribute))
        if when == "always" or value not in _UNKNOWN:
            properties[name] = value
    # A fan without a custom id is anonymous. Ours: LiveLike's documents name no id for such a fan.
    who = {"userId": fact.custom_id} if fact.custom_id else {"anonymousId": fact.profile_id}
    return {
        "type": "track",
        "messageId": fact.id,  # a fact that is sent twice is dropped as a duplicate
        "timestamp": to_iso(fact.happened_at),
        **who,
        "event": event.name,
        "properties": properties,
    }


def _json_number(value: int | str | None) -> int | float | None:
    """Writes a whole number without a fraction."""
    # Facts hold exact decimals as text. `3.0` would make a warehouse's column a float.
    if not isinstance(value, str):
        return value
    exact = Decimal(value)
    return int(exact) if exact == exact.to_integral_value() else float(exact)


def _unchanged(value: JsonValue) -> JsonValue:
    return value


_JSON: Mapping[str, Callable[..., JsonValue]] = {"string": _unchanged, "number": _json_number}
_UNKNOWN = (None, "")
