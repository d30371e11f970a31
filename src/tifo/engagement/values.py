"""Checks the game's single values. The kernel checks texts."""

from decimal import Decimal

from tifo.kernel.errors import Rejected
from tifo.kernel.values import MAX_EXACT_INTEGER, MAX_TEXT, check_text, decimal_text

__all__ = ["MAX_AMOUNT", "MAX_TEXT", "check_amount", "check_decimal", "check_text", "decimal_text"]

MAX_AMOUNT = MAX_EXACT_INTEGER
"""Our limit for amounts and balances."""
MAX_QUANTITY = 10**15
"""Our limit for targets and steps of quest tasks. With `MAX_DECIMALS`, the sum of two has at most 28 digits, as many as
the decimal context: so adding is exact.
"""
MAX_DECIMALS = 9


def check_amount(value: int, field: str) -> int:
    if not 1 <= value <= MAX_AMOUNT:
        shown = value if abs(value) <= MAX_AMOUNT else "too large" if value > 0 else "too small"
        raise Rejected(f"{field} is {shown}. Send a whole number from 1 to {MAX_AMOUNT}.", field=field)
    return value


def check_decimal(value: Decimal, field: str) -> Decimal:
    """Returns the number without needless zeros. Refuses one that cannot be stored and added exactly."""
    if not value.is_finite():
        raise Rejected(f"{field} is {value}. Send a finite number.", field=field)
    if value.copy_abs() > MAX_QUANTITY or value != round(value, MAX_DECIMALS):
        raise Rejected(
            f"{field} is beyond 10^15, or has more than {MAX_DECIMALS} decimals. Send a rounder number.", field=field
        )
    return value.normalize() + 0  # the sum turns 1E+1 into 10 and -0 into 0
