"""Destinations that a person set up: where a source's events go beside the warehouses."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

from tifo.kernel.errors import Conflict, NotFound, Rejected
from tifo.kernel.ids import DestinationId, Position, SourceId
from tifo.kernel.json import JsonObject

RETRY_FOR_S = 4 * 3600.0
"""Segment's: so long an event is tried, from its first attempt."""
MAX_DESTINATION_NAME = 200

SecretNames = Callable[[str], Collection[str]]
"""Returns the settings of a kind of destination that are secrets."""


@dataclass(frozen=True, kw_only=True)
class ConnectedDestination:
    id: DestinationId
    name: str
    kind: str
    source_id: SourceId
    settings: Mapping[str, Any] = field(repr=False)
    """Complete, secrets in the clear."""
    created_at: datetime
    enabled: bool = True
    mappings: Sequence[JsonObject] = ()
    """In the form of Segment's subscriptions; only vendors' kinds have any."""
    filters: Sequence[JsonObject] = ()
    """In Segment's form."""
    choice: JsonObject = field(default_factory=dict)
    """Which events it gets: an `EventChoice`."""
    retry_for_s: float = RETRY_FOR_S
    version: int = 1
    """Rises with each change: by it the deliverer knows that it must open the destination anew."""


@dataclass(frozen=True, kw_only=True)
class DestinationChange:
    """What is None stays."""

    name: str | None = None
    enabled: bool | None = None
    settings: Mapping[str, Any] | None = field(default=None, repr=False)
    mappings: Sequence[JsonObject] | None = None
    filters: Sequence[JsonObject] | None = None
    choice: JsonObject | None = None
    retry_for_s: float | None = None
    version: int | None = None
    """The one that the change rests on; None for one that rests on none."""


class Destinations(Protocol):
    """Methods block. Other processes see a change within a second. Settings, filters and mappings are checked before
    they come here; secrets are encrypted at rest.
    """

    def add(
        self,
        kind: str,
        name: str,
        source_id: SourceId,
        settings: Mapping[str, Any],
        *,
        start: Position,
        secret: Collection[str] = (),
        mappings: Sequence[JsonObject] = (),
        enabled: bool = True,
    ) -> ConnectedDestination:
        """It gets the events of the log that come after `start`. `secret` names the settings that are encrypted.

        Raises `NotFound` for an unknown source, `Conflict` for a name that another destination of the source has,
        `Rejected` for no name.
        """

    def all(self) -> list[ConnectedDestination]:
        """In the order of their making."""

    def change(
        self, destination_id: DestinationId, change: DestinationChange, *, secret: Collection[str] = ()
    ) -> ConnectedDestination:
        """Raises `NotFound`, `Conflict` where somebody else has changed it since the change's `version`, and as `add`
        does.
        """

    def remove(self, destination_id: DestinationId) -> None:
        """With its dead letters, what waits for it, and its numbers. Raises `NotFound`."""


def checked_destination_name(name: str) -> str:
    """Returns the name without surrounding blanks."""
    if not name.strip() or len(name) > MAX_DESTINATION_NAME or not name.isprintable():
        raise Rejected(f"name {name!r:.250} must be 1 to {MAX_DESTINATION_NAME} printable characters.", field="name")
    return name.strip()


def check_version(change: DestinationChange, version: int) -> None:
    """Raises `Conflict` where the change rests on another version than the present one."""
    if change.version not in {None, version}:
        raise Conflict("Somebody else has just changed the destination. Look at it again, then change it.")


def destination_name_in_use(name: str) -> Conflict:
    return Conflict(f"The source has a destination named {name!r:.250} already. Give another name.", field="name")


def no_destination(destination_id: str) -> NotFound:
    return NotFound(
        f"There is no destination {destination_id!r:.100}. See `tifo destination list`.", field="destination"
    )
