"""What a single value may be, and how an exact decimal is written."""

from decimal import Decimal

from tifo.kernel.errors import Rejected

MAX_AMOUNT = 2**53
"""The largest integer that every JSON client reads exactly; amounts and balances stay below it. Ours."""
MAX_TEXT = 255
"""Characters of a name, a key or a custom id (LiveLike's limit for custom ids)."""
_MAX_DIGITS = 30


def check_amount(value: int, field: str) -> int:
    if not 1 <= value <= MAX_AMOUNT:
        raise Rejected(f"{field} is {value:.0e}. Send a whole number from 1 to 2^53." if abs(value) > MAX_AMOUNT
                       else f"{field} is {value}. Send a whole number from 1 to 2^53.", field=field)  # fmt: skip
    return value


def check_text(value: str, field: str) -> str:
    if not value.strip():
        raise Rejected(f"{field} is empty. Send a text.", field=field)
    if len(value) > MAX_TEXT:
        raise Rejected(f"{field} has {len(value):,} characters; at most {MAX_TEXT} are taken.", field=field)
    return value


def check_decimal(value: Decimal, field: str) -> Decimal:
    """Finite, and of a size that is stored exactly."""
    if not value.is_finite():
        raise Rejected(f"{field} is {value}. Send a finite number.", field=field)
    _, digits, exponent = value.as_tuple()
    if len(digits) > _MAX_DIGITS or not isinstance(exponent, int) or not -_MAX_DIGITS <= exponent <= _MAX_DIGITS:
        raise Rejected(f"{field} has more than {_MAX_DIGITS} digits. Send a rounder number.", field=field)
    return value


def decimal_text(value: Decimal) -> str:
    """`0.5`, `1`, `10`: never an exponent, and no zero too many."""
    text = f"{value:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text
