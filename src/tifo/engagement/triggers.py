"""When a tracked event is an action: which properties a trigger asks for."""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

from tifo.engagement.model import Game, SegmentTrigger
from tifo.engagement.values import check_text
from tifo.kernel.errors import NotFound, Rejected

MAX_CONDITIONS = 50

_ABSENT = object()


def check_trigger(game: Game, trigger: SegmentTrigger) -> SegmentTrigger:
    """The same, or `Rejected` naming what is wrong with it."""
    check_text(trigger.event, "event")
    if trigger.program_id is not None and trigger.program_id not in game.programs:
        raise NotFound(f"There is no program {trigger.program_id!r:.100} in this application.", field="program_id")
    if len(trigger.conditions) > MAX_CONDITIONS:
        raise Rejected(f"There are {len(trigger.conditions)} conditions; at most {MAX_CONDITIONS}.", field="properties")
    for condition in trigger.conditions:
        check_text(condition.property, "property")
        if condition.operator not in OPERATORS:
            raise Rejected(
                f"operator is {condition.operator!r:.20}. Choose of {' '.join(OPERATORS)}.", field="operator"
            )
        if condition.operator != "exists" and condition.value is None:
            raise Rejected(f"{condition.operator} needs a value to compare with.", field="value")
    return trigger


def matches(trigger: SegmentTrigger, properties: Mapping[str, Any]) -> bool:
    """Whether every condition holds. Types count as in JSON: the text "3" is not the number 3."""
    return all(
        OPERATORS[condition.operator](_at(properties, condition.property), condition.value)
        for condition in trigger.conditions
    )


def _at(properties: Mapping[str, Any], path: str) -> Any:
    """By the name as it stands, or else through nested objects, `video.length`."""
    if path in properties:
        return properties[path]
    value: Any = properties
    for part in path.split("."):
        if not isinstance(value, Mapping) or part not in value:
            return _ABSENT
        value = value[part]
    return value


def _equals(value: Any, wanted: Any) -> bool:
    return isinstance(value, bool) == isinstance(wanted, bool) and bool(value == wanted)


def _ordered(compare: Callable[[Any, Any], bool]) -> Callable[[Any, Any], bool]:
    """Of two numbers or of two texts (as which ISO times are in order); nothing else is in any order."""

    def check(value: Any, wanted: Any) -> bool:
        texts = isinstance(value, str) and isinstance(wanted, str)
        return (texts or (_is_number(value) and _is_number(wanted))) and compare(value, wanted)

    return check


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _contains(value: Any, wanted: Any) -> bool:
    """A text holds another one, or a list an element."""
    if isinstance(value, str):
        return isinstance(wanted, str) and wanted in value
    return isinstance(value, list) and any(_equals(each, wanted) for each in value)


def _exists(value: Any, wanted: Any) -> bool:
    """With the value false: is absent. A null is as good as absent."""
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
"""An absent property differs from every value, and fulfils nothing else."""
