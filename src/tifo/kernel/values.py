"""Checks and writes single values that more than one package has: texts, integers, decimals."""

from decimal import Decimal

from tifo.kernel.errors import Rejected

MAX_EXACT_INTEGER = 2**53 - 1
"""The largest integer that every JSON client reads exactly."""
MAX_TEXT = 255
"""Characters of a name, a key or a custom id (LiveLike's limit for custom ids)."""


def check_text(value: str, field: str) -> str:
    if not value.strip():
        raise Rejected(f"{field} is empty. Send a text.", field=field)
    if len(value) > MAX_TEXT:
        raise Rejected(f"{field} has {len(value):,} characters; at most {MAX_TEXT} are accepted.", field=field)
    return value


def decimal_text(value: Decimal) -> str:
    """Writes `0.5`, `1`, `10`: never an exponent, and no zero too many."""
    text = f"{value:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text
