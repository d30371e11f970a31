"""Flattens JSON objects to typed Arrow columns.

Nested objects are flattened; an array is JSON text; null and `{}` hold no value, and a column exists only once it
has one. What a column's values say together decides its type:

| values | type |
| --- | --- |
| `true`, `false` | boolean |
| integers of at most 64 bits | integer |
| numbers, of which the integers are exact as doubles (up to 2**53) | float |
| strings that are all ISO 8601 times (`2026-11-24T10:00:00Z`, `…+02:00`, `2026-11-24`; see `timestamps`) | timestamp |
| everything else: other strings, larger integers, arrays, mixtures | varchar: a string as it is, else see `texts` |
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from types import NoneType
from typing import Any, Protocol

import pyarrow as pa

from tifo.kernel.errors import TooLarge
from tifo.kernel.json import JsonObject
from tifo.warehouses.budgets import MAX_COLUMNS
from tifo.warehouses.naming import NameOf, Path
from tifo.warehouses.ports import Column, ColumnType
from tifo.warehouses.texts import as_text
from tifo.warehouses.timestamps import as_timestamps, may_be_times

MAX_CELLS = 10_000_000
"""Columns times objects: bounds the memory of a sparse batch."""
Excess = Callable[[str, int, Any], None]
"""Receives a column, an object's number and the value for which there is no room."""
EXACT = 2**53
"""Every integer up to this one is exact as a double."""

_Leaves = tuple[tuple[Path, ...], list[int], list[tuple[Any, ...]]]
"""Leaves of objects of one shape: their paths, the objects' numbers, and the values of each path."""
_Parts = list[tuple[list[int], tuple[Any, ...]]]
"""Objects' numbers and their values."""
_Pieces = dict[str, _Parts]
"""For each column."""


class Naming(Protocol):
    """Names the columns of leaves: no two of one object alike, and the same for the same paths."""

    @property
    def asks(self) -> bool:
        """Says whether names are missing that are asked for before the objects are flattened."""

    @property
    def wanted(self) -> NameOf:
        """Returns the name that a leaf asks for, whether it has it or not."""

    def __call__(self, paths: tuple[Path, ...], count: int = 1) -> tuple[str | None, ...]:
        """Returns the columns of leaves that `count` objects have; None for a leaf without one."""


def flatten(
    objects: Sequence[JsonObject],
    names: Naming,
    excess: Excess,
    limit: int = MAX_COLUMNS,
    *,
    refused: Excess | None = None,
) -> dict[str, Column]:
    """Returns the columns of these objects; each has one value (or null) for each object.

    Keeps at most `limit` columns: those with the most values, of equals the earlier ones. The values of the others,
    except nulls, go to `excess`; those of leaves without a name to `refused`. Raises `TooLarge` for more than
    `MAX_CELLS`: the caller then flattens fewer objects. Returns nothing where `names` asks for names first.
    """
    pieces: _Pieces = {}
    # Objects with the same keys become columns together, so that the work for a single value is done in C.
    shapes = [(shape, names(shape[0], len(shape[1]))) for shape in _by_shape(objects)]
    if names.asks:
        return {}
    for (paths, numbers, each), named in shapes:
        for path, name, values in zip(paths, named, each, strict=True):
            if name is None:
                _refuse(names.wanted(path), [(numbers, values)], refused or excess)
            else:
                pieces.setdefault(name, []).append((numbers, values))
    if min(len(pieces), limit) * len(objects) > MAX_CELLS:
        raise TooLarge(f"{len(objects):,} objects have {len(pieces):,} different columns")
    if len(pieces) > limit:
        pieces = _fullest(pieces, excess, limit)
    columns = ((name, typed(_dense(parts, len(objects)))) for name, parts in pieces.items())
    return {name: column for name, column in columns if column is not None}


def _fullest(pieces: _Pieces, excess: Excess, limit: int) -> _Pieces:
    ranked = sorted(pieces, key=lambda name: -sum(len(numbers) for numbers, _ in pieces[name]))
    for name in ranked[limit:]:
        _refuse(name, pieces[name], excess)
    fullest = set(ranked[:limit])
    return {name: parts for name, parts in pieces.items() if name in fullest}


def _refuse(name: str, parts: _Parts, excess: Excess) -> None:
    for numbers, values in parts:
        for number, value in zip(numbers, values, strict=True):
            if value is not None:
                excess(name, number, value)


def typed(values: Sequence[Any]) -> Column | None:
    """Decides the type by the values together. Returns None where every value is null."""
    # Exact types: Python counts True as an int.
    kinds = set(map(type, values)) - {NoneType}
    if not kinds:
        return None
    if kinds == {str}:
        return _text_or_timestamp(values)
    if kinds == {bool}:
        return Column(ColumnType.BOOLEAN, pa.array(values, pa.bool_()))
    if kinds == {int} and all(v is None or -(2**63) <= v < 2**63 for v in values):
        return Column(ColumnType.INTEGER, pa.array(values, pa.int64()))
    # An integer beyond 2**53 would change as a double: such a column is text.
    if kinds == {float} or (kinds == {int, float} and all(_is_exact(v) for v in values)):
        return Column(ColumnType.FLOAT, pa.array(values, pa.float64()))
    return Column(ColumnType.VARCHAR, pa.array([None if v is None else as_text(v) for v in values], pa.string()))


def _text_or_timestamp(values: Sequence[str | None]) -> Column:
    array = pa.array(values, pa.string())
    is_timestamp = may_be_times(values) and as_timestamps(array) is not None
    return Column(ColumnType.TIMESTAMP if is_timestamp else ColumnType.VARCHAR, array)


def _is_exact(value: float | None) -> bool:
    return not isinstance(value, int) or -EXACT <= value <= EXACT


def _by_shape(objects: Sequence[JsonObject]) -> Iterator[_Leaves]:
    for keys, numbers in _alike(map(tuple, objects)).items():
        columns = list(zip(*(objects[number].values() for number in numbers), strict=True))
        if any(dict in set(map(type, column)) for column in columns):
            yield from _by_nested_shape(objects, numbers)
        else:
            yield tuple((key,) for key in keys), numbers, columns


def _by_nested_shape(objects: Sequence[JsonObject], numbers: list[int]) -> Iterator[_Leaves]:
    flat = [leaves(objects[number]) for number in numbers]
    for paths, indexes in _alike(map(tuple, flat)).items():
        columns = list(zip(*(flat[index].values() for index in indexes), strict=True))
        yield paths, [numbers[index] for index in indexes], columns


def _alike(shapes: Iterable[Any]) -> dict[Any, list[int]]:
    groups: dict[Any, list[int]] = {}
    for number, shape in enumerate(shapes):
        groups.setdefault(shape, []).append(number)
    return groups


def leaves(value: Mapping[str, Any]) -> dict[Path, Any]:
    """Returns the leaves in the order of the keys."""
    # No recursion: a log may hold objects that nest deeper than Python's stack.
    found: dict[Path, Any] = {}
    open_objects: list[tuple[Path, Iterator[tuple[str, Any]]]] = [((), iter(value.items()))]
    while open_objects:
        path, items = open_objects[-1]
        for key, item in items:
            if isinstance(item, dict):
                open_objects.append(((*path, key), iter(item.items())))
                break
            found[*path, key] = item
        else:
            open_objects.pop()
    return found


def _dense(pieces: _Parts, size: int) -> Sequence[Any]:
    if len(pieces) == 1 and len(pieces[0][0]) == size:
        return pieces[0][1]
    dense: list[Any] = [None] * size
    for numbers, values in pieces:
        for number, value in zip(numbers, values, strict=True):
            dense[number] = value
    return dense
