"""Describes a game's rules as they are, in the form of a file."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from tifo.engagement.model import (
    Attributes,
    Badge,
    Game,
    Leaderboard,
    Quest,
    QuestTask,
    RewardAction,
    RewardTable,
    RewardTableEntry,
    SegmentTrigger,
    is_live,
)
from tifo.engagement.text.document import (
    SECTIONS,
    ActionText,
    ApplicationText,
    AttributeText,
    BadgeText,
    ConditionText,
    Document,
    EntryText,
    ItemText,
    LeaderboardText,
    ProgramText,
    ProgressionText,
    QuestText,
    RateLimitText,
    RewardLimitText,
    RewardText,
    TableText,
    TaskText,
    TriggerText,
)
from tifo.engagement.text.keys import Keys
from tifo.kernel.ids import SourceId


def describe(game: Game, slugs: Mapping[SourceId, str] = MappingProxyType({})) -> Document:
    """Describes every live definition, in the order in which they were made.

    `slugs` are those of the sources that trigger actions. A source without one, because it is deleted, stands there by
    its id.
    """
    keys = Keys(game)
    describing = _Describer(keys, slugs)
    sections = {
        section: {key: getattr(describing, section)(each) for key, each in keys.named[section].items()}
        for section in SECTIONS
    }
    application = ApplicationText(
        name=game.application.name,
        automatic_quest_processing=game.application.automatic_quest_processing,
        auto_claim_quest_rewards=game.application.auto_claim_quest_rewards,
    )
    return Document(application=application, **sections)


class _Describer:
    """Describes definitions by one method a section, which is named after it."""

    def __init__(self, keys: Keys, slugs: Mapping[SourceId, str]) -> None:
        self._slugs = slugs
        # A live definition refers to live ones only (`archive` refuses others), so each of them has a key here.
        self._key = keys.of

    def programs(self, program: Any) -> ProgramText:
        return ProgramText(name=program.name)

    def reward_items(self, item: Any) -> ItemText:
        return ItemText(name=item.name, attributes=_attributes(item.attributes))

    def reward_actions(self, action: RewardAction) -> ActionText:
        trigger = action.trigger
        return ActionText(
            name=action.name,
            description=action.description,
            segment=None if trigger is None else self._trigger(trigger),
        )

    def _trigger(self, trigger: SegmentTrigger) -> TriggerText:
        conditions = (
            ConditionText(property=each.property, operator=each.operator, value=each.value)
            for each in trigger.conditions
        )
        return TriggerText(
            source=self._slugs.get(trigger.source_id, trigger.source_id),
            event=trigger.event,
            properties=tuple(conditions),
            program=None if trigger.program_id is None else self._key.get(trigger.program_id),
            create_profiles=trigger.create_profiles,
        )

    def reward_tables(self, table: RewardTable) -> TableText:
        programs = tuple(self._key[each] for each in table.program_ids)
        return TableText(name=table.name, programs=programs, entries=tuple(map(self._entry, table.entries)))

    def _entry(self, entry: RewardTableEntry) -> EntryText:
        rate, reward = entry.rate_limit, entry.reward_limit
        return EntryText(
            action=entry.action_key,
            item=self._key[entry.reward_item_id],
            amount=entry.reward_item_amount,
            rate_limit=None if rate is None else RateLimitText(times=rate.frequency, per=rate.unit),
            reward_limit=None
            if reward is None
            else RewardLimitText(times=reward.action_limit_count, per=reward.duration, timezone=reward.timezone),
        )

    def badges(self, badge: Badge) -> BadgeText:
        progressions = (
            ProgressionText(item=self._key[each.reward_item_id], threshold=each.reward_item_threshold)
            for each in badge.progressions
        )
        return BadgeText(
            name=badge.name,
            description=badge.description,
            image_url=badge.image_url,
            progressions=tuple(progressions),
            attributes=_attributes(badge.attributes),
        )

    def quests(self, quest: Quest) -> QuestText:
        rewards = (
            RewardText(item=self._key[each.reward_item_id], amount=each.reward_item_amount) for each in quest.rewards
        )
        return QuestText(
            name=quest.name,
            description=quest.description,
            started_at=quest.started_at,
            stopped_at=quest.stopped_at,
            timeout=quest.timeout,
            tasks=tuple(_task(task) for task in quest.tasks if is_live(task)),
            rewards=tuple(rewards),
            badges=tuple(self._key[each] for each in quest.badge_ids),
            attributes=_attributes(quest.attributes),
        )

    def leaderboards(self, board: Leaderboard) -> LeaderboardText:
        return LeaderboardText(
            name=board.name,
            item=self._key[board.reward_item_id],
            custom_id=board.custom_id,
            programs=tuple(self._key[each] for each in board.program_ids),
            locked=board.is_locked,
            attributes=_attributes(board.attributes),
        )


def _task(task: QuestTask) -> TaskText:
    return TaskText(
        key=task.key,
        name=task.name,
        description=task.description,
        action=task.reward_action_key,
        target=task.target_value,
        increment=task.default_progress_increment,
        attributes=_attributes(task.attributes),
    )


def _attributes(attributes: Attributes) -> tuple[AttributeText, ...]:
    return tuple(AttributeText(key=each.key, value=each.value) for each in attributes)
