"""Decodes the canonical messages of the log as a warehouse wants them. A message that cannot be read is a discard."""

from collections.abc import Sequence
from typing import Any

import msgspec

from tifo.warehouses.ports import Discard

NULL = msgspec.Raw(b"null")
UNREADABLE = (msgspec.DecodeError, RecursionError, UnicodeDecodeError)


# Segment does not load `integrations`, `channel` and `version`, and `type` is the table. Its `uuid` is left out too: it
# serves the deduplication of Redshift, and here rows are unique by `id`.
class LoggedCall(msgspec.Struct, gc=False, rename="camel"):
    type: str
    message_id: str
    received_at: str
    timestamp: str | None = None
    original_timestamp: str | None = None
    sent_at: str | None = None
    anonymous_id: str | None = None
    user_id: str | None = None
    # Ingest checks these only for the calls that use them, so they may hold anything.
    event: Any = None
    name: Any = None
    category: Any = None
    group_id: Any = None
    previous_id: Any = None
    # Decoded later: payloads by their shape, each different context once.
    properties: msgspec.Raw = NULL
    traits: msgspec.Raw = NULL
    context: msgspec.Raw = NULL


class _Read(LoggedCall, gc=False, rename="camel"):
    """Decodes a message with its payloads, to find out whether they are valid."""

    properties: Any = None
    traits: Any = None


_decoder = msgspec.json.Decoder(LoggedCall)
_reader = msgspec.json.Decoder(_Read)
decode = _decoder.decode_lines


def decode_one_by_one(lines: Sequence[bytes]) -> tuple[list[LoggedCall], list[Discard]]:
    messages: list[LoggedCall] = []
    discards: list[Discard] = []
    for line in lines:
        try:
            # The payloads too: they are decoded later, all together, where one that is broken would fail its
            # neighbours.
            _reader.decode(line)
            messages.append(_decoder.decode(line))
        except UNREADABLE as error:
            discards.append(discard_message(line, f"not a canonical message: {error}"))
    return messages, discards


class _Known(msgspec.Struct, rename="camel"):
    message_id: str | None = None
    received_at: str | None = None


def discard_message(line: bytes, reason: str) -> Discard:
    """Makes the discard of a whole message."""
    try:
        known = msgspec.json.decode(line, type=_Known)
    except UNREADABLE:
        known = _Known()
    return Discard(None, None, line.decode(errors="backslashreplace"), reason, known.message_id, known.received_at)
