"""Base classes of the commands."""

from typing import Generic, TypeVar

import msgspec

from tifo.kernel.ids import ClientId

# The type of a command's answer: engines return it, and stored answers are decoded by it.
A_co = TypeVar("A_co", covariant=True)


class Command(msgspec.Struct, Generic[A_co], frozen=True, kw_only=True):
    client_id: ClientId


Unset = msgspec.UnsetType
"""Type of an update's field that was not sent: the definition keeps its value. None, as a value, empties the field."""


class Create(Command[A_co], frozen=True, kw_only=True):
    name: str
    key: str | None = None
    """The command is refused with 409 if another live definition of this kind has the key."""
    id: str | None = None
    """The caller may choose a UUID; None makes a new one."""
