"""Runs a definition command: its handler makes the definition, which is then checked as a whole.

A new definition and a changed one pass the same check.
"""

import hashlib
from collections.abc import Callable
from datetime import datetime
from typing import Any

import msgspec

from tifo.engagement import commands as c
from tifo.engagement import model
from tifo.engagement.definitions import (
    applications,
    archiving,
    badges,
    leaderboards,
    quests,
    reward_tables,
    rewards,
)
from tifo.engagement.definitions.shared import DefinitionContext
from tifo.engagement.model import Definition, Game
from tifo.kernel.errors import Conflict, Rejected
from tifo.kernel.ids import NewId


def define(game: Game, command: c.DefinitionCommand, now: datetime, new_id: NewId) -> Definition:
    """Makes the new definition, or the one that replaces another with its id.

    Raises `Rejected` for an impossible value, `NotFound` for an id that is not one of the application's live ones,
    `Conflict` for a key that is in use, or for archiving a definition that a live one uses.
    """
    definition = _HANDLERS[type(command)](DefinitionContext(game, now, new_id), command)
    # An archived definition is out of play: what it refers to may be archived too, and needs no check.
    return definition if isinstance(command, c.Archive) else _CHECKS[type(definition)](definition, game)


def apply(game: Game, command: c.ApplyDefinitions, now: datetime, new_id: NewId) -> tuple[Game, tuple[Definition, ...]]:
    """Runs all commands, and returns the game after them with the definition that each made.

    Raises what `define` raises; the message then begins with the command's number.
    """
    if command.expected is not None and command.expected != digest(game):
        raise Conflict("The game has changed since these changes were planned. Plan them again.", field="expected")
    made: list[Definition] = []
    for number, each in enumerate(command.commands, 1):
        try:
            made.append(define(game, each, now, new_id))
        except Rejected as error:
            # The error keeps its type, code and field: a route answers with them.
            error.message = f"{type(each).__name__} (change {number}): {error.message}"
            raise
        game = game.with_(made[-1])
    return game, tuple(made)


def digest(game: Game) -> str:
    """Identifies the definitions: equal in every process for equal definitions."""
    # Not Python's hash, which differs from process to process.
    return hashlib.sha256(msgspec.json.encode((game.application, game.definitions))).hexdigest()


_HANDLERS: dict[type, Callable[[DefinitionContext, Any], Definition]] = {
    c.UpdateApplication: applications.update_application,
    c.CreateProgram: applications.create_program,
    c.UpdateProgram: applications.update_program,
    c.CreateRewardItem: rewards.create_reward_item,
    c.UpdateRewardItem: rewards.update_reward_item,
    c.CreateRewardAction: rewards.create_reward_action,
    c.UpdateRewardAction: rewards.update_reward_action,
    c.CreateRewardTable: reward_tables.create_reward_table,
    c.UpdateRewardTable: reward_tables.update_reward_table,
    c.LinkRewardTable: reward_tables.link_reward_table,
    c.UnlinkRewardTable: reward_tables.unlink_reward_table,
    c.AddRewardTableEntry: reward_tables.add_reward_table_entry,
    c.ChangeRewardTableEntry: reward_tables.change_reward_table_entry,
    c.RemoveRewardTableEntry: reward_tables.remove_reward_table_entry,
    c.CreateBadge: badges.create_badge,
    c.UpdateBadge: badges.update_badge,
    c.CreateQuest: quests.create_quest,
    c.UpdateQuest: quests.update_quest,
    c.AddQuestTask: quests.add_quest_task,
    c.UpdateQuestTask: quests.update_quest_task,
    c.RemoveQuestTask: quests.remove_quest_task,
    c.AddQuestRewards: quests.add_quest_rewards,
    c.RemoveQuestReward: quests.remove_quest_reward,
    c.CreateLeaderboard: leaderboards.create_leaderboard,
    c.UpdateLeaderboard: leaderboards.update_leaderboard,
    c.Archive: archiving.archive,
}

_CHECKS: dict[type, Callable[[Any, Game], Definition]] = {
    model.Application: applications.check_application,
    model.Program: applications.check_program,
    model.RewardItem: rewards.check_reward_item,
    model.RewardAction: rewards.check_reward_action,
    model.RewardTable: reward_tables.check_reward_table,
    model.Badge: badges.check_badge,
    model.Quest: quests.check_quest,
    model.Leaderboard: leaderboards.check_leaderboard,
}
