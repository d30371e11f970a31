"""Which events of a source a destination gets, and in which form."""

from collections.abc import Collection
from typing import NamedTuple, Protocol

from tifo.delivery.reading import Message
from tifo.destinations.ports import Event, Fate, Outcome
from tifo.kernel.ids import Position


class Arrived(NamedTuple):
    position: Position
    received_at: float
    message: Message
    line: bytes


class Sieve(Protocol):
    def __call__(self, arrived: Arrived) -> tuple[Event, Outcome | None]:
        """The event as the destination gets it; or, with an outcome, as it was filtered."""


def event_of(arrived: Arrived, body: bytes | None = None) -> Event:
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


class ByType:
    """Lets through what the kind handles."""

    def __init__(self, handles: Collection[str]) -> None:
        self._handles = handles

    def __call__(self, arrived: Arrived) -> tuple[Event, Outcome | None]:
        event = event_of(arrived)
        if event.type in self._handles:
            return event, None
        return event, filtered("UNSUPPORTED_EVENT_TYPE", f"This kind of destination takes no {event.type} calls.")
