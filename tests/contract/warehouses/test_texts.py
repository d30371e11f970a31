"""Values that become text have one text, in every warehouse, whether they came in one load or in several."""

from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from tifo.kernel.clock import from_iso
from tifo.warehouses.ports import Load, Warehouse

Loading = Callable[..., Load]

_TIMES = st.sampled_from(
    [
        "2026-11-24T10:00:00Z",
        "2026-11-24T10:00:00.5Z",
        "2026-11-24T10:00:00.120Z",
        "2026-11-24T10:00:00.000Z",
        "2026-11-24T10:00:00.123456789+01:00",
        "2026-11-24T10:00:00+0530",
        "2026-11-24",
        "0001-01-01T00:00:00Z",
        "0045-03-15T12:00:00.000100Z",
        "9999-12-31T23:59:59.999999Z",
    ]
)
_OTHERS = st.sampled_from(["soon", "", "0000-01-01T00:00:00Z", "10000-01-01T00:00:00Z", "2026-11-24T10:00:00", "2026"])
_NUMBERS = (
    st.integers(-(2**63), 2**64)
    | st.integers(-9, 9)
    | st.sampled_from([2**53, 2**53 + 1, 1.0, -0.0, 1e15, 1e16, 1e20, 1e21, 1.5e300, 1e-4, 1e-5, 1.5e-6, 1e-7, 5e-324])
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.floats(1e-8, 1e23)
)
_VALUES = st.lists(
    _NUMBERS | _TIMES | _OTHERS | st.booleans() | st.none() | st.just([1.0, "x"]), min_size=2, max_size=6
)
_KINDS = st.sampled_from([_NUMBERS, _TIMES, st.booleans(), _TIMES | _OTHERS, _NUMBERS | _OTHERS])
_LIKELY = _KINDS.flatmap(lambda kind: st.lists(kind | st.none(), min_size=1, max_size=5).map(lambda some: [*some, "x"]))


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(values=_LIKELY | _VALUES, at_once=st.integers(1, 6))
@example(values=[1, 2.5, "x"], at_once=1)
@example(values=[1e21, "x"], at_once=1)
@example(values=["2026-11-24T10:00:00Z", "x"], at_once=1)
@example(values=["2026-11-24T12:00:00+02:00", "x", "2026-11-24T12:00:00+02:00"], at_once=2)
def test_a_text_does_not_depend_on_the_division_into_loads(
    fresh_warehouse: Callable[[], Warehouse], load: Loading, values: Sequence[Any], at_once: int
) -> None:
    warehouse = fresh_warehouse()
    for start in range(0, len(values), at_once):
        batch = [(f"m{start + n}", {"x": value}) for n, value in enumerate(values[start : start + at_once])]
        warehouse.load([load(start, ("none", {"other": 1}), *batch, position=start + len(batch))])
    column = "x" if "x" in warehouse.columns("one")["goal"] else "NULL"
    rows = warehouse.query(f"SELECT {column} AS x FROM one.goal WHERE id <> 'none' ORDER BY id")
    found = [row["x"] for row in rows]
    expected = expected_texts(values)
    if all(value is None or isinstance(value, str) for value in found) and expected is not None:
        assert found == expected
    else:
        assert expected is None


def expected_texts(values: Sequence[Any]) -> list[str | None] | None:
    """The texts, had each value come alone; None where the column does not become one of texts."""
    sent = [value for value in values if value is not None]
    kinds = {kind(value) for value in sent}
    exact = all(abs(value) <= 2**53 for value in sent if kind(value) == "int")
    if len(kinds) == 0 or (kinds <= {"int", "float"} and (len(kinds) == 1 or exact)) or kinds in ({"bool"}, {"time"}):
        return None
    was_time = True
    texts: list[str | None] = []
    for value in values:
        was_time = was_time and (value is None or kind(value) == "time")
        texts.append(None if value is None else text(value, of_time=was_time))
    return texts


def kind(value: Any) -> str:
    if isinstance(value, bool):
        return "bool"
    if isinstance(value, int):
        return "int" if -(2**63) <= value < 2**63 else "text"
    if isinstance(value, float):
        return "float"
    return "time" if str(value) in _ALL_TIMES else "text"


_ALL_TIMES = {
    "2026-11-24T10:00:00Z": "2026-11-24T10:00:00Z",
    "2026-11-24T10:00:00.5Z": "2026-11-24T10:00:00.500Z",
    "2026-11-24T10:00:00.120Z": "2026-11-24T10:00:00.120Z",
    "2026-11-24T10:00:00.000Z": "2026-11-24T10:00:00Z",
    "2026-11-24T10:00:00.123456789+01:00": "2026-11-24T09:00:00.123456Z",
    "2026-11-24T10:00:00+0530": "2026-11-24T04:30:00Z",
    "2026-11-24T12:00:00+02:00": "2026-11-24T10:00:00Z",
    "2026-11-24": "2026-11-24T00:00:00Z",
    "0001-01-01T00:00:00Z": "0001-01-01T00:00:00Z",
    "0045-03-15T12:00:00.000100Z": "0045-03-15T12:00:00.000100Z",
    "9999-12-31T23:59:59.999999Z": "9999-12-31T23:59:59.999999Z",
}


def text(value: Any, *, of_time: bool) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list):
        return '[1.0,"x"]'  # an array stays the JSON that it was
    if isinstance(value, float):
        return number(value)
    return _ALL_TIMES[value] if of_time else str(value)


def number(value: float) -> str:
    """ECMAScript's Number::toString, but `-0`, and no plus."""
    sign, digits, exponent = Decimal(repr(value)).normalize().as_tuple()
    assert isinstance(exponent, int)
    minus, all_digits, point = "-" * sign, "".join(map(str, digits)), len(digits) + exponent
    if value == 0:
        return f"{minus}0"
    if len(digits) <= point <= 21:
        return f"{minus}{all_digits:0<{point}}"
    if 0 < point <= 21:
        return f"{minus}{all_digits[:point]}.{all_digits[point:]}"
    if -6 < point <= 0:
        return f"{minus}0.{'0' * -point}{all_digits}"
    return f"{minus}{all_digits[0]}{'.' + all_digits[1:] if len(digits) > 1 else ''}e{point - 1}"


def test_the_reference_of_this_test_writes_what_javascript_writes() -> None:
    known = {1e21: "1e21", 1e20: "100000000000000000000", 1.0: "1", 0.1: "0.1", 1e-6: "0.000001", 1.5e-7: "1.5e-7"}
    assert {value: number(value) for value in known} == known


def test_every_expected_time_is_the_moment_that_was_sent() -> None:
    assert [from_iso(sent) for sent in _ALL_TIMES] == [from_iso(form) for form in _ALL_TIMES.values()]


@pytest.mark.parametrize("at_once", [1, 2, 4])
def test_users_have_the_text_that_their_identify_has(warehouse: Warehouse, load_calls: Loading, at_once: int) -> None:
    sent = [("ada", "2026-11-24"), ("bob", "2026-11-25"), ("ada", "soon"), ("bob", "2026-11-26"), ("cy", 1.0)]
    for start in range(0, len(sent), at_once):
        calls = [
            (f"m{start + n}", {"type": "identify", "userId": who, "traits": {"x": value}, "receivedAt": at(start + n)})
            for n, (who, value) in enumerate(sent[start : start + at_once])
        ]
        warehouse.load([load_calls(start, *calls)])
    rows = warehouse.query("SELECT x FROM one.identifies ORDER BY id")
    assert [row["x"] for row in rows] == ["2026-11-24T00:00:00Z", "2026-11-25T00:00:00Z", "soon", "2026-11-26", "1"]
    users = warehouse.query("SELECT id, x FROM one.users ORDER BY id")
    assert users == [{"id": "ada", "x": "soon"}, {"id": "bob", "x": "2026-11-26"}, {"id": "cy", "x": "1"}]


def test_an_older_number_reaches_a_text_of_users_in_its_form(warehouse: Warehouse, load_calls: Loading) -> None:
    for number_of_load, (second, traits) in enumerate([(5, {"x": 2e21}), (6, {"x": None, "y": 1}), (2, {"x": 1.0})]):
        call = {"type": "identify", "userId": "ada", "traits": traits, "receivedAt": at(second)}
        warehouse.load([load_calls(number_of_load, (f"m{number_of_load}", call))])
    late = {"type": "identify", "userId": "bob", "traits": {"x": "soon"}, "receivedAt": at(1)}
    warehouse.load([load_calls(3, ("m3", late))])
    assert warehouse.query("SELECT x FROM one.users ORDER BY id") == [{"x": None}, {"x": "soon"}]


def at(second: int) -> str:
    return f"2026-11-24T10:00:{second:02}.000Z"
