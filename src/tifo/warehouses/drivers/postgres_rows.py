"""Finds the values for which a PostgreSQL row has no room.

A row takes at most 8,160 bytes. PostgreSQL moves texts out of it, where a pointer of 18 bytes stays, but no numbers,
times, booleans and short texts. The widest values give way first; of values of one width those of later columns.
"""

from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

MAX_ROW_BYTES = 8_160
"""PostgreSQL's MaxHeapTupleSize, for pages of 8 kB."""
MAX_KEY_BYTES = 2_600
"""A B-tree's entry takes at most 2,704 bytes, its header included."""
POINTER_BYTES = 18
COMPRESSED_BYTES = 28
"""A text that compresses to 24 bytes or fewer stays in the row, with a header that is aligned."""
_HEADER_BYTES = 23
_INLINE_BYTES = 24
"""PostgreSQL moves no text of so few bytes out of a row."""
_ALIGNED = {"c": 1, "s": 2, "i": 4, "d": 8}

Width = tuple[int, int]
"""The bytes of a value, and the multiple at which it begins."""


class StoredColumn(NamedTuple):
    """Describes a stored column, in the order of the row."""

    name: str
    number: int
    length: int
    """Bytes; -1 for a type whose values differ in length."""
    align: str


class RowWidths:
    """Measures rows of one table. `moved_bytes` is what stays in the row of a text that is moved out."""

    def __init__(self, attributes: Sequence[StoredColumn], moved_bytes: int, reserved_bytes: int = 0) -> None:
        self._attributes = attributes
        self._moved_bytes = moved_bytes
        self._limit = MAX_ROW_BYTES - reserved_bytes
        bitmap_bytes = (max(each.number for each in attributes) + 7) // 8
        self._header = _up(_HEADER_BYTES + bitmap_bytes, 8)

    def excess(
        self, rows: pa.Table, always: Collection[str], stored: Mapping[str, Mapping[str, int]] | None = None
    ) -> dict[str, pa.Array]:
        """Says for each column of the rows which of its values have no room. Columns in `always` have.

        `stored` has, by id, the bytes of the stored row's values: those stay where the rows have none.
        """
        widths = {name: self._widths(rows[name]) for name in rows.column_names}
        given_way: dict[str, list[int]] = {}
        for number in self._wide(rows, widths, stored):
            row_id = rows["id"][number].as_py()
            own = {name: int(each[number]) for name, each in widths.items() if each[number]}
            for name in self._too_wide(own, (stored or {}).get(row_id, {}), always):
                given_way.setdefault(name, []).append(number)
        return {name: _mask(len(rows), numbers) for name, numbers in given_way.items()}

    def _widths(self, values: pa.ChunkedArray) -> np.ndarray:
        """Returns the bytes in the row of each value; 0 for null."""
        is_there = values.is_valid().to_numpy()
        if not pa.types.is_string(values.type):
            return np.where(is_there, 1 if pa.types.is_boolean(values.type) else 8, 0)
        lengths = pc.fill_null(pc.binary_length(values), 0).to_numpy()
        return np.where(is_there, self._in_row(lengths + 1), 0)

    def _in_row(self, varlena: np.ndarray) -> np.ndarray:
        return np.where(varlena > _INLINE_BYTES, self._moved_bytes, varlena)

    def _wide(
        self, rows: pa.Table, widths: Mapping[str, np.ndarray], stored: Mapping[str, Mapping[str, int]] | None
    ) -> Sequence[int]:
        """Returns the numbers of the rows that may be too wide: with the gaps that alignment can make."""
        totals = np.sum([*widths.values()], axis=0) + np.sum([each > 0 for each in widths.values()], axis=0) * 7
        if stored:
            ids = rows["id"].to_pylist()
            totals = totals + np.array([self._most(stored.get(row_id, {})) for row_id in ids])
        return [int(number) for number in np.flatnonzero(totals + self._header > self._limit)]

    def _most(self, stored: Mapping[str, int]) -> int:
        return int(sum(self._in_row(np.array([*stored.values()])))) + 7 * len(stored) if stored else 0

    def _too_wide(self, own: Mapping[str, int], stored: Mapping[str, int], always: Collection[str]) -> list[str]:
        place = {each.name: number for number, each in enumerate(self._attributes)}
        candidates = sorted((name for name in own if name not in always), key=lambda name: (-own[name], -place[name]))
        kept_back = {name: int(self._in_row(np.array(size))) for name, size in stored.items()}
        given_way = 0
        while (over := self._bytes({**kept_back, **own}) - self._limit) > 0 and given_way < len(candidates):
            own = dict(own)
            while over > 0 and given_way < len(candidates):
                over -= own.pop(candidates[given_way])
                given_way += 1
        return candidates[:given_way]

    def _bytes(self, row: Mapping[str, int]) -> int:
        end = 0
        for each in self._attributes:
            width = row.get(each.name, 0)
            if width:
                # A short text has a header of one byte, and begins anywhere.
                align = _ALIGNED[each.align] if each.length > 0 or width == COMPRESSED_BYTES else 1
                # A value of a column that somebody retyped comes as text, and is cast later.
                end = _up(end, align) + max(each.length, width)
        return _up(self._header + end, 8)


def _up(number: int, multiple: int) -> int:
    return -(-number // multiple) * multiple


def _mask(size: int, numbers: Sequence[int]) -> pa.Array:
    mask = np.zeros(size, dtype=bool)
    mask[numbers] = True
    return pa.array(mask)
