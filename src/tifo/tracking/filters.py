"""Applies destination filters in Segment's form, and chooses the events of a destination. Pure.

The rules are Segment's, where it documents them.
"""

import hashlib
from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Any, NamedTuple

import msgspec

from tifo.kernel.errors import Rejected
from tifo.kernel.json import JsonObject
from tifo.tracking.fql import Condition, compiled, found_at, path_of

MAX_FILTERS = 50
"""Limit of one destination."""
MAX_FIELDS = 1_000
"""Limit of one action's names."""
TYPES = ("track", "identify", "page", "screen", "group", "alias")


class ActionType(StrEnum):
    DROP = "DROP"
    SAMPLE = "SAMPLE"
    DROP_PROPERTIES = "DROP_PROPERTIES"
    ALLOW_PROPERTIES = "ALLOW_PROPERTIES"


class FilterAction(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    type: ActionType
    percent: float | None = None
    """For SAMPLE, the share of messages that passes, 0 to 1."""
    path: str | None = None
    """For SAMPLE, the path of the value that decides, so that either all events of a user pass or none.

    Without it the message's id decides: the same message always passes or never does.
    """
    fields: dict[str, list[str]] | None = None
    """For the other types, names of fields by the path of their object ("" for the message itself)."""


class Filter(msgspec.Struct, frozen=True, rename="camel", kw_only=True, omit_defaults=True):
    id: str
    if_: str = msgspec.field(name="if")
    actions: list[FilterAction]
    title: str
    description: str = ""
    enabled: bool = True
    created_at: str
    updated_at: str


class EventChoice(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """Chooses events by type and name; without any field, every event.

    A name is a track's `event`, a page's or screen's `name`.
    """

    types: list[str] = []
    """Types of calls; empty for all."""
    only: list[str] = []
    excluded: list[str] = msgspec.field(default_factory=list, name="except")

    def leaves_out(self, call_type: str, name: str) -> str | None:
        """Returns the reason why the destination does not get the event; None where it gets it."""
        if self.types and call_type not in self.types:
            return f"The destination is set to get no {call_type} calls."
        if (self.only and name not in self.only) or name in self.excluded:
            return f"The destination is set to get no {name!r:.200}."
        return None


class Filtered(NamedTuple):
    """Holds one message after the filters: None where it is dropped, the same object where nothing changed."""

    message: JsonObject | None
    title: str = ""
    """The title of the filter that dropped it."""


class Filters:
    """Applies a destination's filters, compiled once, to many messages."""

    def __init__(self, filters: Sequence[Filter]) -> None:
        enabled = [each for each in filters if each.enabled]
        self._rules = [(compiled(each.if_), each) for each in enabled]
        self._steps = [
            (condition, action, each.title)
            # Segment: sampling, then dropping, then dropping of properties, then allowing of properties.
            for wanted in (ActionType.SAMPLE, ActionType.DROP, ActionType.DROP_PROPERTIES, ActionType.ALLOW_PROPERTIES)
            for condition, each in self._rules
            for action in each.actions
            if action.type is wanted
        ]

    def __bool__(self) -> bool:
        return bool(self._steps)

    def __call__(self, message: JsonObject) -> Filtered:
        """Filters one message, which itself is not changed."""
        result = message
        matches: dict[Condition, bool] = {}
        for condition, action, title in self._steps:
            if condition not in matches:
                # On `message`, not on `result`: what another filter removes must not change what a condition sees.
                matches[condition] = condition(message)
            if not matches[condition]:
                continue
            if action.type is ActionType.DROP or (action.type is ActionType.SAMPLE and not _sampled(message, action)):
                return Filtered(None, title)
            if action.type in {ActionType.DROP_PROPERTIES, ActionType.ALLOW_PROPERTIES}:
                allow = action.type is ActionType.ALLOW_PROPERTIES
                for path, names in (action.fields or {}).items():
                    result = _without(result, path_of(path), frozenset(names), allow=allow)
        return Filtered(result)


def checked_filter(each: Filter, field: str = "") -> Filter:
    """Raises `Rejected`, naming the field below `field`."""
    prefix = f"{field}." if field else ""
    compiled(each.if_, f"{prefix}if")
    if not each.title.strip():
        raise Rejected(f"{prefix}title is missing. Give one: people find the filter by it.", field=f"{prefix}title")
    if not each.actions:
        raise Rejected(f"{prefix}actions is empty. Give at least one.", field=f"{prefix}actions")
    for number, action in enumerate(each.actions):
        _check_action(action, f"{prefix}actions.{number}")
    return each


def checked_choice(choice: EventChoice) -> EventChoice:
    unknown = [each for each in choice.types if each not in TYPES]
    if unknown:
        raise Rejected(f"types has {unknown[0]!r:.60}. Known are {', '.join(TYPES)}.", field="types")
    return choice


def _check_action(action: FilterAction, field: str) -> None:
    if action.type is ActionType.SAMPLE:
        if action.percent is None or not 0 <= action.percent <= 1:
            raise Rejected(
                f"{field}.percent is {action.percent}. Give the share to let through, 0 to 1.", field=f"{field}.percent"
            )
    elif action.type is not ActionType.DROP:
        names = sum(map(len, (action.fields or {}).values()))
        if not 0 < names <= MAX_FIELDS:
            raise Rejected(
                f'{field}.fields has {names:,} names. Give 1 to {MAX_FIELDS:,}, such as {{"properties": ["email"]}}.',
                field=f"{field}.fields",
            )


def _sampled(message: JsonObject, action: FilterAction) -> bool:
    """Compares a share of 1, the first 8 bytes of the MD5 of the value's JSON, with the percentage."""
    # Segment's clients sample so too: both sides let the same users pass.
    path = path_of(action.path) if action.path else ("messageId",)
    digest = hashlib.md5(msgspec.json.encode(found_at(message, path)), usedforsecurity=False).digest()
    return int.from_bytes(digest[:8]) / 2**64 < (action.percent or 0.0)


def _without(value: Any, path: Sequence[str], names: frozenset[str], *, allow: bool) -> Any:
    """Removes or allows fields. Copies only the objects that change."""
    if isinstance(value, list):
        # Segment's filters go through lists to the objects in them.
        return [_without(each, path, names, allow=allow) for each in value]
    if not isinstance(value, dict):
        return value
    if not path:
        return {name: inner for name, inner in value.items() if (name in names) is allow}
    if path[0] not in value:
        return value
    return {**value, path[0]: _without(value[path[0]], path[1:], names, allow=allow)}


def read_filters(stored: Sequence[Mapping[str, Any]]) -> list[Filter]:
    return msgspec.convert(list(stored), list[Filter])


def read_choice(stored: Mapping[str, Any]) -> EventChoice:
    return msgspec.convert(dict(stored), EventChoice)
