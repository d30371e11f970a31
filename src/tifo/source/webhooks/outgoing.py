"""Writes webhooks as LiveLike does: the event and the fields of each fact, and the signature. Pure.

A fact's webhook and the event that the relay sends for it have the same id.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from types import MappingProxyType
from typing import Any, NamedTuple

import msgspec

from tifo.engagement.facts import (
    AnyFact,
    BadgeRewarded,
    QuestRewardAwarded,
    QuestTaskCompleted,
    RewardItemRewarded,
    UserQuestCompleted,
    UserQuestTaskProgressed,
)
from tifo.kernel.clock import to_iso
from tifo.kernel.errors import Rejected
from tifo.source.webhooks.incoming import SIGNATURE_HEADER, signature

EVENTS: Mapping[type[AnyFact], str] = MappingProxyType(
    {
        BadgeRewarded: "badge-awarded",
        UserQuestTaskProgressed: "user-quest-task-progressed",
        QuestTaskCompleted: "user-quest-task-completed",
        UserQuestCompleted: "user-quest-completed",
        QuestRewardAwarded: "user-quest-reward-awarded",
        RewardItemRewarded: "reward-table-rewards-awarded",
    }
)
ALL_EVENTS = tuple(EVENTS.values())

_encode = msgspec.json.Encoder(decimal_format="number").encode


class QuestRun(NamedTuple):
    """Holds a user quest's data that its facts lack."""

    created_at: datetime
    active_until: datetime | None
    task_progress: Mapping[str, Decimal]
    """The current progress by user quest task. A completed task's progress does not change any more."""
    quest_tasks: Mapping[str, str]
    """The quest task's id by user quest task, in their order."""


class FactContext(NamedTuple):
    """Holds data of the state that a webhook has and the fact lacks; None for what the state does not hold any more."""

    nickname: str | None = None
    quest_run: QuestRun | None = None
    reward_action_id: str | None = None


def checked_events(events: Sequence[str]) -> tuple[str, ...]:
    """Returns the events without duplicates; all, where none are given. Raises `Rejected` for an unknown event."""
    for event in events:
        if event not in ALL_EVENTS:
            raise Rejected(f"There is no event {event!r:.100}. Choose of {', '.join(ALL_EVENTS)}.", field="events")
    return tuple(dict.fromkeys(events)) or ALL_EVENTS


def webhook_of(fact: AnyFact, context: FactContext) -> bytes:
    """Returns compact JSON in UTF-8. These bytes are signed, and sent."""
    # Compact and unescaped: a receiver that follows LiveLike's JavaScript recipe, and signs the JSON written anew, gets
    # the same bytes.
    envelope = {
        "id": fact.id,
        "event": EVENTS[type(fact)],
        "data": {
            **_data(fact, context),
            "client_id": fact.client_id,
            "profile_id": fact.profile_id,
            "profile_custom_id": fact.custom_id,
            "nickname": context.nickname,
        },
        "created_at": to_iso(fact.happened_at),
    }
    return _encode(envelope)


def headers_of(body: bytes, secret: str) -> Mapping[str, str]:
    return {
        "Content-Type": "application/json",
        "Accept-Encoding": "identity",  # answers are not decompressed (egress/http.py)
        "User-Agent": "tifo",
        SIGNATURE_HEADER: signature(secret, body),
    }


def _data(fact: AnyFact, context: FactContext) -> dict[str, Any]:
    match fact:
        case BadgeRewarded():
            return _badge(fact)
        case UserQuestTaskProgressed():
            return {
                **_task_ids(fact),
                "custom_increment": _number(fact.custom_increment),
                "custom_progress": _number(fact.custom_progress),
                # Ours: with LiveLike's webhooks a receiver has to look the progress up.
                "progress": _number(fact.user_quest_task_progress),
            }
        case QuestTaskCompleted():
            run = context.quest_run
            return {
                **_task_ids(fact),
                "created_at": run and to_iso(run.created_at),
                "completed_at": to_iso(fact.happened_at),
                "status": "completed",
                "progress": run and run.task_progress.get(fact.user_quest_task_id),
            }
        case UserQuestCompleted():
            return _quest(fact, context.quest_run)
        case QuestRewardAwarded():
            # Ours: no action pays a quest's reward, though LiveLike's example of this webhook names one.
            return {**_payment(fact), "reward_action_id": None, "reward_action_key": None}
        case RewardItemRewarded():
            return {
                **_payment(fact),
                "reward_action_id": context.reward_action_id,
                "reward_action_key": fact.reward_action_key,
                "reward_table_id": fact.reward_table_id,
            }


def _badge(fact: BadgeRewarded) -> dict[str, Any]:
    return {
        "badge_id": fact.badge_id,
        "earned_badge_id": fact.earned_badge_id,
        "badge_title": fact.badge_title,
        "description": fact.description,
        "reward_item_id": fact.reward_item_id,
        "reward_item_name": fact.reward_item_name,
        "reward_item_threshold": fact.reward_item_threshold,
        "image_url": fact.image_url,
    }


def _task_ids(fact: UserQuestTaskProgressed | QuestTaskCompleted) -> dict[str, Any]:
    return {
        "user_quest_task_id": fact.user_quest_task_id,
        "user_quest_id": fact.user_quest_id,
        "quest_task_id": fact.quest_task_id,
        "quest_id": fact.quest_id,
    }


def _quest(fact: UserQuestCompleted, quest_run: QuestRun | None) -> dict[str, Any]:
    """Describes the user quest at the moment of the fact."""
    # Completion comes before any claim, and never after the end of the quest's time: hence the constants.
    tasks = quest_run.quest_tasks if quest_run else {}
    return {
        "user_quest_id": fact.user_quest_id,
        "quest_id": fact.quest_id,
        "quest_task_ids": [*tasks.values()],
        "user_quest_task_ids": [*tasks],
        "created_at": quest_run and to_iso(quest_run.created_at),
        "completed_at": to_iso(fact.happened_at),
        "active_until": quest_run and quest_run.active_until and to_iso(quest_run.active_until),
        "timer_expired": False,
        "status": "completed",
        "rewards_status": "unclaimed",
        "rewards_claimed_at": None,
    }


def _payment(fact: QuestRewardAwarded | RewardItemRewarded) -> dict[str, Any]:
    return {
        "reward_transaction_id": fact.reward_item_transaction_id,
        "reward_item_id": fact.reward_item_id,
        "reward_item_amount": fact.reward_item_amount,
        "reward_item_balance": fact.reward_item_balance,
    }


def _number(text: str | None) -> Decimal | None:
    return None if text is None else Decimal(text)
