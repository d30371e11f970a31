"""Triggers: decide whether a tracked event is an action, by its properties."""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

from tifo.engagement.model import Game, SegmentTrigger
from tifo.engagement.values import check_text
from tifo.kernel.errors import NotFound, Rejected

MAX_CONDITIONS = 50
"""Conditions of one trigger. Our limit."""

_ABSENT = object()


def check_trigger(game: Game, trigger: SegmentTrigger) -> SegmentTrigger:
    """Returns the trigger, or raises `Rejected` with the field that is wrong."""
    check_text(trigger.event, "event")
    if trigger.program_id is not None and trigger.program_id not in game.programs:
        raise NotFound(f"There is no program {trigger.program_id!r:.100} in this application.", field="program_id")
    if len(trigger.conditions) > MAX_CONDITIONS:
        raise Rejected(
            f"There are {len(trigger.conditions)} conditions; at most {MAX_CONDITIONS} are accepted.",
            field="properties",
        )
    for condition in trigger.conditions:
        check_text(condition.property, "property")
        if condition.operator not in OPERATORS:
            raise Rejected(
                f"operator is {condition.operator!r:.20}. Choose one of {' '.join(OPERATORS)}.", field="operator"
            )
        if condition.operator != "exists" and condition.value is None:
            raise Rejected(f"{condition.operator} needs a value to compare with.", field="value")
    return trigger


def matches(trigger: SegmentTrigger, properties: Mapping[str, Any]) -> bool:
    """Says whether every condition holds. Types are compared as in JSON: the text "3" is not the number 3."""
    return all(
        OPERATORS[condition.operator](_at(properties, condition.property), condition.value)
        for condition in trigger.conditions
    )


def _at(properties: Mapping[str, Any], path: str) -> Any:
    """Finds a property by its whole name, or else through nested objects, as `video.length`."""
    # A property's own name may hold dots.
    if path in properties:
        return properties[path]
    value: Any = properties
    for part in path.split("."):
        if not isinstance(value, Mapping) or part not in value:
            return _ABSENT
        value = value[part]
    return value


def _equals(value: Any, wanted: Any) -> bool:
    # In Python True equals 1, in JSON it does not.
    return isinstance(value, bool) == isinstance(wanted, bool) and bool(value == wanted)


def _ordered(compare: Callable[[Any, Any], bool]) -> Callable[[Any, Any], bool]:
    """Orders two numbers, or two texts (ISO times are in order as texts). No other values have an order."""

    def check(value: Any, wanted: Any) -> bool:
        texts = isinstance(value, str) and isinstance(wanted, str)
        return (texts or (_is_number(value) and _is_number(wanted))) and compare(value, wanted)

    return check


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _contains(value: Any, wanted: Any) -> bool:
    """Says whether a text contains another text, or a list an element."""
    if isinstance(value, str):
        return isinstance(wanted, str) and wanted in value
    return isinstance(value, list) and any(_equals(each, wanted) for each in value)


def _exists(value: Any, wanted: Any) -> bool:
    """Says whether the property is present; with the value false, whether it is absent. A null counts as absent."""
    return (value is not _ABSENT and value is not None) == (wanted is not False)


OPERATORS: Mapping[str, Callable[[Any, Any], bool]] = MappingProxyType(
    {
        "=": _equals,
        "!=": lambda value, wanted: not _equals(value, wanted),
        ">": _ordered(lambda value, wanted: bool(value > wanted)),
        ">=": _ordered(lambda value, wanted: bool(value >= wanted)),
        "<": _ordered(lambda value, wanted: bool(value < wanted)),
        "<=": _ordered(lambda value, wanted: bool(value <= wanted)),
        "contains": _contains,
        "exists": _exists,
    }
)
"""Comparisons by operator. An absent property differs from every value, and meets no other condition."""
