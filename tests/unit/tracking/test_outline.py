"""A body is divided by its brackets alone as a decoder divides it; whatever it holds, one pass suffices."""

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.tracking.test_lenient import values
from tifo.tracking.outline import elements, outline

names = st.text(st.characters(codec="utf-8"), max_size=6)
documents = st.dictionaries(names, values, max_size=4)


@given(document=documents, batch=st.lists(values, max_size=5), indent=st.sampled_from([None, 1]))
def test_a_good_body_is_divided_as_a_decoder_divides_it(
    document: dict[str, Any], batch: list[Any], indent: int | None
) -> None:
    whole = document | {"batch": batch}
    body = json.dumps(whole, indent=indent, ensure_ascii=False).encode()
    members, strays = outline(body)
    assert strays == []
    assert {name: msgspec.json.decode(value) for name, value in members.items()} == msgspec.json.decode(body)
    divided = elements(members["batch"])
    assert divided is not None
    assert [msgspec.json.decode(each) for each in divided] == msgspec.json.decode(body)["batch"]


@given(noise=st.binary(max_size=80) | st.text('"\\{}[],: ab', max_size=80).map(str.encode))
def test_noise_is_divided_into_parts_that_stand_in_it(noise: bytes) -> None:
    members, strays = outline(b"{" + noise)
    assert all(part in noise for part in (*members.values(), *strays))
    assert all(part in noise for part in elements(b"[" + noise) or ())


@pytest.mark.parametrize("body", [b"", b" ", b"[]", b'"x"', b"7", b"x{}"])
def test_what_is_no_object_has_no_members(body: bytes) -> None:
    assert outline(body) == ({}, [])


def test_the_last_of_two_members_counts_as_for_other_decoders() -> None:
    assert outline(b'{"a":1,"a":2}').members == {"a": b"2"}


def test_brackets_in_strings_are_none() -> None:
    assert elements(rb'["]","\"]",{"a":"}"}]') == [b'"]"', rb'"\"]"', b'{"a":"}"}']


def _steps(body: bytes) -> int:
    """Counts the parts that are made of a body: none may be made of bytes twice."""
    members, strays = outline(body)
    return sum(map(len, (*members.values(), *strays)))


@pytest.mark.parametrize("unit", [b"[", b"{", b"[]", b"[,", b'"', b'\\"', b'"a":', b"\\", b",", b'","'])
def test_no_body_makes_more_parts_than_its_length(unit: bytes) -> None:
    body = b'{"batch":["' + unit * 20_000
    assert _steps(body) <= len(body)
    body = b'{"batch":[' + unit * 20_000
    assert _steps(body) <= len(body)
    assert sum(map(len, elements(body[9:]) or ())) <= len(body)
