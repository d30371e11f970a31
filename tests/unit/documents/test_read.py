"""Documents of any kind are read by their types; tests/unit/engagement/text/test_read.py has every message."""

from datetime import timedelta
from typing import Annotated, Any

import msgspec
import pytest

from tifo.documents.model import Longest, Name, Refers, Text
from tifo.documents.read import Reference, load_as, read
from tifo.kernel.errors import Rejected


class Room(Text, frozen=True, kw_only=True):
    name: Name
    beside: Annotated[str, Refers("rooms")] | None = None
    rest: Annotated[timedelta, Longest(timedelta(days=2))] | None = None
    schema: Any = None


class House(Text, frozen=True, kw_only=True):
    rooms: dict[str, Room] = msgspec.field(default_factory=dict)


def test_toml_and_yaml_give_the_same_document() -> None:
    expected = House(rooms={"hall": Room(name="Hall", schema={"min": 1, "is": True, "text": "1"})})
    assert (
        load_as(House, '[rooms.hall]\nname = "Hall"\nschema = {min = 1, is = true, text = "1"}', "h.toml") == expected
    )
    assert load_as(House, "rooms: {hall: {name: Hall, schema: {min: 1, is: true, text: '1'}}}", "h.yaml") == expected


def test_fields_that_belong_to_something_else_are_ignored_and_unknown_ones_refused() -> None:
    assert load_as(House, "port = 1", "h.toml", beside=["port"]) == House()
    with pytest.raises(Rejected, match="port: There is no field 'port' here"):
        load_as(House, "port = 1", "h.toml")


def test_a_duration_beyond_its_limit_is_refused_with_the_limit() -> None:
    assert load_as(House, "rooms: {a: {name: A, rest: P2D}}", "h").rooms["a"].rest == timedelta(days=2)
    with pytest.raises(Rejected, match=r"rest: 'P2DT1S' is not longer than nothing and at most 2 days \(P2D\)"):
        load_as(House, "rooms: {a: {name: A, rest: P2DT1S}}", "h")


def test_references_are_gathered_with_their_place_and_keys_by_section() -> None:
    reading = read(House, "rooms:\n  a: {name: A, beside: b}\n  b: {name: 3}")
    assert reading.references == [Reference("rooms", "b", "rooms.a.beside", 2)]
    assert reading.named == {"rooms": {"a", "b"}}
    assert (reading.document, len(reading.problems)) == (None, 1)
