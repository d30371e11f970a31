"""Defines leaderboards."""

from collections.abc import Iterable

from msgspec.structs import replace

from tifo.engagement.commands import CreateLeaderboard, UpdateLeaderboard
from tifo.engagement.definitions.shared import DefinitionContext, check_named, distinct
from tifo.engagement.leaderboards import known as known_leaderboard
from tifo.engagement.model import Game, Leaderboard
from tifo.engagement.references import known, known_item
from tifo.engagement.values import check_text
from tifo.kernel.errors import Conflict, Rejected
from tifo.kernel.ids import LeaderboardId, ProgramId

MAX_PROGRAMS = 1_000
"""Programs that a leaderboard is listed with. Our limit."""


def create_leaderboard(context: DefinitionContext, command: CreateLeaderboard) -> Leaderboard:
    game = context.game
    # An update cannot change the item, so only a new leaderboard is checked for it.
    known_item(game, command.reward_item_id)
    return Leaderboard(
        id=LeaderboardId(context.id(command.id)),
        name=command.name,
        key=command.key,
        reward_item_id=command.reward_item_id,
        created_at=context.now,
        custom_id=_custom_id(game, command.custom_id, None),
        program_ids=_programs(game, command.program_ids or (game.application.default_program_id,)),
        is_locked=command.is_locked,
        attributes=command.attributes,
    )


def update_leaderboard(context: DefinitionContext, command: UpdateLeaderboard) -> Leaderboard:
    game = context.game
    board = known_leaderboard(game, command.leaderboard_id)
    return replace(
        board,
        name=board.name if command.name is None else command.name,
        custom_id=board.custom_id if command.custom_id is None else _custom_id(game, command.custom_id, board),
        program_ids=board.program_ids if command.program_ids is None else _programs(game, command.program_ids),
        is_locked=board.is_locked if command.is_locked is None else command.is_locked,
        attributes=board.attributes if command.attributes is None else command.attributes,
    )


def check_leaderboard(board: Leaderboard, game: Game) -> Leaderboard:
    return check_named(board, game.leaderboards)


def _custom_id(game: Game, custom_id: str | None, board: Leaderboard | None) -> str | None:
    if custom_id is None:
        return None
    # `leaderboards` holds live ones only: the custom id of an archived one is free again.
    other = next((each for each in game.leaderboards.values() if each.custom_id == custom_id), None)
    if other is not None and (board is None or other.id != board.id):
        raise Conflict(
            f"A leaderboard with the custom_id {custom_id!r:.100} exists. Choose another one.", field="custom_id"
        )
    return check_text(custom_id, "custom_id")


def _programs(game: Game, program_ids: Iterable[ProgramId]) -> tuple[ProgramId, ...]:
    once = distinct(program_ids)
    if len(once) > MAX_PROGRAMS:
        raise Rejected(
            f"program_ids has {len(once):,} parts; at most {MAX_PROGRAMS:,} are accepted.", field="program_ids"
        )
    for program_id in once:
        known(game.programs, program_id, "program", "program_ids")
    return once
