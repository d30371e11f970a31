import pytest

from tifo.tracking.nesting import is_deeper


@pytest.mark.parametrize(
    ("value", "levels", "expected"),
    [("text", 0, False), ({}, 0, True), ({}, 1, False), ([[1]], 1, True), ([[1]], 2, False), ({"a": [{}]}, 2, True)],
)
def test_objects_and_arrays_count_as_levels_and_plain_values_do_not(
    value: object, levels: int, *, expected: bool
) -> None:
    assert is_deeper(value, levels) is expected


def test_a_value_far_deeper_than_the_limit_is_not_walked_to_its_end() -> None:
    value: object = []
    for _ in range(100_000):
        value = [value]
    assert is_deeper(value, 64)
