"""Which events of a source a destination gets, and in which form."""

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
    message: LoggedMessage
    line: bytes


class DestinationFilter(Protocol):
    def __call__(self, arrived: LoggedEvent) -> tuple[Event, Outcome | None]:
        """The event as the destination gets it; or, with an outcome, as it was filtered."""


def event_of(arrived: LoggedEvent, body: bytes | None = None) -> Event:
    message = arrived.message
    return Event(
        arrived.position,
        message.message_id,
        message.type,
        message.title,
        message.user_id or message.anonymous_id or "",
        arrived.received_at,
        arrived.line if body is None else body,
    )


def filtered(code: str, detail: str) -> Outcome:
    return Outcome(Fate.FILTERED, code, detail)


_read = msgspec.json.Decoder(dict[str, Any]).decode
_write = msgspec.json.Encoder().encode


class ConfiguredFilter:
    """Lets through what the kind handles, the event's own `integrations` do not keep out, the destination is meant to
    have, its filters leave, and one of its mappings takes.

    Segment's rule: a destination is in by itself; `All: false` keeps it out, unless its own name is true or an object;
    its own name with false keeps it out. Names are compared letter by letter.
    """

    def __init__(
        self,
        handles: Collection[str],
        names: Collection[str],
        choice: EventChoice = EventChoice(),  # noqa: B008 (a frozen value)
        filters: Filters = Filters(()),  # noqa: B008 (likewise)
        triggers: Sequence[Condition] | None = None,
    ) -> None:
        """`triggers` are those of the mappings; None for a kind that has none."""
        self._handles = handles
        self._names = names
        self._choice = choice
        self._filters = filters
        self._triggers = triggers

    def __call__(self, arrived: LoggedEvent) -> tuple[Event, Outcome | None]:
        event = event_of(arrived)
        if event.type not in self._handles:
            return event, filtered("UNSUPPORTED_EVENT_TYPE", f"This kind of destination takes no {event.type} calls.")
        integrations = arrived.message.integrations
        if integrations and isinstance(integrations, dict) and not self._admitted(integrations):
            return event, filtered("FILTERED_BY_INTEGRATIONS_OBJECT", "The event's integrations keep it out.")
        left_out = self._choice.leaves_out(event.type, event.name)
        if left_out:
            return event, filtered("FILTERED_BY_RULES", left_out)
        if not self._filters and self._triggers is None:
            return event, None
        return self._by_rules(arrived, event)

    def _by_rules(self, arrived: LoggedEvent, event: Event) -> tuple[Event, Outcome | None]:
        message = _read(arrived.line)
        result = self._filters(message)
        if result.message is None:
            return event, filtered("FILTERED_BY_RULES", f"The filter {result.title!r:.200} drops it.")
        if self._triggers is not None and not any(trigger(result.message) for trigger in self._triggers):
            return event, NO_MATCHING_MAPPING
        if result.message is message:
            return event, None
        return event_of(arrived, _write(result.message)), None

    def _admitted(self, integrations: Mapping[str, Any]) -> bool:
        own = [integrations[name] for name in self._names if name in integrations]
        if own:
            return all(value is not False for value in own)
        return integrations.get("All") is not False
