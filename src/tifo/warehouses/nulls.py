"""Finds the traits that a call sends as null, and the columns that such a null clears.

A null clears its trait's column of `users` and `accounts`; a trait that is absent clears nothing. A null for a nested
object clears every column that was flattened from the object.
"""

from collections.abc import Iterable, Mapping, Sequence

from tifo.kernel.json import JsonObject
from tifo.warehouses.columns import leaves
from tifo.warehouses.naming import Naming, Path


class NestedNames:
    """Names columns as `names` does, and notes from which objects each was flattened."""

    def __init__(self, names: Naming) -> None:
        self._names = names
        self.objects: dict[str, Sequence[str]] = {}
        """The names that the objects' own columns would have, the outermost first, by nested column."""

    def __call__(self, paths: tuple[Path, ...]) -> tuple[str, ...]:
        columns = self._names(paths)
        for path, column in zip(paths, columns, strict=True):
            if len(path) > 1:
                self.objects[column] = [self._names((path[:depth],))[0] for depth in range(1, len(path))]
        return columns


def sent_nulls(payloads: Iterable[tuple[int, JsonObject]], names: Naming) -> dict[str, list[int]]:
    """Returns, for each column that a payload would clear, the numbers of the payloads that do."""
    nulls: dict[str, list[int]] = {}
    for number, payload in payloads:
        values = leaves(payload)
        if None in values.values():
            for column, value in zip(names(tuple(values)), values.values(), strict=True):
                if value is None:
                    nulls.setdefault(column, []).append(number)
    return nulls


def covering(column: str, nested: Mapping[str, Sequence[str]]) -> Sequence[str]:
    """Returns the names whose null clears the column: its own, and those of the objects that it was flattened from."""
    return (column, *nested.get(column, ()))
