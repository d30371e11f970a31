"""Checks one message of the Tracking API by Segment's rules, and writes it in canonical form.

The canonical message is one JSON object without a newline. It holds everything that was sent, and: `type`, `messageId`
(made where absent), `context` and `integrations` merged with the batch's, `properties` (or `traits`, by the type),
`originalTimestamp` (the client's time), `timestamp` (the same, corrected by the skew of the client's clock), `sentAt`
where sent, `receivedAt`. The traits of an identify that has none are those of its context, where RudderStack's clients
put them. A null counts as absent for `userId`, `anonymousId` and every field that the rules name.
`writeKey` is removed: it is a secret.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

import msgspec

from tifo.kernel.errors import Rejected, TooLarge
from tifo.kernel.ids import MessageId, NewId
from tifo.tracking.envelope import Envelope, Message
from tifo.tracking.limits import MAX_DEPTH, MAX_EVENT_BYTES, MAX_MESSAGE_ID, MAX_PROPERTIES
from tifo.tracking.nesting import is_deeper
from tifo.tracking.times import times_of
from tifo.tracking.usual import usual


class _Kind(NamedTuple):
    """Holds Segment's rules for one type of message."""

    payload: str
    """`properties` or `traits`; the code for a wrong one is built from it."""
    required: str | None = None
    """A field that must hold a non-empty text; the next two are the codes where it does not."""
    code_absent: str = ""
    code_wrong: str = ""
    texts: tuple[str, ...] = ()
    """Fields that must hold text where present."""
    needs_user: bool = True


_KINDS: Mapping[str, _Kind] = {
    "track": _Kind("properties", "event", "event_not_defined", "event_not_string"),
    "identify": _Kind("traits"),
    "page": _Kind("properties", texts=("name", "category")),
    "screen": _Kind("properties", texts=("name", "category")),
    "group": _Kind("traits", "groupId", "id_required", "id_not_string"),
    "alias": _Kind("traits", "previousId", "id_required", "id_not_string"),
}
# An integer beyond 64 bits has at least 19 digits. Few messages hold so many digits in a row, so this quick test spares
# nearly all of them the search through their values.
_MANY_DIGITS = b"0" * 19
_DIGITS_ALIKE = bytes(ord("0") if chr(byte).isdecimal() and byte < 128 else byte for byte in range(256))  # noqa: PLR2004 (ASCII)
_decode = msgspec.json.Decoder().decode
_encode = msgspec.json.Encoder().encode


def canonical(raw: msgspec.Raw, envelope: Envelope, new_id: NewId) -> Message:
    """Writes one message in canonical form. Raises `Rejected` with Segment's code for the first thing that is wrong."""
    sent = bytes(raw)
    if len(sent) > MAX_EVENT_BYTES:
        raise TooLarge(
            f"The event has {len(sent):,} bytes; at most {MAX_EVENT_BYTES:,} are accepted. Send shorter properties.",
            code="bad_request",
        )
    return usual(sent, envelope, new_id) or canonical_by_rules(sent, envelope, new_id)


def canonical_by_rules(sent: bytes, envelope: Envelope, new_id: NewId) -> Message:
    """Writes any message; slower than `usual`, but names each thing that can be wrong."""
    item = _object(sent)
    # A secret: the log, warehouses and destinations must not get it.
    item.pop("writeKey", None)
    kind_name = _kind_name(item, envelope)
    kind = _KINDS[kind_name]
    item["type"] = kind_name
    _check_ids(item)
    _check_fields(item, kind)
    _merge(item, "context", envelope.context)
    _merge(item, "integrations", envelope.integrations)
    # RudderStack's clients put the traits of an identify into its context.
    if kind_name == "identify" and not item["traits"] and isinstance(item["context"].get("traits"), dict):
        item["traits"] = item["context"]["traits"]
        _check_fields(item, kind)
    message_id = _message_id(item, new_id)
    _set_times(item, envelope)
    verdict = None if envelope.check is None else envelope.check(item)
    return Message(message_id, _encode(item), verdict)


def _object(raw: bytes) -> dict[str, Any]:
    try:
        item = _decode(raw)
    except RecursionError as error:
        raise Rejected(f"The event is nested deeper than {MAX_DEPTH} levels. Send flatter properties.") from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Rejected(f"The event is no valid JSON: {error}. Send finite numbers, and UTF-8.") from error
    if not isinstance(item, dict):
        raise Rejected("The event is no JSON object. Send one with type, userId, event and properties.")
    # Counting brackets is quick and nearly always suffices: this few cannot nest too deeply.
    if raw.count(b"{") + raw.count(b"[") > MAX_DEPTH and is_deeper(item, MAX_DEPTH):
        raise Rejected(f"The event is nested deeper than {MAX_DEPTH} levels. Send flatter properties.")
    if _MANY_DIGITS in raw.translate(_DIGITS_ALIKE) and (huge := _huge_number(item)) is not None:
        raise Rejected(f"{huge} is an integer beyond 64 bits. Send it as a text.", field=huge)
    return item


def _kind_name(item: Mapping[str, Any], envelope: Envelope) -> str:
    name = envelope.call or item.get("type")
    if not isinstance(name, str) or name not in _KINDS:
        raise Rejected(f"type is {name!r}. Send one of {', '.join(_KINDS)}.", field="type")
    return name


def _check_ids(item: dict[str, Any]) -> None:
    known = False
    # Segment's Python client sends `anonymousId: null` with every call of a known user: a null counts as absent.
    for field in ("userId", "anonymousId"):
        value = item.get(field)
        if value is None:
            item.pop(field, None)
        elif not isinstance(value, str):
            raise Rejected(
                f"{field} is {value!r:.80}, which is no text. Send it as a text.", code="id_not_string", field=field
            )
        elif value:
            known = True
    # Segment: each call needs a userId or an anonymousId.
    if not known:
        raise Rejected(
            "Neither userId nor anonymousId is there. Send one of them, not empty.",
            code="no_user_anon_id",
            field="userId",
        )


def _check_fields(item: dict[str, Any], kind: _Kind) -> None:
    if kind.required is not None:
        value = item.get(kind.required)
        if value is None or value == "":
            raise Rejected(f"{kind.required} is missing or empty. Send it.", code=kind.code_absent, field=kind.required)
        if not isinstance(value, str):
            raise Rejected(
                f"{kind.required} is {value!r:.80}, which is no text. Send it as a text.",
                code=kind.code_wrong,
                field=kind.required,
            )
    for field in kind.texts:
        value = item.get(field)
        if value is None:
            item.pop(field, None)
        elif not isinstance(value, str):
            raise Rejected(
                f"{field} is {value!r:.80}, which is no text. Send a text, or leave it out.",
                code=f"{field}_not_string",
                field=field,
            )
    payload = item.get(kind.payload)
    if payload is None:
        item[kind.payload] = {}
    elif not isinstance(payload, dict):
        raise Rejected(
            f"{kind.payload} is no object. Send an object of names and values.",
            code=f"{kind.payload}_not_object",
            field=kind.payload,
        )
    elif len(payload) > MAX_PROPERTIES:
        raise TooLarge(
            f"{kind.payload} has {len(payload):,} keys; at most {MAX_PROPERTIES:,} are accepted. Send fewer.",
            code="bad_request",
            field=kind.payload,
        )


def _merge(item: dict[str, Any], field: str, shared: Mapping[str, Any] | None) -> None:
    """Merges an object of the batch into the message's; the message's own keys win."""
    # Segment: a batch's context and integrations are merged into each of its messages.
    own = item.get(field)
    if own is not None and not isinstance(own, dict):
        raise Rejected(f"{field} is no object. Send an object, or leave it out.", field=field)
    item[field] = {**shared, **(own or {})} if shared else own or {}


def _message_id(item: dict[str, Any], new_id: NewId) -> MessageId:
    value = item.get("messageId")
    if value is None or value == "":
        # Segment: the server assigns an id. Such a message that is sent again cannot be found to be a duplicate.
        value = item["messageId"] = new_id()
    elif not isinstance(value, str):
        raise Rejected(
            f"messageId is {value!r:.80}, which is no text. Send a text, or leave it out.", field="messageId"
        )
    elif len(value) > MAX_MESSAGE_ID:
        raise Rejected(
            f"messageId has {len(value)} characters; at most {MAX_MESSAGE_ID} are accepted. Send a shorter one.",
            field="messageId",
        )
    return MessageId(value)


def _set_times(item: dict[str, Any], envelope: Envelope) -> None:
    # Segment: the client's `timestamp` becomes `originalTimestamp`, and `timestamp` is the corrected time.
    original = item.get("timestamp") or item.get("originalTimestamp")
    # Clients send sentAt once, beside the batch, so it is copied to each message.
    times = times_of(original, item.pop("sentAt", None), envelope.receipt)
    item["originalTimestamp"], item["timestamp"] = times.original_timestamp, times.timestamp
    item["receivedAt"] = envelope.receipt.received_at_text
    if times.sent_at is not None:
        item["sentAt"] = times.sent_at


def _huge_number(value: object, path: str = "") -> str | None:
    """Returns the path of the first integer that 64 bits cannot hold."""
    if isinstance(value, int):
        return path if not -(2**63) <= value < 2**64 else None
    children: Mapping[Any, Any] = {}
    if isinstance(value, dict):
        children = value
    elif isinstance(value, list):
        children = dict(enumerate(value))
    for key, child in children.items():
        place = _huge_number(child, f"{path}.{key}" if path else str(key))
        if place is not None:
            return place
    return None
