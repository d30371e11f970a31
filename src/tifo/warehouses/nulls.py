"""Finds the traits that a call sends as null, and the columns that such a null clears.

A null clears its trait's column of `users` and `accounts`; a trait that is absent clears nothing. A null for a nested
object clears every column that was flattened from the object.
"""

from collections.abc import Iterable, Mapping, Sequence

from tifo.kernel.json import JsonObject
from tifo.warehouses.columns import leaves
from tifo.warehouses.naming import NameOf, Path
from tifo.warehouses.source_naming import KeyNaming


class TraitNaming:
    """Names traits' columns as `naming` does, and notes from which objects each was flattened."""

    def __init__(self, naming: KeyNaming) -> None:
        self._naming = naming
        self.objects: dict[str, Sequence[str]] = {}
        """The names that stand for the objects, the outermost first, by nested column."""

    @property
    def asks(self) -> bool:
        return self._naming.asks

    @property
    def wanted(self) -> NameOf:
        return self._naming.wanted

    def __call__(self, paths: tuple[Path, ...], count: int = 1) -> tuple[str | None, ...]:
        columns = self._naming(paths, count)
        for path, column in zip(paths, columns, strict=True):
            if column is not None and len(path) > 1:
                self.objects[column] = [self.name_of(path[:depth]) for depth in range(1, len(path))]
        return columns

    def name_of(self, path: Path) -> str:
        """Returns the key's column. A key without one, as an object is, gets no column by this."""
        return self._naming.column_of(path) or self._naming.unused_name(path)


def sent_nulls(payloads: Iterable[tuple[int, JsonObject]], name_of: NameOf) -> dict[str, list[int]]:
    """Returns, for each column that a payload would clear, the numbers of the payloads that do."""
    nulls: dict[str, list[int]] = {}
    for number, payload in payloads:
        for path, value in leaves(payload).items():
            if value is None:
                nulls.setdefault(name_of(path), []).append(number)
    return nulls


def covering(column: str, nested: Mapping[str, Sequence[str]]) -> Sequence[str]:
    """Returns the names whose null clears the column: its own, and those of the objects that it was flattened from."""
    return (column, *nested.get(column, ()))
