"""Defines the format of a file of rules: the fields of these structs are its fields, their types its types.

A definition that a file names is defined by the file alone: a field that is not written has its default.
"""

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Annotated, Any, ClassVar, get_args, get_type_hints
from zoneinfo import ZoneInfo

import msgspec

from tifo.documents.model import Checked, Longest, Name, Refers, Text, one_of
from tifo.engagement.definitions import MAX_LIMIT, MAX_QUEST_BADGES, MAX_TIMEOUT
from tifo.engagement.model import RateLimit, RewardLimit
from tifo.engagement.triggers import OPERATORS
from tifo.engagement.values import check_amount, check_decimal, decimal_text
from tifo.kernel.errors import Rejected


# These check as the engine does, in words for people who write a file.
def positive(value: Decimal, field: str) -> Decimal:
    number = check_decimal(value, field)
    if number <= 0:
        raise Rejected(f"{field} is {decimal_text(number)}. Write a number above 0.", field=field)
    return number


def limit(value: int, field: str) -> int:
    if not 1 <= value <= MAX_LIMIT:
        raise Rejected(f"{field} is {value}. Write a whole number from 1 to {MAX_LIMIT:,}.", field=field)
    return value


def zone(value: str, field: str) -> str:
    try:
        ZoneInfo(value)
    except (KeyError, ValueError, OSError) as error:
        raise Rejected(f"{value!r:.100} is no time zone. Write one such as Europe/Madrid.", field=field) from error
    return value


Amount = Annotated[int, Checked(check_amount)]
Quantity = Annotated[Decimal, Checked(positive)]
ProgramKey = Annotated[str, Refers("programs")]
ItemKey = Annotated[str, Refers("reward_items")]
ActionKey = Annotated[str, Refers("reward_actions")]
BadgeKey = Annotated[str, Refers("badges")]


class AttributeText(Text, frozen=True, kw_only=True):
    key: str
    value: str


class ApplicationText(Text, frozen=True, kw_only=True):
    """The application, which exists already: a field that is not written stays as it is."""

    name: Name | None = None
    automatic_quest_processing: bool | None = None
    auto_claim_quest_rewards: bool | None = None

    def written_fields(self) -> dict[str, Any]:
        return {name: value for name in self.__struct_fields__ if (value := getattr(self, name)) is not None}


class ProgramText(Text, frozen=True, kw_only=True):
    name: Name


class ItemText(Text, frozen=True, kw_only=True):
    name: Name
    attributes: tuple[AttributeText, ...] = ()


class ConditionText(Text, frozen=True, kw_only=True):
    """Compares a property of the tracked event with a value."""

    property: Name
    operator: Annotated[str, one_of(*OPERATORS)] = "="
    value: Any = None

    def clash(self) -> tuple[str, str] | None:
        if isinstance(self.value, list | dict):
            return "value", "A property is compared with a text, a number, true or false."
        return None


class TriggerText(Text, frozen=True, kw_only=True):
    """The tracked event that invokes the action, in LiveLike's fields with keys in the place of ids."""

    source: Annotated[str, Refers("sources")]
    """The source's slug. Sources are of the workspace, so no file of rules makes them."""
    event: Name
    properties: tuple[ConditionText, ...] = ()
    program: ProgramKey | None = None
    create_profiles: bool = False


class ActionText(Text, frozen=True, kw_only=True):
    name: Name
    description: str | None = None
    segment: TriggerText | None = None
    """Set for an action of the type `segment`."""


class RateLimitText(Text, frozen=True, kw_only=True):
    on_one_line: ClassVar[bool] = True

    times: Annotated[int, Checked(limit)]
    per: Annotated[str, one_of(*get_args(get_type_hints(RateLimit)["unit"]))]


class RewardLimitText(Text, frozen=True, kw_only=True):
    on_one_line: ClassVar[bool] = True

    times: Annotated[int, Checked(limit)]
    per: Annotated[str, one_of(*get_args(get_type_hints(RewardLimit)["duration"]))]
    timezone: Annotated[str, Checked(zone)] = "UTC"


class EntryText(Text, frozen=True, kw_only=True):
    action: ActionKey
    item: ItemKey
    amount: Amount
    rate_limit: RateLimitText | None = None
    reward_limit: RewardLimitText | None = None


class TableText(Text, frozen=True, kw_only=True):
    name: Name
    programs: tuple[ProgramKey, ...] = ("default",)
    entries: tuple[EntryText, ...] = ()


class ProgressionText(Text, frozen=True, kw_only=True):
    item: ItemKey
    threshold: Amount


class BadgeText(Text, frozen=True, kw_only=True):
    name: Name
    description: str | None = None
    image_url: str | None = None
    progressions: tuple[ProgressionText, ...] = ()
    attributes: tuple[AttributeText, ...] = ()


class TaskText(Text, frozen=True, kw_only=True):
    key: Name | None = None
    name: Name
    description: str | None = None
    action: ActionKey | None = None
    target: Quantity = Decimal(1)
    increment: Quantity = Decimal(1)
    attributes: tuple[AttributeText, ...] = ()


class RewardText(Text, frozen=True, kw_only=True):
    item: ItemKey
    amount: Amount


class QuestText(Text, frozen=True, kw_only=True):
    name: Name
    description: str | None = None
    started_at: datetime | None = None
    stopped_at: datetime | None = None
    timeout: Annotated[timedelta, Longest(MAX_TIMEOUT)] | None = None
    tasks: tuple[TaskText, ...] = ()
    rewards: tuple[RewardText, ...] = ()
    badges: tuple[BadgeKey, ...] = ()
    attributes: tuple[AttributeText, ...] = ()

    def clash(self) -> tuple[str, str] | None:
        keys = [task.key for task in self.tasks if task.key is not None]
        if len(set(keys)) < len(keys):
            return "tasks", "Two tasks have the same key. Give each its own."
        # Checked here too, so that the file's line is named before the engine refuses the command.
        if len(self.badges) > MAX_QUEST_BADGES:
            return "badges", f"{len(self.badges)} badges are too many. Name at most {MAX_QUEST_BADGES}."
        if self.started_at and self.stopped_at and self.stopped_at <= self.started_at:
            return "stopped_at", "stopped_at is not after started_at. Write a later time, or leave it out."
        return None


class LeaderboardText(Text, frozen=True, kw_only=True):
    name: Name
    item: ItemKey
    custom_id: Name | None = None
    programs: tuple[ProgramKey, ...] = ("default",)
    locked: bool = False
    attributes: tuple[AttributeText, ...] = ()


class Document(Text, frozen=True, kw_only=True):
    application: ApplicationText = ApplicationText()
    programs: dict[str, ProgramText] = msgspec.field(default_factory=dict)
    reward_items: dict[str, ItemText] = msgspec.field(default_factory=dict)
    reward_actions: dict[str, ActionText] = msgspec.field(default_factory=dict)
    reward_tables: dict[str, TableText] = msgspec.field(default_factory=dict)
    badges: dict[str, BadgeText] = msgspec.field(default_factory=dict)
    quests: dict[str, QuestText] = msgspec.field(default_factory=dict)
    leaderboards: dict[str, LeaderboardText] = msgspec.field(default_factory=dict)


SECTIONS = {
    "programs": "program",
    "reward_items": "reward item",
    "reward_actions": "reward action",
    "reward_tables": "reward table",
    "badges": "badge",
    "quests": "quest",
    "leaderboards": "leaderboard",
}
"""Sections of definitions by key, each with its singular, in an order in which each refers to earlier ones only."""
