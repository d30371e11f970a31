"""Defines reward items and reward actions."""

import msgspec
from msgspec import UNSET

from tifo.engagement.commands import CreateRewardAction, CreateRewardItem, UpdateRewardAction, UpdateRewardItem
from tifo.engagement.definitions.shared import DefinitionContext, changed, check_named
from tifo.engagement.model import Game, RewardAction, RewardItem, SegmentTrigger, is_live
from tifo.engagement.references import known, known_item
from tifo.engagement.triggers import check_trigger
from tifo.engagement.values import check_text
from tifo.kernel.errors import Conflict
from tifo.kernel.ids import RewardActionId, RewardItemId


def create_reward_item(context: DefinitionContext, command: CreateRewardItem) -> RewardItem:
    return RewardItem(
        id=RewardItemId(context.id(command.id)),
        name=command.name,
        key=command.key,
        created_at=context.now,
        attributes=command.attributes,
    )


def update_reward_item(context: DefinitionContext, command: UpdateRewardItem) -> RewardItem:
    return changed(known_item(context.game, command.reward_item_id), command, "name", "key", "attributes")


def check_reward_item(item: RewardItem, game: Game) -> RewardItem:
    return check_named(item, game.reward_items)


def create_reward_action(context: DefinitionContext, command: CreateRewardAction) -> RewardAction:
    return RewardAction(
        id=RewardActionId(context.id(command.id)),
        key=command.key,
        name=command.name,
        created_at=context.now,
        description=command.description,
        type=_type_of(command.trigger),
        trigger=None if command.trigger is None else check_trigger(context.game, command.trigger),
    )


def _type_of(trigger: SegmentTrigger | None) -> str:
    # LiveLike also has `built-in` and `mparticle`, which Tifo does not make.
    return "custom" if trigger is None else "segment"


def update_reward_action(context: DefinitionContext, command: UpdateRewardAction) -> RewardAction:
    actions = context.game.actions_by_id
    action: RewardAction = known(actions, command.reward_action_id, "reward action", "reward_action_id")
    if command.trigger is UNSET:
        return changed(action, command, "name", "description")
    if command.trigger is not None:
        check_trigger(context.game, command.trigger)
    made = changed(action, command, "name", "description", "trigger")
    return msgspec.structs.replace(made, type=_type_of(command.trigger))


def check_reward_action(action: RewardAction, game: Game) -> RewardAction:
    other = game.reward_actions.get(action.key)
    if other is not None and is_live(other) and other.id != action.id:
        raise Conflict(f"A reward action with the key {action.key!r} exists. Choose another key.", field="key")
    check_text(action.key, "key")
    check_text(action.name, "name")
    return action
