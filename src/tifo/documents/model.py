"""Base struct and field types of file formats: the fields and types of such structs are the format."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Annotated, ClassVar

import msgspec

from tifo.kernel.errors import Rejected
from tifo.kernel.values import check_text


@dataclass(frozen=True)
class Refers:
    """Marks a text as a key of this section."""

    section: str


@dataclass(frozen=True)
class Checked:
    """Marks a field with its check: `by` gets value and field name, and returns the value or raises `Rejected`."""

    by: Callable[..., object]


@dataclass(frozen=True)
class Longest:
    """Marks a duration with its limit."""

    limit: timedelta


def one_of(*words: str) -> Checked:
    def check(value: str, field: str) -> str:
        if value not in words:
            raise Rejected(f"{field} is {value!r:.100}. Write one of {', '.join(words)}.", field=field)
        return value

    return Checked(check)


Name = Annotated[str, Checked(check_text)]


class Text(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One mapping of a file."""

    on_one_line: ClassVar[bool] = False
    """Whether the mapping is written between braces, on one line."""

    def clash(self) -> tuple[str, str] | None:
        """Returns the field that contradicts the others, and the problem; None if there is none."""
        return None
