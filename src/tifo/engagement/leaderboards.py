"""Leaderboards: how they are defined, and where fans stand on them.

Ranks are competition ranks: equal scores share one, and the next rank leaves out as many as shared it.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import NamedTuple

import msgspec

from tifo.engagement.commands import CreateLeaderboard, UpdateLeaderboard
from tifo.engagement.model import Game, Leaderboard
from tifo.engagement.references import chosen_id
from tifo.engagement.references import known as known_live
from tifo.engagement.values import check_text
from tifo.kernel.errors import Conflict, NotFound, Rejected
from tifo.kernel.ids import LeaderboardId, NewId, ProfileId, ProgramId

MAX_PROGRAMS = 1_000


def create(command: CreateLeaderboard, game: Game, now: datetime, new_id: NewId) -> Leaderboard:
    known_live(game.reward_items, command.reward_item_id, "reward item", "reward_item_id")
    return Leaderboard(
        id=LeaderboardId(chosen_id(command.id, game, new_id)),
        name=command.name,
        key=command.key,
        reward_item_id=command.reward_item_id,
        created_at=now,
        custom_id=_custom_id(game, command.custom_id, None),
        program_ids=_programs(game, command.program_ids or (game.application.default_program_id,)),
        is_locked=command.is_locked,
        attributes=command.attributes,
    )


def change(command: UpdateLeaderboard, game: Game, _now: datetime, _new_id: NewId) -> Leaderboard:
    board = known(game, command.leaderboard_id)
    return msgspec.structs.replace(
        board,
        name=board.name if command.name is None else command.name,
        custom_id=board.custom_id if command.custom_id is None else _custom_id(game, command.custom_id, board),
        program_ids=board.program_ids if command.program_ids is None else _programs(game, command.program_ids),
        is_locked=board.is_locked if command.is_locked is None else command.is_locked,
        attributes=board.attributes if command.attributes is None else command.attributes,
    )


def known(game: Game, leaderboard_id: LeaderboardId) -> Leaderboard:
    board = game.leaderboards.get(leaderboard_id)
    if board is None:
        raise NotFound(f"There is no leaderboard {leaderboard_id!r:.100} in this application.", field="leaderboard_id")
    return board


class Standing(NamedTuple):
    """A fan's place."""

    profile_id: ProfileId
    score: int
    rank: int
    """From 1."""


def ranked(scores: Mapping[ProfileId, int]) -> list[Standing]:
    """All standings of these scores: what every `Standings` must agree with."""
    ordered = sorted(scores.items(), key=lambda each: (-each[1], each[0]))
    found: list[Standing] = []
    for place, (profile_id, score) in enumerate(ordered, start=1):
        shared = found and found[-1].score == score
        found.append(Standing(profile_id, score, found[-1].rank if shared else place))
    return found


def percentile(rank: int, count: int) -> str:
    """The share, in percent, of those on the leaderboard who rank no higher: `100.00` for the first."""
    return f"{100 * (count - rank + 1) / count:.2f}"


def _custom_id(game: Game, custom_id: str | None, board: Leaderboard | None) -> str | None:
    if custom_id is None:
        return None
    taken = next((each for each in game.leaderboards.values() if each.custom_id == custom_id), None)
    if taken is not None and (board is None or taken.id != board.id):
        raise Conflict(
            f"A leaderboard with the custom_id {custom_id!r:.100} exists. Choose another one.", field="custom_id"
        )
    return check_text(custom_id, "custom_id")


def _programs(game: Game, program_ids: Iterable[ProgramId]) -> tuple[ProgramId, ...]:
    once = tuple(dict.fromkeys(program_ids))
    if len(once) > MAX_PROGRAMS:
        raise Rejected(f"program_ids has {len(once):,} parts; at most {MAX_PROGRAMS:,} are taken.", field="program_ids")
    for program_id in once:
        known_live(game.programs, program_id, "program", "program_ids")
    return once
