"""Decides which events of a source a destination gets, and in which form."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any, NamedTuple, Protocol

import msgspec

from tifo.delivery.sending.reading import LoggedMessage
from tifo.destinations.ports import NO_MATCHING_MAPPING, Event, Fate, Outcome
from tifo.kernel.ids import Position
from tifo.tracking.filters import EventChoice, Filters
from tifo.tracking.fql import Condition


class LoggedEvent(NamedTuple):
    position: Position
    received_at: float
    """Seconds since 1970, as `Event` has it."""
    message: LoggedMessage
    line: bytes


class DestinationFilter(Protocol):
    def __call__(self, logged: LoggedEvent) -> tuple[Event, Outcome | None]:
        """Returns the event as the destination gets it; or, with an outcome, the event that was filtered."""


def event_of(logged: LoggedEvent, body: bytes | None = None) -> Event:
    """Makes the event of a logged message. `body` takes the place of the logged line, where filters changed it."""
    message = logged.message
    return Event(
        position=logged.position,
        message_id=message.message_id,
        type=message.type,
        name=message.title,
        user=message.user_id or message.anonymous_id or "",
        received_at=logged.received_at,
        body=logged.line if body is None else body,
    )


def unreadable_event(position: Position, received_at: float, line: bytes) -> Event:
    """Makes an event of a line that is no message, so that it can be counted and shown."""
    return Event(position=position, message_id="", type="", name="", user="", received_at=received_at, body=line)


def filtered(code: str, detail: str) -> Outcome:
    return Outcome(Fate.FILTERED, code, detail)


_read = msgspec.json.Decoder(dict[str, Any]).decode
_write = msgspec.json.Encoder().encode


class ConfiguredFilter:
    """Passes an event that its kind handles, its own `integrations` admit, the destination's choice includes, the
    filters leave, and one of the mappings matches.
    """

    def __init__(
        self,
        handles: Collection[str],
        names: Collection[str],
        choice: EventChoice = EventChoice(),  # noqa: B008 (a frozen value)
        filters: Filters = Filters(()),  # noqa: B008 (likewise)
        triggers: Sequence[Condition] | None = None,
    ) -> None:
        """`triggers` are the conditions of the enabled mappings; None for a kind without mappings."""
        self._handles = handles
        self._names = names
        self._choice = choice
        self._filters = filters
        self._triggers = triggers

    def __call__(self, logged: LoggedEvent) -> tuple[Event, Outcome | None]:
        event = event_of(logged)
        if event.type not in self._handles:
            return event, filtered("UNSUPPORTED_EVENT_TYPE", f"This kind of destination takes no {event.type} calls.")
        integrations = logged.message.integrations
        # Clients may send anything here; only an object says something about destinations.
        if integrations and isinstance(integrations, dict) and not self._admitted(integrations):
            return event, filtered("FILTERED_BY_INTEGRATIONS_OBJECT", "The event's integrations keep it out.")
        left_out = self._choice.leaves_out(event.type, event.name)
        if left_out:
            return event, filtered("FILTERED_BY_RULES", left_out)
        # Most destinations have no rules: their messages are not decoded a second time.
        if not self._filters and self._triggers is None:
            return event, None
        return self._by_rules(logged, event)

    def _by_rules(self, logged: LoggedEvent, event: Event) -> tuple[Event, Outcome | None]:
        message = _read(logged.line)
        result = self._filters(message)
        if result.message is None:
            return event, filtered("FILTERED_BY_RULES", f"The filter {result.title!r:.200} drops it.")
        if self._triggers is not None and not any(trigger(result.message) for trigger in self._triggers):
            return event, NO_MATCHING_MAPPING
        # Filters return the same object where they changed nothing: the logged bytes go out, and nothing is encoded.
        if result.message is message:
            return event, None
        return event_of(logged, _write(result.message)), None

    def _admitted(self, integrations: Mapping[str, Any]) -> bool:
        # Segment's rule: a destination is in by default; `All: false` excludes it, unless its own name is true or an
        # object; its own name with false excludes it. Names are compared letter by letter.
        own = [integrations[name] for name in self._names if name in integrations]
        if own:
            return all(value is not False for value in own)
        return integrations.get("All") is not False
