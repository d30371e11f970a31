"""The bodies of requests share these field types.

Ids are strings and amounts whole numbers. Task progress may be a fraction or a text, as in LiveLike's samples.
"""

from decimal import Decimal
from typing import Annotated, TypeVar

import msgspec

from tifo.engagement.model import Attribute
from tifo.engagement.values import MAX_AMOUNT, MAX_DECIMALS, MAX_QUANTITY
from tifo.kernel.errors import Rejected

Name = Annotated[str, msgspec.Meta(min_length=1, max_length=255)]
Text = Annotated[str, msgspec.Meta(max_length=20_000)]
Address = Annotated[str, msgspec.Meta(max_length=2_048)]
Amount = Annotated[int, msgspec.Meta(ge=-MAX_AMOUNT, le=MAX_AMOUNT)]
# LiveLike: an attribute's key and value have at most 200 characters. Tifo does not limit them by themselves.
Attributes = Annotated[tuple[Attribute, ...], msgspec.Meta(max_length=100)]
S = TypeVar("S")
Several = Annotated[tuple[S, ...], msgspec.Meta(max_length=1_000)]


def check_quantity(name: str, value: Decimal | None) -> None:
    """Raises `Rejected` for an amount of progress that a JSON number or the database could not hold exactly."""
    if value is None:
        return
    if not value.is_finite() or abs(value) > MAX_QUANTITY or value != round(value, MAX_DECIMALS):
        raise Rejected(f"Must be a number of at most 10^15 with at most {MAX_DECIMALS} decimals.", field=name)
