"""What of a source's events a destination gets; see tests/unit/tracking for choice and filters by themselves."""

from typing import Any

import msgspec
import pytest

from tifo.delivery.sending.filters import ConfiguredFilter, LoggedEvent
from tifo.delivery.sending.reading import LoggedMessage
from tifo.kernel.ids import Position
from tifo.tracking.filters import ActionType, EventChoice, Filter, FilterAction, Filters
from tifo.tracking.fql import compiled


def arrived(**fields: Any) -> LoggedEvent:
    body = {"type": "track", "messageId": "m1", "event": "Seen", "userId": "ada", **fields}
    line = msgspec.json.encode(body)
    return LoggedEvent(Position(1), 0.0, msgspec.json.decode(line, type=LoggedMessage), line)


def code(event_filter: ConfiguredFilter, **fields: Any) -> str:
    _, outcome = event_filter(arrived(**fields))
    return "" if outcome is None else outcome.code


@pytest.mark.parametrize(
    ("integrations", "gets"),
    [
        (None, True),
        ({}, True),
        ({"All": True}, True),
        ({"All": False}, False),
        ({"All": False, "Webhooks": True}, True),
        ({"All": False, "hook": {"key": "value"}}, True),
        ({"Webhooks": False}, False),
        ({"hook": False, "Webhooks": True}, False),
        ({"Other": False}, True),
        ("nonsense", True),
    ],
)
def test_the_events_own_integrations_are_honoured(integrations: Any, gets: bool) -> None:
    wanted = "" if gets else "FILTERED_BY_INTEGRATIONS_OBJECT"
    assert code(ConfiguredFilter(["track"], ["hook", "Webhooks"]), integrations=integrations) == wanted


def test_what_the_kind_does_not_take_or_the_destination_is_not_meant_for_is_filtered() -> None:
    event_filter = ConfiguredFilter(["track"], [], EventChoice(excluded=["Boring"]))
    assert code(event_filter) == ""
    assert code(event_filter, type="identify") == "UNSUPPORTED_EVENT_TYPE"
    assert code(event_filter, event="Boring") == "FILTERED_BY_RULES"


def test_mappings_see_what_filters_leave() -> None:
    hidden = FilterAction(ActionType.DROP_PROPERTIES, fields={"properties": ["email"]})
    rule = Filter(id="f", if_="true", actions=[hidden], title="No mail", created_at="", updated_at="")
    filters = Filters([rule])
    triggers = [compiled("event = 'Gone'"), compiled("properties.email != null")]
    assert code(ConfiguredFilter(["track"], [], triggers=triggers), properties={"email": "a"}) == ""
    assert code(ConfiguredFilter(["track"], [], triggers=triggers)) == "NO_MATCHING_MAPPING"
    both = ConfiguredFilter(["track"], [], filters=filters, triggers=triggers)
    assert code(both, properties={"email": "a"}) == "NO_MATCHING_MAPPING"
    event, outcome = both(arrived(event="Gone", properties={"email": "a", "n": 1}))
    assert outcome is None
    assert msgspec.json.decode(event.body)["properties"] == {"n": 1}
    assert code(ConfiguredFilter(["track"], [], triggers=[])) == "NO_MATCHING_MAPPING", "all its mappings are disabled"
