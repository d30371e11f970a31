"""Reads the query string as LiveLike's SDK writes it: repeated names, stray `&`, times, attribute filters."""

from collections.abc import Sequence
from datetime import datetime
from urllib.parse import parse_qsl

from tifo.engagement.model import Attribute, Attributes
from tifo.kernel.clock import from_iso
from tifo.kernel.errors import Rejected

MAX_PARAMETERS = 200
"""Our limit: enough for 100 ids and every filter."""


class Query:
    """Reads one query string, in which a name may stand several times."""

    def __init__(self, raw: bytes) -> None:
        try:
            self.pairs = parse_qsl(raw.decode("latin-1"), keep_blank_values=True, max_num_fields=MAX_PARAMETERS)
        except ValueError as exc:
            raise Rejected(f"The query string holds more than {MAX_PARAMETERS} parameters.") from exc
        # PostgreSQL refuses a NUL in a text, SQLite does not; both must answer alike.
        if any("\0" in value for _, value in self.pairs):
            raise Rejected("The query string holds a NUL character.")

    def all(self, name: str) -> list[str]:
        """Returns every value that is not empty, in order."""
        return [v for n, v in self.pairs if n == name and v]

    def one(self, name: str) -> str | None:
        """Returns the last value, which is the one that Django uses."""
        values = self.all(name)
        return values[-1] if values else None

    def required(self, name: str) -> str:
        value = self.one(name)
        if value is None:
            raise Rejected("This query parameter is required.", field=name)
        return value

    def choice(self, name: str, choices: Sequence[str]) -> str | None:
        value = self.one(name)
        if value is not None and value not in choices:
            raise Rejected(f"{value[:64]!r} is not one of {', '.join(choices)}.", field=name)
        return value

    def moment(self, name: str) -> datetime | None:
        value = self.one(name)
        if value is None:
            return None
        try:
            # The SDK does not escape the `+` of an offset, which arrives as a space.
            return from_iso(value.replace(" ", "+") if "T" in value else value)
        except (ValueError, OverflowError) as exc:
            raise Rejected(f"{value[:64]!r} is no ISO 8601 time.", field=name) from exc

    def attributes(self) -> Attributes:
        """Reads each `attributes=key:value`; the value may hold colons."""
        # LiveLike: several attributes narrow the list; a row must have all of them.
        pairs = (pair.partition(":") for pair in self.all("attributes"))
        return tuple(Attribute(key=key, value=value) for key, _, value in pairs)

    def matches_attributes(self, attributes: Attributes) -> bool:
        """Says whether every `attributes=key:value` of the query is among them."""
        return set(self.attributes()) <= set(attributes)
