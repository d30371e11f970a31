"""Ranks fans on leaderboards by their scores.

Ranks are competition ranks: equal scores share a rank, and the next rank skips as many places as share it.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from tifo.engagement.model import Game, Leaderboard
from tifo.kernel.errors import NotFound
from tifo.kernel.ids import LeaderboardId, ProfileId


def known(game: Game, leaderboard_id: LeaderboardId) -> Leaderboard:
    board = game.leaderboards.get(leaderboard_id)
    if board is None:
        raise NotFound(f"There is no leaderboard {leaderboard_id!r:.100} in this application.", field="leaderboard_id")
    return board


class Standing(NamedTuple):
    """One fan's place on a leaderboard."""

    profile_id: ProfileId
    score: int
    rank: int
    """Counted from 1."""


class Places(NamedTuple):
    """Some fans' places on a leaderboard, and how many fans are on it, both at one moment."""

    standings: Sequence[Standing]
    total: int


def ranked(scores: Mapping[ProfileId, int]) -> list[Standing]:
    """Sorts the scores into standings. Every implementation of `Standings` must agree with this."""
    # Ours: LiveLike documents no order of ties. A fixed one keeps pages from shuffling.
    ordered = sorted(scores.items(), key=lambda each: (-each[1], each[0]))
    found: list[Standing] = []
    for place, (profile_id, score) in enumerate(ordered, start=1):
        shared = found and found[-1].score == score
        found.append(Standing(profile_id, score, found[-1].rank if shared else place))
    return found


def percentile(rank: int, count: int) -> str:
    """Returns the percentage of fans on the leaderboard who rank no higher: `100.00` for the first."""
    # Ours: LiveLike shows `0.000` for the first, with three decimals.
    return f"{100 * (count - rank + 1) / count:.2f}"
