"""Connected destinations: where a source's events go beside the warehouses."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

from tifo.kernel.errors import Conflict, NotFound, Rejected
from tifo.kernel.ids import DestinationId, LogPosition, SourceId
from tifo.kernel.json import JsonObject

RETRY_FOR_S = 4 * 3600.0
"""Segment's: an event is retried for this long after its first attempt."""
MAX_DESTINATION_NAME = 200
"""Characters of a name. Our limit."""

SecretNames = Callable[[str], Collection[str]]
"""Returns the settings of a kind of destination that are secrets."""


@dataclass(frozen=True, kw_only=True)
class ConnectedDestination:
    id: DestinationId
    name: str
    kind: str
    source_id: SourceId
    # Logs and tracebacks print values: a secret must not be among them.
    settings: Mapping[str, Any] = field(repr=False)
    """Complete, secrets in the clear."""
    created_at: datetime
    enabled: bool = True
    mappings: Sequence[JsonObject] = ()
    """Segment's subscriptions, as its Public API has them. Only vendors' kinds have any."""
    filters: Sequence[JsonObject] = ()
    """Segment's destination filters, as its Public API has them."""
    choice: JsonObject = field(default_factory=dict)
    """Selects the events that it gets: an `EventChoice`."""
    # Segment retries for four hours, for every destination; here each may have its own time.
    retry_for_s: float = RETRY_FOR_S
    version: int = 1
    """Rises with each change. The deliverer opens a destination anew when its version has changed."""


@dataclass(frozen=True, kw_only=True)
class DestinationChange:
    """A field that is None stays as it is."""

    name: str | None = None
    enabled: bool | None = None
    settings: Mapping[str, Any] | None = field(default=None, repr=False)
    mappings: Sequence[JsonObject] | None = None
    filters: Sequence[JsonObject] | None = None
    choice: JsonObject | None = None
    retry_for_s: float | None = None
    version: int | None = None
    """The version that was read before the change; None overwrites whatever is there."""


class Destinations(Protocol):
    """Stores connected destinations. Methods block; other processes see a change within a second.

    Callers check settings, filters and mappings first. Implementations that store encrypt secrets.
    """

    def add(
        self,
        kind: str,
        name: str,
        source_id: SourceId,
        settings: Mapping[str, Any],
        *,
        start: LogPosition,
        secret: Collection[str] = (),
        mappings: Sequence[JsonObject] = (),
        enabled: bool = True,
    ) -> ConnectedDestination:
        """Stores a destination that gets the log's events after `start`. `secret` names the settings to encrypt.

        Raises `NotFound` for an unknown source, `Conflict` for a name that another destination of the source has,
        `Rejected` for no name.
        """

    def all(self) -> list[ConnectedDestination]:
        """Returns destinations in the order in which they were made."""

    def change(
        self, destination_id: DestinationId, change: DestinationChange, *, secret: Collection[str] = ()
    ) -> ConnectedDestination:
        """Raises `NotFound`, `Conflict` where it was changed since the change's `version`, and what `add` raises."""

    def remove(self, destination_id: DestinationId) -> None:
        """Removes it with its dead letters, its waiting events and its counts. Raises `NotFound`."""


def checked_destination_name(name: str) -> str:
    """Returns the name without surrounding blanks."""
    if not name.strip() or len(name) > MAX_DESTINATION_NAME or not name.isprintable():
        raise Rejected(f"name {name!r:.250} must be 1 to {MAX_DESTINATION_NAME} printable characters.", field="name")
    return name.strip()


def check_version(change: DestinationChange, version: int) -> None:
    """Raises `Conflict` where the change rests on another version than the present one."""
    # Filters and mappings are stored as whole lists: of two changes at once the later would undo the earlier.
    if change.version not in {None, version}:
        raise Conflict("Somebody else has just changed the destination. Look at it again, then change it.")


def destination_name_in_use(name: str) -> Conflict:
    return Conflict(f"The source has a destination named {name!r:.250} already. Give another name.", field="name")


def no_destination(destination_id: str) -> NotFound:
    return NotFound(
        f"There is no destination {destination_id!r:.100}. See `tifo destination list`.", field="destination"
    )
