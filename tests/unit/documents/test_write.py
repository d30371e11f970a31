"""Values and documents are written so that reading gives them again."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import ClassVar

from hypothesis import given
from hypothesis import strategies as st

from tifo.documents.model import Text
from tifo.documents.read import load_as
from tifo.documents.write import duration_text, inline, write

NOW = datetime(2026, 11, 24, tzinfo=UTC)
texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=20)


class Limit(Text, frozen=True, kw_only=True):
    on_one_line: ClassVar[bool] = True
    times: int
    per: str = "day"


class Rule(Text, frozen=True, kw_only=True):
    rest: timedelta | None = None
    limit: Limit | None = None


@given(st.timedeltas(timedelta(microseconds=1), timedelta(days=3660)))
def test_durations_are_exact(duration: timedelta) -> None:
    assert load_as(Rule, f"rest: {duration_text(duration)}", "f").rest == duration


def test_a_struct_on_one_line_stands_between_braces_and_defaults_are_left_out() -> None:
    rule = Rule(limit=Limit(times=3))
    assert write(rule) == "limit: {times: 3}\n"
    assert load_as(Rule, write(rule), "f") == rule


@given(texts | st.integers() | st.decimals("0.000000001", 10**9, places=9) | st.booleans() | st.lists(texts).map(tuple))
def test_a_value_of_a_plan_stands_on_one_line(value: object) -> None:
    assert "\n" not in inline(value)


def test_a_value_of_a_plan_says_what_it_is() -> None:
    values = ["Coins", 5, Decimal("0.5"), timedelta(hours=3), NOW, None, ("a", "b"), Limit(times=1)]
    assert [inline(value) for value in values] == [
        '"Coins"',
        "5",
        "0.5",
        "PT3H",
        "2026-11-24T00:00:00Z",
        "(none)",
        '["a","b"]',
        '{"times":1}',
    ]
