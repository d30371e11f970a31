"""Segment's filter query language: the examples of its documents, its edges, and any input at all."""

import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tifo.kernel.errors import Rejected
from tifo.tracking.fql import compiled

_MESSAGE: dict[str, Any] = {
    "event": "Button Clicked",
    "type": "track",
    "userId": "u1",
    "context": {"library": {"name": "analytics.js", "version": "1.0"}},
    "properties": {
        "features": ["discounts", "dark-mode"],
        "product 1": {"price": 19.99},
        "a.b": 1,
        "count": 3,
        "enabled": True,
        "nothing": None,
        "products": [{"name": "Scarf"}],
        "заголовок": "да",
    },
}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        # Segment's own examples
        ("event = 'Button Clicked'", True),
        ("event = 'Screen Tapped'", False),
        ("context.path.path = '/login'", False),
        ("type = 'identify' or type = 'track'", True),
        ("event = 'Button Clicked' and type = 'track'", True),
        ("match( context.library.version, '1.*' )", True),
        ("match( context.library.version, '2.*' )", False),
        ("type = 'track' and ( event = 'Click' or match( event, 'Button *' ) )", True),
        ("!contains( context.library.name, 'js' )", False),
        ("'dark-mode' in properties.features", True),
        ("'blink' in properties.features", False),
        ("!( type in ['track', 'identify'] )", False),
        (
            "( type = 'track' or type = 'identify' ) and ( properties.enabled or match( traits.email, '*@c.com' ) )",
            True,
        ),
        ("contains( null, 'a' )", False),
        ("length( null ) = 0", True),
        ("lowercase( null ) = null", True),
        ("typeof( null ) = 'null'", True),
        ("match( null, 'a' )", False),
        ("match( 'abcd', 'a*d' )", True),
        ("match( '', '*' )", True),
        ("match( 'abc', 'ab' )", False),
        ("match( 'abcd', 'a??d' )", True),
        ("match( 'abcd', '*d' )", True),
        (r"match( 'ab*d', 'ab\*d' )", True),
        (r"match( 'abxd', 'ab\*d' )", False),
        ("match( 'abCd', 'ab[cC]d' )", True),
        ("match( 'abcd', 'ab[a-z]d' )", True),
        ("match( 'abcd', 'ab[A-Z]d' )", False),
        # paths
        (r"properties.product\ 1.price = 19.99", True),
        (r"properties.a\.b = 1", True),
        ("properties.a.b = null", True),
        ("properties.products.0.name = 'Scarf'", True),
        ("properties.products.1.name = null", True),
        ("properties.заголовок = 'да'", True),
        ("properties.nothing = null and properties.absent = null", True),
        # types are strict
        ("properties.count = 3.0", True),
        ("properties.count = '3'", False),
        ("properties.count != '3'", True),
        ("properties.enabled = 1", False),
        ("properties.enabled", True),
        ("properties.count", False),
        ("!properties.absent", True),
        ("properties.count > 2 and properties.count <= 3 and properties.count >= 3 and properties.count < 4", True),
        ("event > 2", False),
        ("properties.features = ['discounts', 'dark-mode']", True),
        ("properties.features = ['discounts']", False),
        ("null in [null, 1]", True),
        ("-1.5e1 = -15", True),
        # functions
        ("length(properties.features) = 2", True),
        ("length('ア') = 3", True),
        ("length(properties.count) > -1", False),
        ("uppercase('ab') = 'AB' and lowercase('AB') = 'ab'", True),
        ("snakecase('a b') = 'a_b' and kebabcase('a b') = 'a-b' and titlecase('test string') = 'Test String'", True),
        ("typeof(properties.count) = 'number' and typeof(properties.enabled) = 'bool'", True),
        ("typeof(properties.features) = 'list' and typeof(event) = 'string' and typeof(context) = 'object'", True),
        ("number('1.5') = 1.5 and number('x') = null and number(2) = 2", True),
        ("string(3) = '3' and string(null) = '' and string('a') = 'a' and string([1]) = '[1]'", True),
        ("bool('true') and bool(1) and !bool(0) and !bool('') and !bool(null) and !bool('false')", True),
        # globs
        ("match('a/b\nc', 'a*c')", True),
        ("match('abcabc', '*abc')", True),
        ("match('xaxbx', 'x*a*b*')", True),
        ("match('abc', 'a[^x]c')", True),
        ("match('a]c', 'a[\\]]c')", True),
        ("match('a.c', 'a.c') and !match('abc', 'a.c')", True),
        ("match('b', '[z-a]')", False),
        ("match('a', '[')", False),
        ("""'it\\'s' = "it's" """, True),
        ("!!properties.enabled", True),
    ],
)
def test_a_condition_means_what_segments_documents_say(text: str, expected: bool) -> None:
    assert compiled(text)(_MESSAGE) is expected


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "is empty"),
        ('userId = oops"', "text without an end"),
        ("type = ", "has its end where a path"),
        ("type == 'track'", "has '=' where a path"),
        ("type = 'a' 'b'", "has 'b' where it should end"),
        ("!type = 'a'", r"Write !\( … \)"),
        ("1 < 2 < 3", "compares three things"),
        ("nope(type)", "'nope', which is no function"),
        ("contains(type)", "gives contains 1 arguments; it takes 2"),
        ("(type = 'a'", r"where \) should stand"),
        ("type in ['a' 'b']", "where , should stand"),
        ("and", "has 'and' where a path"),
        ("type = 'a' & x", "'&', which means nothing"),
        ("(" * 60 + "true" + ")" * 60, "nested deeper"),
        ("!" * 60 + "true", "nested deeper"),
        ("a" * 6_000, "over 5,000 bytes"),
    ],
)
def test_what_is_no_condition_is_refused_with_its_place(text: str, problem: str) -> None:
    with pytest.raises(Rejected, match=problem) as refused:
        compiled(text, "filters.0.if")
    assert refused.value.field == "filters.0.if"


@given(st.text(alphabet="abc.'\"\\()[]!=<> ,*?-09éand or in", max_size=60))
def test_any_text_is_a_condition_or_is_refused(text: str) -> None:
    try:
        condition = compiled(text)
    except Rejected:
        return
    assert condition(_MESSAGE) in {True, False}


_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
)


@given(_json)
def test_no_value_breaks_a_condition(value: Any) -> None:
    names = (
        "length",
        "lowercase",
        "uppercase",
        "snakecase",
        "kebabcase",
        "titlecase",
        "typeof",
        "bool",
        "string",
        "number",
    )
    for name in names:
        assert compiled(f"{name}(properties.a) = properties.b")({"properties": {"a": value}}) in {True, False}
    for text in ("contains(a, 'b')", "match(a, '*b?')", "match('b', a)", "a = a", "a > 1", "a in a", "a.b.0 = null"):
        assert compiled(text)({"a": value}) in {True, False}


def test_a_hostile_glob_takes_time_in_proportion_to_the_text() -> None:
    condition = compiled("match(a, '*a*a*a*a*a*a*a*a*a*a*b')")
    started = time.perf_counter()
    assert condition({"a": "a" * 30_000}) is False
    assert time.perf_counter() - started < 5
