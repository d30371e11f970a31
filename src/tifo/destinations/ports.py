"""Specifies destinations: a destination gets events and returns the outcome of each.

It never retries and has no queue: `delivery` does. Codes are Segment's, where Segment has one.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import msgspec

from tifo.egress.rules import Egress
from tifo.kernel.clock import Clock
from tifo.kernel.ids import Position

if TYPE_CHECKING:
    import aiohttp

CALLS = frozenset(("track", "identify", "page", "screen", "group", "alias"))
"""The types of calls that there are."""
EXCHANGE_CHARACTERS = 4_096
"""Characters of a request or an answer that are stored to be shown."""


class Event(msgspec.Struct, frozen=True, gc=False):
    """Holds one message of the log, after the destination's filters."""

    position: Position
    message_id: str
    type: str
    """`track`, `identify`, `page`, `screen`, `group` or `alias`."""
    name: str
    """A track's event, a page's or screen's name; else empty."""
    user: str
    """The userId, or else the anonymousId. A destination that is `ordered` gets one user's events in their order."""
    received_at: float
    """Seconds since 1970."""
    body: bytes
    """The canonical message: one JSON object, without a newline."""
    left: bytes | None = None
    """The part that an earlier attempt did not finish, in the kind's own form (see `Outcome.left`)."""


class Fate(StrEnum):
    DELIVERED = "delivered"
    FILTERED = "filtered"
    """The event is not meant for the destination."""
    RETRY = "retry"
    """Not accepted now; the same event may be later."""
    FAILED = "failed"
    """Refused for good."""


class Exchange(NamedTuple):
    """Shows a request and its answer to people: secrets masked, cut at `EXCHANGE_CHARACTERS`."""

    request: str
    """`POST https://…` and the headers worth showing, an empty line, the body."""
    response: str
    """The status, an empty line, the body. Or the network's failure."""


class Outcome(NamedTuple):
    """Holds one event's result in one attempt."""

    fate: Fate
    code: str = ""
    """The reason why it is not delivered: `FILTERED_AT_MAPPING`, `400`, `ETIMEDOUT`, … Empty where it is."""
    detail: str = ""
    retry_after_s: float | None = None
    """The pause that the destination asked for."""
    exchange: Exchange | None = None
    left: bytes | None = None
    """Set with RETRY, and passed back with the event at its next attempt: accepted parts are not sent again."""


DELIVERED = Outcome(Fate.DELIVERED)
NO_MATCHING_MAPPING = Outcome(Fate.FILTERED, "NO_MATCHING_MAPPING", "No enabled mapping's trigger matches the event.")


class Batching(NamedTuple):
    """Limits the events of one `send`. Delivery waits up to `linger_s` for more of them."""

    max_events: int = 1
    max_bytes: int = 1 << 20
    linger_s: float = 0.0
    apart: bool = False
    """The destination itself finds the event that a request was refused for; else delivery halves the request."""


class Destination(Protocol):
    """Sends events to one place. Used from one event loop; `send` may run several times at once."""

    batching: Batching
    ordered: bool
    """One user's events must arrive in their order. Then no two `send`s at once hold events of one user, and
    no event of a user is sent while an earlier one waits for its next attempt.
    """

    async def send(self, events: Sequence[Event]) -> Sequence[Outcome]:
        """Sends events; the n-th outcome belongs to the n-th event. Returns within the destination's own timeout.

        An exception counts as RETRY with the code INTERNAL for all of them: it is a fault of Tifo's own, and logged.
        """

    async def close(self) -> None:
        """Closes connections, files and processes. Events that were DELIVERED are at the destination already."""


class SettingType(StrEnum):
    TEXT = "text"
    SECRET = "secret"  # noqa: S105 (a name)
    """Encrypted at rest, and masked wherever it is shown."""
    INTEGER = "integer"
    NUMBER = "number"
    BOOLEAN = "boolean"
    CHOICE = "choice"
    MAP = "map"
    """Texts by name, such as headers."""
    LIST = "list"
    """Texts."""


@dataclass(frozen=True)
class Setting:
    name: str
    type: SettingType
    label: str
    description: str
    required: bool = False
    default: Any = None
    choices: tuple[str, ...] = ()
    secret: bool = False
    """Treated like SECRET, though its type is another."""

    @property
    def is_secret(self) -> bool:
        return self.secret or self.type is SettingType.SECRET


Settings = Mapping[str, Any]


@dataclass(frozen=True)
class ActionField:
    """Describes a field of an action, which a mapping may fill."""

    key: str
    label: str
    type: str
    description: str
    required: bool
    multiple: bool
    default: Any
    choices: Any


@dataclass(frozen=True)
class Action:
    """Describes a call that a vendor's kind can make for an event."""

    slug: str
    name: str
    description: str
    trigger: str
    fields: Sequence[ActionField]
    batch: bool


@dataclass(frozen=True)
class ActionMapping:
    """Decides which events become which call of a vendor's kind (Segment: a subscription)."""

    id: str
    name: str
    action: str
    """The slug of the kind's action."""
    trigger: str
    """FQL of mappings, such as `type = "track" and event = "Badge Rewarded"`."""
    mapping: Mapping[str, Any]
    enabled: bool = True


@dataclass(frozen=True)
class Configured:
    """Holds a destination's settings as a person set them up, with secrets decrypted."""

    id: str
    name: str
    settings: Settings = field(repr=False)
    """The complete settings, as `Kind.check` returned them."""
    mappings: Sequence[ActionMapping] = ()


@dataclass(frozen=True)
class Tools:
    """Holds the parts that the deliverer lends to every destination."""

    session: "aiohttp.ClientSession"
    """A guarded session: it reaches allowed addresses only."""
    egress: Egress
    clock: Clock
    folder: Path
    """Tifo's data folder."""


class Kind(Protocol):
    """Describes one kind of destination in the catalog, and opens destinations of it."""

    @property
    def id(self) -> str:
        """Stable; small letters, digits and dashes."""

    @property
    def name(self) -> str:
        """Segment's name. An event's `integrations` name destinations by it, or by their own name or id."""

    @property
    def description(self) -> str: ...

    @property
    def settings(self) -> Sequence[Setting]: ...

    @property
    def actions(self) -> Sequence[Action]:
        """Vendors' kinds have actions: mappings decide which one an event becomes. Own kinds have none."""

    @property
    def presets(self) -> Sequence[ActionMapping]: ...

    @property
    def automatic(self) -> Sequence[ActionMapping]:
        """Returns the presets that a new destination starts with."""

    @property
    def local(self) -> bool:
        """Says whether it runs or writes a file on the machine that delivers: by the API only owners set it up."""

    @property
    def handles(self) -> frozenset[str]:
        """Returns the types of calls that the kind can handle."""

    def handled(self, settings: Settings) -> Collection[str]:
        """Returns the types of calls that a destination with these settings handles; at most `handles`.

        Events of other types are FILTERED as UNSUPPORTED_EVENT_TYPE before they come here.
        """

    def check(self, settings: Settings) -> Settings:
        """Returns the settings with defaults filled in. Raises `Rejected` whose `field` is the setting at fault."""

    async def open(self, configured: Configured, tools: Tools) -> Destination:
        """Opens a destination. Raises `Rejected` for unusable settings, `Transient` while something is missing."""
