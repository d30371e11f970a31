"""Schemas of the document are derived from structs."""

from decimal import Decimal
from enum import StrEnum
from typing import Literal

import msgspec
import pytest
from msgspec import UNSET, UnsetType

from tifo.livelike.lists.paging import Listed
from tifo.livelike.resources.base import Resource, Time
from tifo.web.openapi.schemas import answer_schemas, body_schema, plain_schema


class SeatResource(Resource, frozen=True, kw_only=True):
    """A seat in the stand."""

    row: str
    price: Decimal
    taken_at: Time | None
    state: Literal["free", "taken"]
    tags: tuple[()] = ()
    colour: None = None
    owner: str | UnsetType = UNSET


class SeatInput(msgspec.Struct):
    row: str
    price: Decimal = Decimal(1)


def test_a_field_of_an_answer_is_required_unless_it_may_be_unset() -> None:
    _, components = answer_schemas([SeatResource])
    assert components["Seat"]["required"] == ["row", "price", "taken_at", "state", "tags", "colour"]
    assert [*components["Seat"]["properties"]] == [*SeatResource.__struct_fields__]


def test_a_field_of_a_body_is_required_unless_it_has_a_default() -> None:
    schema = body_schema(SeatInput)
    assert schema["required"] == ["row"]
    assert schema["properties"]["price"]["default"] == "1"


def test_decimals_are_numbers_in_answers_and_numbers_or_texts_in_bodies() -> None:
    _, components = answer_schemas([SeatResource])
    assert components["Seat"]["properties"]["price"] == {"type": "number"}

    class Plain(msgspec.Struct):
        price: Decimal

    kinds = [each["type"] for each in body_schema(Plain)["properties"]["price"]["anyOf"]]
    assert kinds == ["number", "string"]


def test_formats_enumerations_nulls_and_descriptions_of_a_struct_are_in_its_schema() -> None:
    _, components = answer_schemas([SeatResource])
    seat = components["Seat"]
    assert seat["description"] == "A seat in the stand."
    assert "title" not in seat
    moment, nothing = seat["properties"]["taken_at"]["anyOf"]
    assert (moment["type"], moment["format"], nothing) == ("string", "date-time", {"type": "null"})
    assert seat["properties"]["state"] == {"type": "string", "enum": ["free", "taken"]}
    assert seat["properties"]["tags"] == {"type": "array", "minItems": 0, "maxItems": 0}


def test_a_list_of_resources_is_a_component_that_refers_to_the_resource() -> None:
    (schema,), components = answer_schemas([Listed[SeatResource]])
    assert schema == {"$ref": "#/components/schemas/SeatList"}
    assert components["SeatList"]["properties"]["results"]["items"] == {"$ref": "#/components/schemas/Seat"}
    assert components["SeatList"]["required"] == ["count", "next", "previous", "results"]


@pytest.mark.parametrize(
    ("kind", "schema"),
    [
        (str, {"type": "string"}),
        (tuple[str, ...], {"type": "array", "items": {"type": "string"}}),
        (Literal["sent", "received"], {"type": "string", "enum": ["received", "sent"]}),
    ],
)
def test_query_parameters_have_the_schema_of_their_type(kind: object, schema: object) -> None:
    assert plain_schema(kind) == schema


class Colour(StrEnum):
    """A class that readers of the document do not know."""

    RED = "red"


class FlagResource(Resource, frozen=True, kw_only=True):
    colour: Colour
    colours: tuple[Colour, ...]


class FlagInput(msgspec.Struct):
    colour: Colour


def test_an_enumeration_is_its_values_and_no_name_of_a_class_is_shown() -> None:
    red = {"type": "string", "enum": ["red"]}
    (_,), components = answer_schemas([FlagResource])
    assert [*components] == ["Flag"]
    assert components["Flag"]["properties"] == {"colour": red, "colours": {"type": "array", "items": red}}
    body = body_schema(FlagInput)
    assert (body.get("title"), body["properties"]["colour"].get("title")) == (None, None)
