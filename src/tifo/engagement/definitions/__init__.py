"""Definitions: checks and makes what a producer defines (programs, items, actions, tables, badges, quests, boards)."""

from tifo.engagement.definitions.defining import apply, define, digest
from tifo.engagement.definitions.quests import MAX_QUEST_BADGES, MAX_TIMEOUT
from tifo.engagement.definitions.reward_tables import MAX_LIMIT
from tifo.engagement.definitions.shared import MAX_PARTS

__all__ = ["MAX_LIMIT", "MAX_PARTS", "MAX_QUEST_BADGES", "MAX_TIMEOUT", "apply", "define", "digest"]
