"""Reads JSON that strict decoders refuse, and repairs the values that the canonical message cannot hold. Pure."""

import json
import math
import re
from collections.abc import Callable
from typing import Any

from tifo.kernel.errors import Rejected
from tifo.tracking.plans.checking import Violation

REPAIRED_TEXT, LARGE_INTEGER = "Repaired Text", "Large Integer"
_SURROGATES = re.compile("[\ud800-\udfff]")
_64_BITS = range(-(2**63), 2**64)
_MAX_DIGITS = 20
"""Digits of the largest integer of 64 bits."""
_STRING_OR_NUMBER = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+(?:"|\\?\Z)|[-+.\w]++', re.DOTALL)


class UnreadableEvent(Rejected):
    """The event is no JSON, or holds a number that is none. `at` is the byte at fault."""

    code = "invalid_json"

    def __init__(self, message: str, *, at: int, field: str | None = None) -> None:
        super().__init__(message, field=field)
        self.at = at


class _NotFinite(str):
    """Holds NaN, an infinity or a number beyond doubles, as it was sent."""

    __slots__ = ()


class _Digits(str):
    """Holds the digits of an integer beyond 64 bits: Python refuses to read many thousands of them."""

    __slots__ = ()


def _integer(digits: str) -> int | _Digits:
    return int(digits) if len(digits) <= _MAX_DIGITS else _Digits(digits)


def _number(text: str) -> float | _NotFinite:
    number = float(text)
    return number if math.isfinite(number) else _NotFinite(text)


# Not strict: control characters in strings are read too.
_decoder = json.JSONDecoder(strict=False, parse_int=_integer, parse_float=_number, parse_constant=_NotFinite)


def decode_leniently(raw: bytes) -> Any:
    """Decodes any JSON. Raises `UnreadableEvent` for what is none. The result must go through `repaired`.

    Raises `RecursionError` for a value that nests too deeply.
    """
    # Each byte that is no UTF-8 becomes a lone surrogate, and thus later U+FFFD: as Go's decoder replaces them.
    text = raw.decode("utf-8", "surrogateescape")
    try:
        return _decoder.decode(text)
    except json.JSONDecodeError as error:
        at = len(text[: error.pos].encode("utf-8", "surrogateescape"))
        message = f"The event is no valid JSON: {error.msg} (byte {at}). Send one JSON object, in UTF-8."
        raise UnreadableEvent(message, at=at) from error


def repaired(value: Any, raw: bytes, path: str = "") -> tuple[Any, list[Violation]]:
    """Returns the value with U+FFFD for lone surrogates, and with text for integers beyond 64 bits.

    The violations say where. Raises `UnreadableEvent` for a number that is not finite: neither null nor a text would
    be the number that the sender meant. `raw` is the JSON that the value was decoded from.
    """
    found: list[Violation] = []
    try:
        return _repaired(value, path, found.append), found
    except _FoundNotFinite as error:
        at = next((each.start() for each in _STRING_OR_NUMBER.finditer(raw) if each[0] == error.literal.encode()), 0)
        raise UnreadableEvent(
            f"{error.path} is {error.literal:.40} (byte {at}), which is no number that JSON has. Send a finite number,"
            " or null.",
            at=at,
            field=error.path,
        ) from None


class _FoundNotFinite(Exception):
    def __init__(self, literal: str, path: str) -> None:
        super().__init__(literal)
        self.literal = literal
        self.path = path


def _repaired(value: Any, path: str, note: Callable[[Violation], None]) -> Any:
    if isinstance(value, dict):
        return {_text(name, path, note): _repaired(each, _under(path, name), note) for name, each in value.items()}
    if isinstance(value, list):
        return [_repaired(each, _under(path, str(number)), note) for number, each in enumerate(value)]
    if isinstance(value, _NotFinite):
        raise _FoundNotFinite(value, path)
    if isinstance(value, _Digits) or (isinstance(value, int) and value not in _64_BITS):
        note(Violation(LARGE_INTEGER, path, "An integer beyond 64 bits is stored as text."))
        return str(value)
    return _text(value, path, note) if isinstance(value, str) else value


def _text(text: str, path: str, note: Callable[[Violation], None]) -> str:
    if not _SURROGATES.search(text):
        return text
    note(Violation(REPAIRED_TEXT, path, "Half a surrogate pair, or a byte that is no UTF-8, became U+FFFD."))
    return _SURROGATES.sub("\ufffd", text)


def _under(path: str, name: str) -> str:
    place = f"{path}.{name}" if path else name
    return _SURROGATES.sub("\ufffd", place) if not place.isascii() else place
