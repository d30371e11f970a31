from typing import Any

import pytest

from tifo.web.openapi.parts import ApiPart, Tag, document


def part(tag: str, **more: Any) -> ApiPart:
    return ApiPart(tags=[Tag(tag, "About it.")], **{"paths": {}, **more})


def test_parts_are_joined_and_their_groups_stand_in_their_order() -> None:
    made = document(
        [
            part("B", paths={"/b": {"get": {}}}),
            part("A", paths={"/a": {"get": {}}}, security={"key": {"type": "http"}}),
        ],
        title="Tifo",
        about="All of it.",
    )
    assert [each["name"] for each in made["tags"]] == ["B", "A"]
    assert [*made["paths"]] == ["/b", "/a"]
    assert made["components"] == {"schemas": {}, "securitySchemes": {"key": {"type": "http"}}}


def test_one_name_for_two_shapes_is_refused() -> None:
    seat: Any = {"Seat": {"type": "object"}}
    document([part("A", schemas=seat), part("B", schemas=seat)], title="Tifo", about="")
    with pytest.raises(ValueError, match="Seat"):
        document([part("A", schemas=seat), part("B", schemas={"Seat": {"type": "string"}})], title="Tifo", about="")
