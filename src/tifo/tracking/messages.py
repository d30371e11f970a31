"""Checks one message of the Tracking API by Segment's rules, and writes it in canonical form.

The canonical message is one JSON object without a newline. It holds everything that was sent, and: `type`, `messageId`
(made where absent), `context` and `integrations` merged with the batch's, `properties` (or `traits`, by the type),
`originalTimestamp` (the client's time), `timestamp` (the same, corrected by the skew of the client's clock), `sentAt`
where sent, `receivedAt`. The traits of an identify that has none are those of its context, where RudderStack's clients
put them; the name and the category of a page or screen that has none are its properties of these names. A null counts
as absent for every field that the rules name, an empty text for ids and times, and an empty array (PHP's empty object)
for objects. An id that is a number is stored as text. `writeKey` is removed: it is a secret.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import msgspec

from tifo.kernel.errors import Rejected, TooLarge
from tifo.kernel.ids import MessageId, NewId
from tifo.tracking.envelope import Envelope, Message
from tifo.tracking.lenient import decode_leniently, repaired
from tifo.tracking.limits import MAX_DEPTH, MAX_EVENT_BYTES, MAX_MESSAGE_ID, MAX_PROPERTIES
from tifo.tracking.nesting import is_deeper
from tifo.tracking.outline import outline
from tifo.tracking.plans.checking import MAX_VIOLATIONS, Verdict, Violation, name_of
from tifo.tracking.times import is_absent, times_as_readable
from tifo.tracking.usual import CONTEXT_OBJECTS, usual


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


_KINDS: Mapping[str, _Kind] = {
    "track": _Kind("properties", "event", "event_not_defined", "event_not_string"),
    "identify": _Kind("traits"),
    "page": _Kind("properties", texts=("name", "category")),
    "screen": _Kind("properties", texts=("name", "category")),
    "group": _Kind("traits", "groupId", "id_required", "id_not_string"),
    "alias": _Kind("traits", "previousId", "id_required", "id_not_string"),
}
_IDS = ("userId", "anonymousId", "groupId", "previousId", "messageId")
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
    """Writes any message; slower than `usual`, but repairs what can be, and names each thing that can be wrong."""
    item, repairs = object_of(sent)
    # A secret: the log, warehouses and destinations must not get it.
    item.pop("writeKey", None)
    kind_name = _kind_name(item, envelope)
    kind = _KINDS[kind_name]
    item["type"] = kind_name
    _write_ids_as_text(item, sent)
    _check_user(item)
    _check_fields(item, kind)
    _merge(item, "context", envelope.context)
    _merge(item, "integrations", envelope.integrations)
    _fill(item, kind_name, kind)
    message_id = _message_id(item, new_id)
    violations = [*envelope.violations, *repairs, *_set_times(item, envelope)]
    verdict = None if envelope.check is None else envelope.check(item)
    return Message(message_id, _encode(item), _with(verdict, violations, item))


def object_of(raw: bytes, path: str = "") -> tuple[dict[str, Any], Sequence[Violation]]:
    """Reads a JSON object, and says what was repaired in it. Raises `Rejected`; `path` leads to it in messages."""
    try:
        item, is_strict = _read(raw)
    except RecursionError as error:
        raise _too_deep() from error
    if not isinstance(item, dict):
        raise Rejected(f"{path or 'The event'} is no JSON object. Send an object.", field=path or None)
    # Counting brackets is quick and nearly always suffices: this few cannot nest too deeply.
    if raw.count(b"{") + raw.count(b"[") > MAX_DEPTH and is_deeper(item, MAX_DEPTH):
        raise _too_deep()
    if is_strict and _MANY_DIGITS not in raw.translate(_DIGITS_ALIKE):
        return item, ()
    return repaired(item, raw, path)


def _read(raw: bytes) -> tuple[Any, bool]:
    """Returns the decoded value, and whether it was valid JSON of ordinary numbers."""
    try:
        return _decode(raw), True
    except (msgspec.DecodeError, UnicodeDecodeError):
        return decode_leniently(raw), False


def _too_deep() -> Rejected:
    return Rejected(f"The event is nested deeper than {MAX_DEPTH} levels. Send flatter properties.")


def _kind_name(item: Mapping[str, Any], envelope: Envelope) -> str:
    name = envelope.call or item.get("type")
    if not isinstance(name, str) or name not in _KINDS:
        raise Rejected(f"type is {name!r:.80}. Send one of {', '.join(_KINDS)}.", field="type")
    return name


def _write_ids_as_text(item: dict[str, Any], sent: bytes) -> None:
    """Removes absent ids, and writes numbers as they were sent: Segment's Python client sends some ids as numbers."""
    for field in _IDS:
        value = item.get(field)
        # Segment's Python client sends `anonymousId: null` with every call of a known user, RudderStack's browser
        # client `userId: ""` with every call of an unknown one.
        if is_absent(value):
            item.pop(field, None)
        elif isinstance(value, int | float) and not isinstance(value, bool):
            item[field] = outline(sent).members.get(field, b"%d" % value).decode()


def _check_user(item: Mapping[str, Any]) -> None:
    for field in ("userId", "anonymousId"):
        value = item.get(field, "")
        if not isinstance(value, str):
            raise Rejected(
                f"{field} is {value!r:.80}, which is no text. Send it as a text.", code="id_not_string", field=field
            )
    # Segment: each call needs a userId or an anonymousId.
    if "userId" not in item and "anonymousId" not in item:
        raise Rejected(
            "Neither userId nor anonymousId is there. Send one of them, not empty.",
            code="no_user_anon_id",
            field="userId",
        )


def _check_fields(item: dict[str, Any], kind: _Kind) -> None:
    if kind.required is not None:
        value = item.get(kind.required)
        if is_absent(value):
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
    _check_payload(item, kind.payload)


def _check_payload(item: dict[str, Any], field: str) -> None:
    payload = item.get(field)
    if is_empty_object(payload):
        item[field] = {}
    elif not isinstance(payload, dict):
        raise Rejected(
            f"{field} is no object. Send an object of names and values.", code=f"{field}_not_object", field=field
        )
    elif len(payload) > MAX_PROPERTIES:
        raise TooLarge(
            f"{field} has {len(payload):,} keys; at most {MAX_PROPERTIES:,} are accepted. Send fewer.",
            code="bad_request",
            field=field,
        )


def is_empty_object(value: object) -> bool:
    """Says whether the value stands for an object without members: PHP writes its empty arrays as `[]`."""
    return value is None or value in ({}, [])


def _merge(item: dict[str, Any], field: str, shared: Mapping[str, Any] | None) -> None:
    """Merges an object of the batch into the message's; the message's own keys win."""
    # Segment: a batch's context and integrations are merged into each of its messages.
    own = item.get(field)
    if is_empty_object(own):
        own = {}
    elif not isinstance(own, dict):
        raise Rejected(f"{field} is no object. Send an object, or leave it out.", field=field)
    item[field] = {**shared, **own} if shared else own


def _fill(item: dict[str, Any], kind_name: str, kind: _Kind) -> None:
    """Fills fields from where some clients put them."""
    context = item["context"]
    for name in CONTEXT_OBJECTS & context.keys():
        if context[name] == []:
            context[name] = {}
    # RudderStack's clients put the traits of an identify into its context.
    if kind_name == "identify" and not item["traits"] and isinstance(context.get("traits"), dict):
        item["traits"] = context["traits"]
        _check_payload(item, "traits")
    # Go's and Java's clients have no field for some of these.
    for field in kind.texts:
        value = None if item.get(field) else item["properties"].get(field)
        if value and isinstance(value, str):
            item[field] = value


def _message_id(item: dict[str, Any], new_id: NewId) -> MessageId:
    if "messageId" not in item:
        # Segment: the server assigns an id. Such a message that is sent again cannot be found to be a duplicate.
        item["messageId"] = new_id()
    value = item["messageId"]
    if not isinstance(value, str):
        raise Rejected(
            f"messageId is {value!r:.80}, which is no text. Send a text, or leave it out.", field="messageId"
        )
    if len(value) > MAX_MESSAGE_ID:
        raise Rejected(
            f"messageId has {len(value)} characters; at most {MAX_MESSAGE_ID} are accepted. Send a shorter one.",
            field="messageId",
        )
    return MessageId(value)


def _set_times(item: dict[str, Any], envelope: Envelope) -> Sequence[Violation]:
    times, violations = times_as_readable(item, envelope.receipt)
    item["originalTimestamp"], item["timestamp"] = times.original_timestamp, times.timestamp
    item["receivedAt"] = envelope.receipt.received_at_text
    # Clients send sentAt once, beside the batch, so it is copied to each message.
    item.pop("sentAt", None)
    if times.sent_at is not None:
        item["sentAt"] = times.sent_at
    return violations


def _with(verdict: Verdict | None, violations: Sequence[Violation], item: Mapping[str, Any]) -> Verdict | None:
    """Adds to the tracking plan's verdict what was repaired."""
    if not violations:
        return verdict
    verdict = verdict or Verdict(call=item["type"], name=name_of(item), violations=(), blocked=None, omitted=())
    return verdict._replace(violations=[*violations, *verdict.violations][:MAX_VIOLATIONS])
