"""Errors for a name that means nothing, or several things: they list what there is."""

from collections.abc import Mapping, Sequence
from typing import Any

from tifo.kernel.errors import NotFound

MAX_LISTED = 20
"""Names that one message lists."""


def no_such(what: str, name: str, known: Sequence[str], *, make: str, field: str) -> NotFound:
    """Describes a name that nothing has. `make` is the command that makes the first one."""
    problem = f"There is no {what} {name!r:.100}."
    return NotFound(f"{problem} {_listed(known) if known else f'There is none at all: {make} makes one.'}", field=field)


def several(what: str, name: str, known: Mapping[Any, str], *, field: str) -> NotFound:
    """Describes a name that several things have. `known` says for each id what tells the thing from the others."""
    listed = [f"{each} ({mark})" for each, mark in known.items()]
    return NotFound(f"There are {len(known)} {what}s named {name!r:.100}. Give an id: {_joined(listed)}.", field=field)


def _listed(known: Sequence[str]) -> str:
    return f"Known are {_joined(known)}."


def _joined(names: Sequence[str]) -> str:
    more = f" and {len(names) - MAX_LISTED:,} more" if len(names) > MAX_LISTED else ""
    return f"{', '.join(f'{each:.100}' for each in names[:MAX_LISTED])}{more}"
