"""Learned shapes give what `flatten` gives."""

import json
from collections.abc import Callable, Sequence
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.warehouses.named import FirstCome
from tifo.kernel.json import JsonObject
from tifo.warehouses.columns import flatten
from tifo.warehouses.messages import convert
from tifo.warehouses.naming import Path
from tifo.warehouses.ports import Column
from tifo.warehouses.shapes import MAX_KEYS, MIN_PAYLOADS, Shapes

NAMES = FirstCome("id", "timestamp")
Line = Callable[..., bytes]


def raw(objects: Sequence[Any]) -> list[msgspec.Raw]:
    return [msgspec.Raw(json.dumps(each, ensure_ascii=False).encode()) for each in objects]


def flat(objects: Sequence[JsonObject]) -> dict[str, Column]:
    return flatten(objects, NAMES, lambda *_: pytest.fail("there is room"))


def plain(columns: dict[str, Column]) -> dict[str, Any]:
    """By name, whatever the order."""
    return {name: (column.type, repr(column.values.to_pylist())) for name, column in columns.items()}


def learned(objects: Sequence[JsonObject]) -> Shapes:
    shapes = Shapes()
    shapes.learn("goal", [*objects] * MIN_PAYLOADS, NAMES)
    return shapes


_KEYS = st.sampled_from(["a", "b", "a_b", "A B", "id", "timestamp", "context", "order", "Имя", "🎉", "", '"', "\\"])
_KEYS |= st.text(max_size=5)
_LEAVES = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=10)
    | st.sampled_from(["2026-11-24T10:00:00Z", "2026-11-24T10:00:00.5+00:00", "2026-13-24T10:00:00Z"])
    | st.lists(st.integers(-9, 9) | st.text(max_size=3) | st.dictionaries(_KEYS, st.none(), max_size=2), max_size=3)
)
_FLAT = st.dictionaries(_KEYS, _LEAVES, max_size=6)
_ANY = st.dictionaries(_KEYS, _LEAVES | st.dictionaries(_KEYS, _LEAVES, max_size=2), max_size=6)


@settings(max_examples=300, deadline=None)
@given(before=st.lists(_FLAT, min_size=1, max_size=4), now=st.lists(_ANY, min_size=1, max_size=4))
def test_whatever_was_learned_the_columns_are_those_of_flatten(before: list[JsonObject], now: list[JsonObject]) -> None:
    shapes = learned(before)
    for objects in (before, now):
        columns = shapes.columns("goal", raw(objects))
        assert columns is None or plain(columns) == plain(flat(objects))


def test_payloads_with_the_keys_of_earlier_ones_are_read_by_their_shape() -> None:
    shapes = learned([{"a": 1, "b": "x"}, {"c": [1]}])
    now: list[JsonObject] = [{"b": "y", "a": None}, {"c": {}, "a": 2.5}, {}]
    now[1]["c"] = ["z"]
    columns = shapes.columns("goal", raw(now))
    assert columns is not None
    assert plain(columns) == plain(flat(now))


@pytest.mark.parametrize("strange", [{"new": 1}, None, [1], "text", {"a": 10**40}, {"a": {"deep": 1}}, {"a": {}}])
def test_what_was_not_expected_is_left_to_flatten(strange: Any) -> None:
    columns = learned([{"a": 1}]).columns("goal", raw([{"a": 1}, strange]))
    assert columns is None or plain(columns) == plain(flat([{"a": 1}, strange]))
    assert columns is None or strange == {"a": 10**40}


def test_a_key_that_came_later_is_learned_too_and_what_nests_never() -> None:
    shapes = learned([{"a": 1}])
    shapes.learn("goal", [{"b": 2}] * MIN_PAYLOADS, NAMES)
    assert shapes.columns("goal", raw([{"a": 1, "b": 2}])) is not None
    assert shapes.columns("goal", raw([{"a": {"deep": 1}}])) is None
    shapes.learn("goal", [{"a": 1}] * MIN_PAYLOADS, NAMES)
    assert shapes.columns("goal", raw([{"a": 1}])) is None


def test_keys_that_want_one_column_are_learned_with_their_own_columns() -> None:
    objects: list[JsonObject] = [{"A B": 1}, {"a_b": 2}, {"a_b": 3, "A B": 4}]
    columns = learned(objects).columns("goal", raw(objects))
    assert columns is not None
    assert plain(columns) == plain(flat(objects))
    assert len(columns) == 2


class Rationed(FirstCome):
    """Has no column for the key `late`."""

    def __call__(self, paths: tuple[Path, ...], count: int = 1) -> tuple[str | None, ...]:
        names = super().__call__(paths, count)
        return tuple(None if path == ("late",) else name for path, name in zip(paths, names, strict=True))


def test_an_event_is_learned_as_soon_as_all_its_keys_have_columns() -> None:
    shapes = Shapes()
    objects: list[JsonObject] = [{"a": 1, "late": 2}] * MIN_PAYLOADS
    shapes.learn("goal", objects, Rationed())
    assert shapes.columns("goal", raw(objects)) is None
    shapes.learn("goal", objects, NAMES)
    assert shapes.columns("goal", raw(objects)) is not None


def test_too_many_keys_are_left_to_flatten() -> None:
    many: JsonObject = {f"k{number}": number for number in range(MAX_KEYS + 1)}
    assert learned([many]).columns("goal", raw([many])) is None


def test_a_message_that_cannot_be_read_is_discarded_alone_also_when_its_event_is_known(line: Line) -> None:
    good = [line(f"m{n}", event="Shaped", properties={"x": n}) for n in range(MIN_PAYLOADS)]
    convert(b"".join(good))
    bad = line("bad", event="Shaped", properties={"x": "?"}).replace(b'"?"', b'"\xff"')
    converted = convert(b"".join([*good, bad]))
    assert len(converted.tables["shaped"].rows) == len(converted.tables["tracks"].rows) == MIN_PAYLOADS
    (discard,) = converted.discards
    assert discard.message_id in (None, "bad")
    assert "not a canonical message" in discard.reason


def test_a_known_event_gives_the_rows_that_an_unknown_one_gives(line: Line) -> None:
    def rows(event: str) -> list[dict[str, Any]]:
        bodies = (
            line(f"m{n}", event=event, properties={"x": n, "y": [n], "at": "2026-11-24T10:00:00Z"}) for n in range(60)
        )
        return [
            {**row, "event": "", "event_text": ""}
            for row in convert(b"".join(bodies)).tables[event.lower()].rows.to_pylist()
        ]

    assert rows("Seen") == rows("Seen") == rows("Unseen")
