from contextlib import suppress
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tifo.engagement.values import MAX_DECIMALS, MAX_QUANTITY, check_decimal, decimal_text
from tifo.kernel.errors import Rejected

quantities = st.decimals(min_value=0, max_value=MAX_QUANTITY, places=MAX_DECIMALS)


@pytest.mark.parametrize(
    ("written", "text"),
    [
        ("1E+1", "10"),
        ("0.50", "0.5"),
        ("1.000", "1"),
        ("100", "100"),
        ("-0", "0"),
        ("0E-999999", "0"),
        ("2E-9", "0.000000002"),
    ],
)
def test_a_number_is_written_plainly(written: str, text: str) -> None:
    assert decimal_text(check_decimal(Decimal(written), "x")) == text


@given(quantities, quantities)
def test_numbers_within_the_limits_are_added_and_written_exactly(one: Decimal, other: Decimal) -> None:
    total = check_decimal(one, "x") + check_decimal(other, "x")
    assert total * 10**MAX_DECIMALS == int(one.scaleb(MAX_DECIMALS)) + int(other.scaleb(MAX_DECIMALS))
    assert Decimal(decimal_text(total)) == total


@given(st.decimals())
def test_any_number_is_taken_as_it_is_or_refused(value: Decimal) -> None:
    with suppress(Rejected):
        taken = check_decimal(value, "x")
        assert taken == value
        assert len(decimal_text(taken)) <= 27
