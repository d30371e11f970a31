"""Divides a group's pieces of work among the processes that are there. Pure."""

from collections.abc import Collection
from typing import NamedTuple


class Division(NamedTuple):
    """Says what a process does with the pieces that it holds."""

    stay: frozenset[str]
    leave: frozenset[str]
    """It stops these, and gives them back."""
    missing: int
    """The number of pieces that it may acquire in addition."""


def quota(pieces: int, members: int) -> int:
    """Returns how many pieces one process may hold. All quotas together are enough for all pieces."""
    return -(-pieces // members)


def divided(held: Collection[str], wanted: Collection[str], busy: Collection[str], members: int) -> Division:
    """Decides which of the `held` pieces stay with a process, if so many `members` share the `wanted` ones.

    It leaves those that it is not working at before those that are `busy`.
    """
    limit = quota(len(wanted), members)
    useful = sorted((piece for piece in held if piece in wanted), key=lambda piece: (piece not in busy, piece))
    stay = frozenset(useful[:limit])
    return Division(stay, frozenset(held) - stay, limit - len(stay))
