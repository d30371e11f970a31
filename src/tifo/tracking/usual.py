"""Reads the usual message, such as every official client sends it, by compiled code.

A message that does not fit these types may still be valid: `messages` checks it, and says what is wrong if anything is.
For a message that fits, `messages` writes the same canonical message, only slower.
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
from msgspec import UNSET, Meta

from tifo.kernel.ids import MessageId, NewId
from tifo.tracking.envelope import Envelope, Message
from tifo.tracking.limits import MAX_MESSAGE_ID, MAX_PROPERTIES
from tifo.tracking.times import times_of

_LEVELS = 5
"""Levels of nested objects and arrays in properties, traits and context; deeper messages are left to `messages`."""
# msgspec compares integers with bounds of 63 bits at most. Larger ones of 64 bits are left to `messages`, which accepts
# them.
_Leaf = str | Annotated[int, Meta(ge=-(2**63), le=2**63 - 1)] | float | bool | None
if TYPE_CHECKING:
    _Object = dict[str, Any]
else:  # built by a function, because a type alias cannot name itself

    def _nested(levels: int) -> Any:
        if levels == 0:
            return _Leaf
        inner = _nested(levels - 1)
        return _Leaf | list[inner] | dict[str, inner]

    _Object = dict[str, _nested(_LEVELS)]
_Id = Annotated[str, Meta(max_length=MAX_MESSAGE_ID)]
_Text = Annotated[str, Meta(min_length=1)]


# Most of a batch's time went into looking at each field in Python; compiled code checks types, lengths and 64 bits
# while it decodes. A property test holds both ways to the same result.
class _Usual(
    msgspec.Struct, rename="camel", tag_field="type", forbid_unknown_fields=True, omit_defaults=True, kw_only=True
):
    # Fields that are not named here must stay in the message. A struct would drop them, so it forbids them, and
    # `messages` writes the message.
    user_id: str | None = None
    anonymous_id: str | None = None
    message_id: _Id | None = None
    timestamp: str | None = None
    original_timestamp: str | None = None
    sent_at: str | None = None
    received_at: Any = None  # overwritten, whatever the client sent
    context: _Object | None = None
    integrations: _Object | None = None
    write_key: Any = UNSET  # a secret, so never written
    # RudderStack's clients send `channel`, Segment's sends `version` and, in Node, `_metadata`.
    channel: _Leaf | msgspec.UnsetType = UNSET
    version: _Leaf | msgspec.UnsetType = UNSET
    metadata: _Object | msgspec.UnsetType = msgspec.field(default=UNSET, name="_metadata")


class _WithProperties(_Usual):
    properties: _Object | None = None


class _WithTraits(_Usual):
    traits: _Object | None = None


class _Track(_WithProperties, tag="track", kw_only=True):
    event: _Text


class _Page(_WithProperties, tag="page"):
    name: str | None = None
    category: str | None = None


class _Screen(_WithProperties, tag="screen"):
    name: str | None = None
    category: str | None = None


class _Identify(_WithTraits, tag="identify"):
    pass


class _Group(_WithTraits, tag="group", kw_only=True):
    group_id: _Text


class _Alias(_WithTraits, tag="alias", kw_only=True):
    previous_id: _Text


_OF_CALL: Mapping[str | None, msgspec.json.Decoder[Any]] = {
    None: msgspec.json.Decoder(_Track | _Identify | _Page | _Screen | _Group | _Alias),
    "track": msgspec.json.Decoder(_Track),
    "identify": msgspec.json.Decoder(_Identify),
    "page": msgspec.json.Decoder(_Page),
    "screen": msgspec.json.Decoder(_Screen),
    "group": msgspec.json.Decoder(_Group),
    "alias": msgspec.json.Decoder(_Alias),
}
_FIELDS: Mapping[type[_Usual], Sequence[tuple[str, str]]] = {
    kind: list(zip(kind.__struct_fields__, kind.__struct_encode_fields__, strict=True))
    for kind in (_Track, _Identify, _Page, _Screen, _Group, _Alias)
}
CONTEXT_OBJECTS = frozenset(
    ("app", "campaign", "device", "library", "location", "network", "os", "page", "referrer", "screen", "traits")
)
"""The fields of a context that Segment's specification defines as objects."""
_EMPTY: list[Any] = []
_PLAIN_PARTS = frozenset(("type", "event", "properties", "context"))
"""The fields of a track that most plans read."""
_encode = msgspec.json.Encoder().encode


def usual(raw: bytes, envelope: Envelope, new_id: NewId) -> Message | None:
    """Writes a usual message in canonical form; returns None for any other."""
    if envelope.violations:
        return None
    try:
        item = _OF_CALL[envelope.call].decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    shared = envelope.context
    item.context = {**shared, **(item.context or {})} if shared else item.context or {}
    if not _has_user(item) or not _payload(item) or (item.context and _EMPTY in item.context.values()):
        return None
    shared = envelope.integrations
    item.integrations = {**shared, **(item.integrations or {})} if shared else item.integrations or {}
    if not item.message_id:
        item.message_id = new_id()  # Segment: the server assigns one
    times = times_of(item.timestamp or item.original_timestamp, item.sent_at, envelope.receipt)
    if times is None:
        return None
    item.original_timestamp, item.timestamp, item.sent_at = times.original_timestamp, times.timestamp, times.sent_at
    item.received_at = envelope.receipt.received_at_text
    item.write_key = UNSET
    check = envelope.check
    verdict = None if check is None else check(_shown(item, check.parts))
    return Message(MessageId(item.message_id), _encode(item), verdict)


def _shown(item: Any, parts: frozenset[str] | None) -> Mapping[str, Any]:
    """Returns the message's fields under their JSON names. A check may change their values: they are the item's own."""
    # Most checked messages are tracks, and most plans read these fields only: naming them is quicker than walking all.
    if type(item) is _Track and parts is not None and parts <= _PLAIN_PARTS:
        return {"type": "track", "event": item.event, "properties": item.properties, "context": item.context}
    values = ((wire, getattr(item, name)) for name, wire in _FIELDS[type(item)])
    return {"type": item.__struct_config__.tag, **{w: v for w, v in values if v is not None and v is not UNSET}}


def _has_user(item: Any) -> bool:
    """Removes an empty id; returns whether one is left."""
    if item.user_id:
        if item.anonymous_id == "":
            item.anonymous_id = None
        return True
    item.user_id = None
    return bool(item.anonymous_id)


def _fill(item: _Page | _Screen, properties: Mapping[str, Any]) -> None:
    if not item.name and isinstance(name := properties.get("name"), str) and name:
        item.name = name
    if not item.category and isinstance(category := properties.get("category"), str) and category:
        item.category = category


def _payload(item: Any) -> bool:
    """Sets absent properties or traits to `{}`, fills names and categories; returns whether keys are few enough."""
    payload: dict[str, Any]
    if isinstance(item, _Track | _Page | _Screen):
        payload = item.properties = item.properties or {}
        if not isinstance(item, _Track):
            _fill(item, payload)
    else:
        # RudderStack's clients put the traits of an identify into its context.
        given = _traits_in(item.context) if isinstance(item, _Identify) and not item.traits else item.traits
        payload = item.traits = given or {}
    return len(payload) <= MAX_PROPERTIES


def _traits_in(context: Mapping[str, Any] | None) -> dict[str, Any] | None:
    traits = (context or {}).get("traits")
    return traits if isinstance(traits, dict) else None
