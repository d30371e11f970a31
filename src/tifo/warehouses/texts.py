"""Writes values as text, the same in every warehouse, whether they were text in their load or widened later.

| value | text |
| --- | --- |
| number | ECMAScript's: `1` (also for `1.0`), `0.1`, `1e-7`; but `-0`, and no plus in `1e21` |
| timestamp | UTC with `Z`, and as many decimals as it needs: none, three or six |
| boolean | `true`, `false` |
| array | its JSON |

A warehouse's column cannot say whether `1` or `1.0` was sent, so one text stands for both. The drivers' SQL
(`Dialect.text`) writes the same texts.
"""

from decimal import Decimal
from typing import Any

import msgspec
import pyarrow as pa
import pyarrow.compute as pc

from tifo.warehouses.timestamps import TIMESTAMP, are_times, as_timestamps, looks_like_time

LEAST_PLAIN, LEAST_POWER = 1e-6, 1e21
"""Numbers from the first, and below the second, are written without an exponent."""


def as_text(value: Any) -> str:
    if isinstance(value, str):
        return value
    return number_text(value) if isinstance(value, float) else msgspec.json.encode(value).decode()


def number_text(value: float) -> str:
    text = repr(value)
    mantissa, e, exponent = text.partition("e")
    if not e:
        return text.removesuffix(".0")
    if LEAST_PLAIN <= abs(value) < LEAST_POWER:
        return f"{Decimal(text):f}"
    return f"{mantissa}e{int(exponent)}"


def texts_of(values: pa.ChunkedArray) -> pa.ChunkedArray:
    """Writes a column of any of our types as text. Strings stay."""
    if pa.types.is_floating(values.type):
        return _number_texts(values)
    if pa.types.is_timestamp(values.type):
        return timestamp_texts(values)
    return pc.cast(values, pa.string())


def timestamp_texts(moments: pa.Array | pa.ChunkedArray) -> pa.Array | pa.ChunkedArray:
    texts = pc.cast(pc.cast(moments, TIMESTAMP), pa.string())  # 2026-11-28 10:00:00.123000Z
    texts = pc.replace_substring_regex(texts, r"^(\d+-\d+-\d+) ", r"\1T")
    return pc.replace_substring_regex(pc.replace_substring_regex(texts, r"000Z$", "Z"), r"\.000Z$", "Z")


def as_if_alone(texts: pa.ChunkedArray) -> pa.ChunkedArray:
    """Writes the leading times in the texts' common form, as if each value had come in a load of its own.

    The first of them would have made a column of timestamps, which the first other text then makes text: what came
    before is written from the timestamps, and what comes after it stays as it was sent.
    """
    leading = leading_times(texts)
    times = as_timestamps(texts.slice(0, leading)) if leading else None
    if times is None:
        return texts
    return pa.chunked_array([*timestamp_texts(times).chunks, *texts.slice(leading).chunks], pa.string())


def leading_times(texts: pa.ChunkedArray) -> int:
    """Returns the number of rows before the first text that is no time."""
    sent = texts.drop_null()
    if not len(sent) or not looks_like_time(sent[0].as_py()):
        return 0
    is_time = are_times(texts)
    first_other = pc.index(is_time, pa.scalar(False)).as_py()
    return len(texts) if first_other < 0 else int(first_other)


def _number_texts(numbers: pa.ChunkedArray) -> pa.ChunkedArray:
    texts = pc.cast(numbers, pa.string())
    # Arrow writes ECMAScript's text but for large numbers: `1e+15`.
    if not pc.any(pc.match_substring(texts, "e+")).as_py():
        return texts
    return pa.chunked_array(
        [pa.array([None if n is None else number_text(n) for n in numbers.to_pylist()], pa.string())]
    )
