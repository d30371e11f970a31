"""What a destination is to those who deliver: something that is handed events and says what became of each.

A destination never retries and keeps no queue: `delivery` does. Codes are Segment's, where Segment has one.
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
"""All types of calls."""
EXCHANGE_CHARACTERS = 4_096
"""Characters of a request or an answer that are stored to be shown."""


class Event(msgspec.Struct, frozen=True, gc=False):
    """One message of the log, after the destination's filters."""

    position: Position
    message_id: str
    type: str
    """`track`, `identify`, `page`, `screen`, `group` or `alias`."""
    name: str
    """A track's event, a page's or screen's name; else empty."""
    user: str
    """userId, or where there is none anonymousId: the one whose order may matter."""
    received_at: float
    """Seconds since 1970."""
    body: bytes
    """The canonical message: one JSON object, without a newline."""
    left: bytes | None = None
    """What an earlier attempt left to be done, in the kind's own form (see `Outcome.left`)."""


class Fate(StrEnum):
    DELIVERED = "delivered"
    FILTERED = "filtered"
    """The destination is not meant to have it."""
    RETRY = "retry"
    """Not taken now; the same again later may be."""
    FAILED = "failed"
    """Not taken, and never will be as it is."""


class Exchange(NamedTuple):
    """What was sent and answered, to be shown to a person: secrets masked, cut at `EXCHANGE_CHARACTERS`."""

    request: str
    """`POST https://…` and the headers worth showing, an empty line, the body."""
    response: str
    """The status, an empty line, the body; or what went wrong with the network."""


class Outcome(NamedTuple):
    """Of one event in one attempt."""

    fate: Fate
    code: str = ""
    """Why not delivered: `FILTERED_AT_MAPPING`, `400`, `ETIMEDOUT`, … Empty for what is delivered."""
    detail: str = ""
    retry_after_s: float | None = None
    """How long the destination asks to be left alone."""
    exchange: Exchange | None = None
    left: bytes | None = None
    """With RETRY: handed back with the event at its next attempt, so that what was taken is not sent again."""


DELIVERED = Outcome(Fate.DELIVERED)
NO_MATCHING_MAPPING = Outcome(Fate.FILTERED, "NO_MATCHING_MAPPING", "No enabled mapping's trigger matches the event.")


class Batching(NamedTuple):
    """How many events a `send` takes. `linger_s` is worth waiting for more of them."""

    max_events: int = 1
    max_bytes: int = 1 << 20
    linger_s: float = 0.0
    apart: bool = False
    """Whether the destination finds the culprit of a refused request by itself; else delivery halves it."""


class Destination(Protocol):
    """One that is set up, ready to send. Used from one event loop; `send` may run several times at once."""

    batching: Batching
    ordered: bool
    """Whether one user's events must come in their order: then no two `send`s at once hold events of one user, and
    none of a user's is sent while an earlier one waits for its next attempt.
    """

    async def send(self, events: Sequence[Event]) -> Sequence[Outcome]:
        """The n-th outcome belongs to the n-th event. It must return within the destination's own timeout.

        What it raises counts as RETRY with the code INTERNAL for all of them: a fault of Tifo's own, told loudly.
        """

    async def close(self) -> None:
        """Let go of connections, files and processes; what was answered DELIVERED is with the destination."""


class SettingType(StrEnum):
    TEXT = "text"
    SECRET = "secret"  # noqa: S105 (a name)
    """Encrypted at rest, masked wherever it is shown."""
    INTEGER = "integer"
    NUMBER = "number"
    BOOLEAN = "boolean"
    CHOICE = "choice"
    MAP = "map"
    """Names to texts, such as headers."""
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
    """Like SECRET, of another type."""

    @property
    def is_secret(self) -> bool:
        return self.secret or self.type is SettingType.SECRET


Settings = Mapping[str, Any]


@dataclass(frozen=True)
class ActionField:
    """What a mapping may fill of an action."""

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
    """Something that a vendor's kind can do with an event."""

    slug: str
    name: str
    description: str
    trigger: str
    fields: Sequence[ActionField]
    batch: bool


@dataclass(frozen=True)
class ActionMapping:
    """One mapping (Segment's subscription) of a vendor's kind: which events become which call."""

    id: str
    name: str
    action: str
    """The kind's action, by its slug."""
    trigger: str
    """FQL of mappings, such as `type = "track" and event = "Badge Rewarded"`."""
    mapping: Mapping[str, Any]
    enabled: bool = True


@dataclass(frozen=True)
class Configured:
    """What a person set up, with its secrets in the clear."""

    id: str
    name: str
    settings: Settings = field(repr=False)
    """Complete: as `Kind.check` returned them."""
    mappings: Sequence[ActionMapping] = ()


@dataclass(frozen=True)
class Tools:
    """What kinds are given to work with, by the role that delivers."""

    session: "aiohttp.ClientSession"
    """Guarded: reaches allowed addresses only."""
    egress: Egress
    clock: Clock
    folder: Path
    """Tifo's data folder."""


class Kind(Protocol):
    """One kind of destination in the catalog."""

    @property
    def id(self) -> str:
        """Stable; small letters, digits and dashes."""

    @property
    def name(self) -> str:
        """As Segment calls it; an event's `integrations` name destinations by it, or by their own name or id."""

    @property
    def description(self) -> str: ...

    @property
    def settings(self) -> Sequence[Setting]: ...

    @property
    def actions(self) -> Sequence[Action]:
        """Only vendors' kinds have any: their events go by mappings."""

    @property
    def presets(self) -> Sequence[ActionMapping]: ...

    @property
    def automatic(self) -> Sequence[ActionMapping]:
        """The presets that a new destination begins with."""

    @property
    def local(self) -> bool:
        """Whether it runs or writes what is named on the machine that delivers: by the API only owners set it up."""

    @property
    def handles(self) -> frozenset[str]:
        """The types of calls that the kind can handle."""

    def handled(self, settings: Settings) -> Collection[str]:
        """The types of calls that a destination with these settings handles; at most `handles`.

        Events of other types are FILTERED as UNSUPPORTED_EVENT_TYPE before they come here.
        """

    def check(self, settings: Settings) -> Settings:
        """With defaults filled in. Raises `Rejected` whose `field` is the setting at fault."""

    async def open(self, configured: Configured, tools: Tools) -> Destination:
        """Raises `Rejected` for settings that turn out unusable, `Transient` where what it needs is not there now."""
