from datetime import UTC, datetime
from typing import Any

import pytest

from tifo.engagement.model import Application, Condition, Game, SegmentTrigger
from tifo.engagement.triggers import MAX_CONDITIONS, check_trigger, matches
from tifo.kernel.errors import NotFound, Rejected
from tifo.kernel.ids import ClientId, ProgramId, SourceId

NOW = datetime(2026, 11, 24, tzinfo=UTC)
GAME = Game(Application(id=ClientId("c"), name="Club", default_program_id=ProgramId("p"), created_at=NOW))
PROPERTIES: dict[str, Any] = {
    "title": "Финал 🏆",
    "seconds": 90,
    "part": 0.5,
    "live": True,
    "at": "2026-11-24T10:00:00Z",
    "tags": ["cup", 7, True],
    "video": {"length": {"s": 300}, "none": None},
    "a.b": "whole name",
}


def trigger(*conditions: Condition, **more: Any) -> SegmentTrigger:
    return SegmentTrigger(**{"source_id": SourceId("s"), "event": "Watched", "conditions": conditions, **more})


@pytest.mark.parametrize(
    ("path", "operator", "value", "holds"),
    [
        ("title", "=", "Финал 🏆", True),
        ("title", "=", "финал 🏆", False),
        ("seconds", "=", 90, True),
        ("seconds", "=", 90.0, True),
        ("seconds", "=", "90", False),
        ("live", "=", True, True),
        ("live", "=", 1, False),
        ("part", "=", 0.5, True),
        ("gone", "=", "x", False),
        ("seconds", "!=", 91, True),
        ("seconds", "!=", 90, False),
        ("gone", "!=", 1, True),
        ("seconds", ">", 89, True),
        ("seconds", ">", 90, False),
        ("seconds", ">=", 90, True),
        ("seconds", "<", 90.5, True),
        ("seconds", "<=", 89, False),
        ("title", ">", 1, False),
        ("live", ">", 0, False),
        ("gone", "<", 1, False),
        ("at", ">=", "2026-11-24T00:00:00Z", True),
        ("at", "<", "2026-11-24T00:00:00Z", False),
        ("title", "contains", "нал", True),
        ("title", "contains", 1, False),
        ("tags", "contains", "cup", True),
        ("tags", "contains", 7, True),
        ("tags", "contains", 1, False),
        ("seconds", "contains", 9, False),
        ("seconds", "exists", None, True),
        ("seconds", "exists", False, False),
        ("gone", "exists", None, False),
        ("gone", "exists", False, True),
        ("video.none", "exists", None, False),
        ("video.length.s", ">", 299, True),
        ("video.length.s.x", "exists", None, False),
        ("video.gone.s", "=", 300, False),
        ("a.b", "=", "whole name", True),
    ],
)
def test_a_condition_holds_by_json_types(path: str, operator: str, value: Any, holds: bool) -> None:
    assert matches(trigger(Condition(property=path, operator=operator, value=value)), PROPERTIES) is holds


def test_all_conditions_must_hold_and_none_is_fine() -> None:
    long, live = Condition(property="seconds", operator=">", value=60), Condition(property="live", value=False)
    assert matches(trigger(), {})
    assert matches(trigger(long), PROPERTIES)
    assert not matches(trigger(long, live), PROPERTIES)


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        (trigger(event=" "), "event"),
        (trigger(Condition(property="a", operator="~", value=1)), "operator"),
        (trigger(Condition(property="", value=1)), "property"),
        (trigger(Condition(property="a", operator=">")), "value"),
        (trigger(*[Condition(property="a", value=1)] * (MAX_CONDITIONS + 1)), "properties"),
        (trigger(program_id=ProgramId("other")), "program_id"),
    ],
)
def test_a_trigger_that_cannot_be_is_refused_by_its_field(wrong: SegmentTrigger, field: str) -> None:
    with pytest.raises(Rejected) as caught:
        check_trigger(GAME, wrong)
    assert caught.value.field == field
    assert isinstance(caught.value, NotFound) == (field == "program_id")
