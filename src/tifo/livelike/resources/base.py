"""Resources share this base struct and these field types."""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, TypeVar

import msgspec

from tifo.kernel.clock import to_iso
from tifo.kernel.errors import Transient

K = TypeVar("K")
V = TypeVar("V")

Id = Annotated[str, msgspec.Meta(examples=["01976a4e-7c2b-7e3a-9d51-0a6f3f1f5b11"])]
Url = Annotated[str, msgspec.Meta(examples=["https://fans.example.com/api/v1/…"])]
# LiveLike's examples have times of mixed precision; Tifo's have milliseconds.
Time = Annotated[str, msgspec.Meta(examples=["2026-11-24T18:00:00.000Z"], extra_json_schema={"format": "date-time"})]
Unused = tuple[()]
"""A list that LiveLike fills and Tifo leaves empty."""


# Resources never refer to each other in circles, so the garbage collector need not track them.
class Resource(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A JSON object of an answer. The document requires every field but those that may be UNSET."""


def time_or_none(moment: datetime | None) -> str | None:
    return None if moment is None else to_iso(moment)


def known(definitions: Mapping[K, V], key: K) -> V:
    """Raises `Transient` for a definition that another process made and this one has not read yet."""
    try:
        return definitions[key]
    except KeyError as exc:
        raise Transient(f"The definition {key} is not known here yet.") from exc
