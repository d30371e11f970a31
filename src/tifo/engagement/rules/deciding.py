"""Decides a play command: runs its handler on a turn."""

from collections.abc import Callable
from datetime import datetime
from typing import Any

from tifo.engagement import commands as c
from tifo.engagement.model import Game
from tifo.engagement.ports import BatchState, Decision
from tifo.engagement.rules import badges, ledger, profiles, user_quests
from tifo.engagement.turn import Turn
from tifo.kernel.ids import NewId


def decide(game: Game, state: BatchState, command: c.PlayCommand, now: datetime, new_id: NewId) -> Decision:
    """Raises `Rejected`, `NotFound` or `Conflict` with nothing changed."""
    turn = Turn(game, state, now, new_id)
    answer = _HANDLERS[type(command)](turn, command)
    return turn.decision(answer)


_HANDLERS: dict[type, Callable[[Turn, Any], object]] = {
    c.CreateProfile: profiles.create_profile,
    c.UpdateProfile: profiles.update_profile,
    c.InvokeAction: ledger.invoke_action,
    c.Credit: ledger.credit,
    c.Debit: ledger.debit,
    c.Transfer: ledger.transfer,
    c.AwardBadge: badges.award_badge,
    c.RevokeBadge: badges.revoke_badge,
    c.StartQuest: user_quests.start_quest,
    c.ProgressTask: user_quests.progress_task,
    c.ClaimQuestRewards: user_quests.claim_quest_rewards,
    c.ClaimQuestBadges: user_quests.claim_quest_badges,
    c.ChangeUserQuest: user_quests.change_user_quest,
    c.RemoveUserQuest: user_quests.remove_user_quest,
}
