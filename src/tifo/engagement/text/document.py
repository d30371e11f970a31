"""What a file of rules may hold. The structs are the format: their fields are its fields, their types its types.

A definition that the file names is all that the file says of it: a field that is not written has its default.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Annotated, Any

import msgspec

from tifo.engagement.values import check_amount, check_decimal, check_text, decimal_text
from tifo.kernel.errors import Rejected


@dataclass(frozen=True)
class Refers:
    """The text is a key of this section."""

    section: str


@dataclass(frozen=True)
class Checked:
    """`by` takes value and field name, and gives the value back or raises `Rejected`."""

    by: Callable[..., object]


def positive(value: Decimal, field: str) -> Decimal:
    number = check_decimal(value, field)
    if number <= 0:
        raise Rejected(f"{field} is {decimal_text(number)}. Write a number above 0.", field=field)
    return number


Name = Annotated[str, Checked(check_text)]
Amount = Annotated[int, Checked(check_amount)]
Quantity = Annotated[Decimal, Checked(positive)]
ProgramKey = Annotated[str, Refers("programs")]
ItemKey = Annotated[str, Refers("reward_items")]
ActionKey = Annotated[str, Refers("reward_actions")]
BadgeKey = Annotated[str, Refers("badges")]


class Text(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One mapping of the file."""

    def clash(self) -> tuple[str, str] | None:
        """The field that doesn't go with the others, and what is wrong with it."""
        return None


class AttributeText(Text, frozen=True, kw_only=True):
    key: str
    value: str


class ApplicationText(Text, frozen=True, kw_only=True):
    """The application is there already: what is not written is left as it is."""

    name: Name | None = None
    automatic_quest_processing: bool | None = None
    auto_claim_quest_rewards: bool | None = None

    def said(self) -> dict[str, Any]:
        return {name: value for name in self.__struct_fields__ if (value := getattr(self, name)) is not None}


class ProgramText(Text, frozen=True, kw_only=True):
    name: Name


class ItemText(Text, frozen=True, kw_only=True):
    name: Name
    attributes: tuple[AttributeText, ...] = ()


class ActionText(Text, frozen=True, kw_only=True):
    name: Name
    description: str | None = None


class EntryText(Text, frozen=True, kw_only=True):
    action: ActionKey
    item: ItemKey
    amount: Amount


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
    timeout: timedelta | None = None
    tasks: tuple[TaskText, ...] = ()
    rewards: tuple[RewardText, ...] = ()
    attributes: tuple[AttributeText, ...] = ()

    def clash(self) -> tuple[str, str] | None:
        if self.started_at and self.stopped_at and self.stopped_at <= self.started_at:
            return "stopped_at", "stopped_at is not after started_at. Write a later time, or leave it out."
        return None


class Document(Text, frozen=True, kw_only=True):
    application: ApplicationText = ApplicationText()
    programs: dict[str, ProgramText] = {}
    reward_items: dict[str, ItemText] = {}
    reward_actions: dict[str, ActionText] = {}
    reward_tables: dict[str, TableText] = {}
    badges: dict[str, BadgeText] = {}
    quests: dict[str, QuestText] = {}


SECTIONS = {
    "programs": "program",
    "reward_items": "reward item",
    "reward_actions": "reward action",
    "reward_tables": "reward table",
    "badges": "badge",
    "quests": "quest",
}
"""Those that hold definitions by key, in an order in which each refers to earlier ones only; with the field's word."""
