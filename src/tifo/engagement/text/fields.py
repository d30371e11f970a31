"""Translates the parts of a file of rules into the fields of commands: keys become ids, texts become values."""

from collections.abc import Iterable, Mapping
from typing import Any

from tifo.engagement import commands as c
from tifo.engagement.model import Attribute, Attributes, Condition, RateLimit, RewardLimit, SegmentTrigger
from tifo.engagement.text.document import (
    ActionText,
    AttributeText,
    BadgeText,
    EntryText,
    LeaderboardText,
    QuestText,
    TableText,
    TaskText,
    TriggerText,
)
from tifo.kernel.ids import NewId


class CommandFields:
    """Translates parts that refer to definitions. `ids` are those of the definitions that exist, by section and key."""

    def __init__(self, ids: Mapping[tuple[str, str], Any], new_id: NewId) -> None:
        self._ids = dict(ids)
        self._new_id = new_id

    def id_of(self, section: str, key: str) -> Any:
        """Returns the id of a definition, which may be made by an earlier command."""
        # Chosen here and sent with the command that makes it, so that later commands of the same list can refer to it.
        if (section, key) not in self._ids:
            self._ids[section, key] = self._new_id()
        return self._ids[section, key]

    def item_id(self, key: str) -> Any:
        return self.id_of("reward_items", key)

    def action(self, text: ActionText) -> dict[str, Any]:
        return {
            "description": text.description,
            "trigger": None if text.segment is None else self._trigger(text.segment),
        }

    def _trigger(self, text: TriggerText) -> SegmentTrigger:
        conditions = (
            Condition(property=each.property, operator=each.operator, value=each.value) for each in text.properties
        )
        return SegmentTrigger(
            # Not in `ids`: the id of a deleted source, which stands for itself.
            source_id=self._ids.get(("sources", text.source), text.source),
            event=text.event,
            conditions=tuple(conditions),
            program_id=None if text.program is None else self.id_of("programs", text.program),
            create_profiles=text.create_profiles,
        )

    def leaderboard(self, text: LeaderboardText) -> dict[str, Any]:
        return {
            "custom_id": text.custom_id,
            "program_ids": self.program_ids(text),
            "is_locked": text.locked,
            "attributes": attributes(text.attributes),
        }

    def entry(self, text: EntryText, entry_id: Any) -> c.NewEntry:
        rate, reward = text.rate_limit, text.reward_limit
        unit, duration = (None if limit is None else limit.per for limit in (rate, reward))
        return c.NewEntry(
            reward_item_id=self.item_id(text.item),
            reward_item_amount=text.amount,
            action_key=text.action,
            rate_limit=None if rate is None else RateLimit(frequency=rate.times, unit=unit),  # type: ignore[arg-type]
            reward_limit=None
            if reward is None
            else RewardLimit(action_limit_count=reward.times, duration=duration, timezone=reward.timezone),  # type: ignore[arg-type]
            id=entry_id,
        )

    def program_ids(self, text: TableText | LeaderboardText) -> tuple[Any, ...]:
        return tuple(self.id_of("programs", key) for key in text.programs)

    def badge(self, text: BadgeText) -> dict[str, Any]:
        progressions = (
            c.NewProgression(reward_item_id=self.item_id(each.item), reward_item_threshold=each.threshold)
            for each in text.progressions
        )
        return {
            "description": text.description,
            "image_url": text.image_url,
            "progressions": tuple(progressions),
            "attributes": attributes(text.attributes),
        }

    def quest(self, text: QuestText) -> dict[str, Any]:
        return {
            "description": text.description,
            "started_at": text.started_at,
            "stopped_at": text.stopped_at,
            "timeout": text.timeout,
            "badge_ids": tuple(self.id_of("badges", key) for key in text.badges),
            "attributes": attributes(text.attributes),
        }

    def quest_rewards(self, text: QuestText) -> tuple[c.NewQuestReward, ...]:
        return tuple(
            c.NewQuestReward(reward_item_id=self.item_id(each.item), reward_item_amount=each.amount)
            for each in text.rewards
        )


def task_fields(text: TaskText) -> dict[str, Any]:
    return {
        "name": text.name,
        "key": text.key,
        "description": text.description,
        "target_value": text.target,
        "default_progress_increment": text.increment,
        "reward_action_key": text.action,
        "attributes": attributes(text.attributes),
    }


def attributes(texts: Iterable[AttributeText]) -> Attributes:
    return tuple(Attribute(each.key, each.value) for each in texts)
