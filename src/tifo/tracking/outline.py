"""Divides a body that is no valid JSON into its members and messages, by brackets, commas and strings alone. Pure.

It reads each byte once or twice, whatever the body holds: no input makes it slower than its length does.
"""

import re
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import msgspec

# A string that never ends is one token up to the end. Without that alternative each quote in it would begin a new
# search to the end: quadratic.
_STRING = rb'"[^"\\]*+(?:\\.[^"\\]*+)*+(?:"|\\?\Z)'
_TOKEN = re.compile(_STRING + rb"|[][{},]", re.DOTALL)
_MEMBER = re.compile(rb"\s*(" + _STRING + rb")\s*:\s*", re.DOTALL)
_OPENS, _CLOSES = frozenset(b"{["), frozenset(b"}]")
_COMMA = ord(",")
BYTE_ORDER_MARK = b"\xef\xbb\xbf"
"""Some editors and languages put this byte order mark before UTF-8."""
_BLANK = b" \t\r\n"
_ONLY_CLOSING = b"]}, \t\r\n"


class Outline(NamedTuple):
    members: Mapping[str, bytes]
    """The members of the body's object, their values undecoded; empty where the body is no object."""
    strays: Sequence[bytes]
    """Parts of the body that belong to no member, such as a second document behind the first."""


def outline(body: bytes) -> Outline:
    start = len(body) - len(body.removeprefix(BYTE_ORDER_MARK).lstrip(_BLANK))
    if body[start : start + 1] != b"{":
        return Outline({}, [])
    parts, end = _split(body, start)
    members: dict[str, bytes] = {}
    strays: list[bytes] = []
    for part in parts:
        if (named := _MEMBER.match(part)) and (name := _name(named[1])) is not None:
            members[name] = part[named.end() :].strip(_BLANK)  # the last one counts, as for other decoders
        else:
            strays.append(part)
    rest = body[end:].strip(_ONLY_CLOSING)
    return Outline(members, [*strays, rest] if rest else strays)


def elements(array: bytes) -> Sequence[bytes] | None:
    """Returns the elements of an array, undecoded; None where it is none. Nothing between two commas is no element."""
    return _split(array, 0)[0] if array.startswith(b"[") else None


def _split(text: bytes, start: int) -> tuple[list[bytes], int]:
    """Splits the object or array that opens at `start` at its own commas. Returns its end too."""
    parts: list[bytes] = []
    depth, begin = 0, start + 1
    for token in _TOKEN.finditer(text, start):
        place = token.start()
        byte = text[place]
        if byte == _COMMA:
            if depth == 1:
                parts.append(text[begin:place].strip(_BLANK))
                begin = place + 1
        elif byte in _OPENS:
            depth += 1
        elif byte in _CLOSES:
            depth -= 1
            if depth == 0:
                parts.append(text[begin:place].strip(_BLANK))
                return list(filter(None, parts)), place + 1
    parts.append(text[begin:].strip(_BLANK))
    return list(filter(None, parts)), len(text)


def _name(quoted: bytes) -> str | None:
    try:
        return msgspec.json.decode(quoted, type=str)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
