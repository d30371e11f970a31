"""LiveLike's shapes: what answers hold. Field names and nesting are LiveLike's; times are UTC with milliseconds."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, TypeVar
from uuid import NAMESPACE_URL, uuid5

from tifo.engagement.model import (
    Application,
    Badge,
    BadgeProgression,
    EarnedBadge,
    Fan,
    Game,
    Invocation,
    InvokedAction,
    Profile,
    Program,
    Quest,
    QuestReward,
    QuestTask,
    RateLimit,
    RewardAction,
    RewardItem,
    RewardLimit,
    RewardTable,
    RewardTableEntry,
    SegmentTrigger,
    Transaction,
    TransactionKind,
    UserQuest,
    UserQuestTask,
    is_live,
    live,
)
from tifo.engagement.rules import quest_status
from tifo.kernel.clock import to_iso
from tifo.kernel.errors import Transient
from tifo.kernel.ids import ClientId, ProfileId, QuestTaskId, RewardItemId
from tifo.livelike.leaderboards import leaderboard
from tifo.livelike.links import Links
from tifo.livelike.shapes import BatchedAction, BatchInput, BatchUpdate

Resource = dict[str, Any]
K = TypeVar("K")
V = TypeVar("V")

CLAIMED, UNCLAIMED = "claimed", "unclaimed"
COMPLETED, INCOMPLETE = "completed", "incomplete"


class Resources:
    """The shapes of one application's things, at one moment."""

    def __init__(self, links: Links, game: Game, now: datetime) -> None:
        self._links = links
        self._game = game
        self._now = now
        self.client_id: ClientId = game.application.id

    @property
    def game(self) -> Game:
        return self._game

    def program(self, program: Program) -> Resource:
        return {
            "id": program.id,
            "key": program.key,
            "url": self._links.query(f"programs/{program.id}", client_id=self.client_id),
            "client_id": self.client_id,
            "name": program.name,
            "title": program.name,
            "created_at": to_iso(program.created_at),
            "is_default": program.id == self._game.application.default_program_id,
            "leaderboards": [
                leaderboard(board, self, self._links)
                for board in self._game.leaderboards.values()
                if program.id in board.program_ids
            ],
        }

    def reward_item(self, item: RewardItem) -> Resource:
        return {
            "id": item.id,
            "key": item.key,
            "url": self._links.to("reward-items", item.id),
            "client_id": self.client_id,
            "name": item.name,
            "created_at": to_iso(item.created_at),
            "attributes": item.attributes,
            "images": [],
            "prizeout_conversion_rate": None,
            "prizeout_points": None,
            "prizeout_status": None,
            "reward_item_points": None,
        }

    def reward_action(self, action: RewardAction) -> Resource:
        return {
            "id": action.id,
            "url": self._links.to("reward-actions", action.id),
            "client_id": self.client_id,
            "key": action.key,
            "name": action.name,
            "description": action.description,
            "type": action.type,
            **({} if action.trigger is None else {"segment": _segment(action.trigger)}),
        }

    def reward_table(self, table: RewardTable) -> Resource:
        return {
            "id": table.id,
            "key": table.key,
            "url": self._links.to("reward-tables", table.id),
            "name": table.name,
            "client_id": self.client_id,
            "program_ids": table.program_ids,
            "action_choices": [
                {"action": action.key, "action_display": action.name} for action in live(self._game.actions_by_id)
            ],
            "entries": [self.entry(entry) for entry in table.entries],
        }

    def entry(self, entry: RewardTableEntry) -> Resource:
        action = self._game.reward_actions.get(entry.action_key)
        return {
            "id": entry.id,
            "reward_item": self.reward_item(_known(self._game.reward_items, entry.reward_item_id)),
            "reward_item_id": entry.reward_item_id,
            "action": entry.action_key,
            "action_display": action.name if action else entry.action_key,
            "reward_item_amount": entry.reward_item_amount,
            "rate_limit": _limit(entry.rate_limit, "frequency", "unit"),
            "reward_limit": _limit(entry.reward_limit, "action_limit_count", "duration", "timezone"),
        }

    def badge(self, badge: Badge) -> Resource:
        first = badge.progressions[0] if badge.progressions else None
        return {
            "id": badge.id,
            "key": badge.key,
            "url": self._links.to("badges", badge.id),
            "client_id": self.client_id,
            "name": badge.name,
            "description": badge.description,
            "badge_icon_url": badge.image_url,
            "file": badge.image_url,
            "image_url": badge.image_url,
            "mimetype": None,
            "registered_links": [],
            "reward_item": self._reward_item_of(first),
            "reward_item_id": first.reward_item_id if first else None,
            "reward_item_threshold": first.reward_item_threshold if first else None,
            "progressions": [self._progression(progression) for progression in badge.progressions],
            "attributes": badge.attributes,
        }

    def badge_progress(self, badge: Badge, fan: Fan) -> Resource:
        """The amounts are not capped at the threshold."""
        return {
            "badge": self.badge(badge),
            "badge_progression": [
                {**self._progression(p), "current_reward_amount": fan.balances.get(p.reward_item_id, 0)}
                for p in badge.progressions
            ],
        }

    def profile_badge(self, earned: EarnedBadge) -> Resource:
        return {
            "awarded_at": to_iso(earned.awarded_at),
            "badge": self.badge(_known(self._game.badges, earned.badge_id)),
            "earned_badge_id": earned.id,
            "earned_badge_url": self._earned_badge_url(earned),
        }

    def earned_badge(self, earned: EarnedBadge, profile: Profile) -> Resource:
        return {
            "id": earned.id,
            "url": self._earned_badge_url(earned),
            "badge_id": earned.badge_id,
            "awarded_at": to_iso(earned.awarded_at),
            "profile": self.profile(profile),
            "badge": self.badge(_known(self._game.badges, earned.badge_id)),
        }

    def badge_profile(self, earned: EarnedBadge, profile: Profile, *, in_full: bool) -> Resource:
        return {
            "badge_id": earned.badge_id,
            "awarded_at": to_iso(earned.awarded_at),
            "profile": self.profile(profile) if in_full else self.profile_seen_by_others(profile),
            "earned_badge_url": self._earned_badge_url(earned),
        }

    def quest(self, quest: Quest) -> Resource:
        return {
            "id": quest.id,
            "key": quest.key,
            "url": self._links.to("quests", quest.id),
            "client_id": self.client_id,
            "name": quest.name,
            "description": quest.description,
            "created_at": to_iso(quest.created_at),
            "started_at": _time(quest.started_at),
            "stopped_at": _time(quest.stopped_at),
            "timeout": quest.timeout,
            "status": self.quest_status(quest),
            "attributes": quest.attributes,
            "quest_tasks": [self.quest_task(task, quest) for task in filter(is_live, quest.tasks)],
            "quest_rewards": [self.quest_reward(reward, quest) for reward in quest.rewards],
            # The SDK appends `?quest_id=` to it.
            "quest_rewards_url": self._links.to("quest-rewards"),
        }

    def quest_status(self, quest: Quest) -> str:
        return str(quest_status(quest, self._now))

    def quest_task(self, task: QuestTask, quest: Quest) -> Resource:
        return {
            "id": task.id,
            "key": task.key,
            "url": self._links.to("quest-tasks", task.id),
            "quest_id": quest.id,
            "name": task.name,
            "description": task.description,
            "created_at": to_iso(task.created_at),
            "target_value": task.target_value,
            "default_progress_increment": task.default_progress_increment,
            "reward_action_key": task.reward_action_key,
            "attributes": task.attributes,
        }

    def quest_reward(self, reward: QuestReward, quest: Quest) -> Resource:
        return {
            "id": reward.id,
            "url": self._links.to("quest-rewards", reward.id),
            "quest_id": quest.id,
            "reward_item_id": reward.reward_item_id,
            "reward_item_name": self._item_name(reward.reward_item_id),
            "reward_item_amount": reward.reward_item_amount,
        }

    def user_quest(self, run: UserQuest) -> Resource:
        quest = _known(self._game.quests, run.quest_id)
        return {
            "id": run.id,
            "url": self._links.to("user-quests", run.id),
            "profile_id": run.profile_id,
            "quest_id": run.quest_id,
            "quest": self.quest(quest),
            "created_at": to_iso(run.created_at),
            "completed_at": _time(run.completed_at),
            "active_until": _time(run.active_until),
            "timer_expired": run.completed_at is None and run.active_until is not None and run.active_until < self._now,
            "status": user_quest_status(run),
            "user_quest_tasks": [self.user_quest_task(task, run) for task in run.tasks],
            # The SDK appends `?user_quest_id=` to it.
            "user_quest_rewards_url": self._links.to("user-quest-rewards"),
            "rewards_status": rewards_status(run),
            "rewards_claimed_at": _time(run.rewards_claimed_at),
        }

    def user_quest_task(self, task: UserQuestTask, run: UserQuest) -> Resource:
        definition, quest = self._task(task.quest_task_id)
        return {
            "id": task.id,
            "user_quest_id": run.id,
            "quest_task": self.quest_task(definition, quest),
            "created_at": to_iso(run.created_at),
            "completed_at": _time(task.completed_at),
            "status": COMPLETED if task.completed_at else INCOMPLETE,
            "progress": task.progress,
        }

    def user_quest_rewards(self, run: UserQuest) -> list[Resource]:
        quest = _known(self._game.quests, run.quest_id)
        return [
            {
                "id": str(uuid5(NAMESPACE_URL, f"{run.id}/{reward.id}")),
                "user_quest_id": run.id,
                "quest_reward": self.quest_reward(reward, quest),
                "reward_status": rewards_status(run),
            }
            for reward in quest.rewards
        ]

    def balance(self, item: RewardItem, balances: Mapping[RewardItemId, int]) -> Resource:
        return {
            "reward_item_id": item.id,
            "reward_item_name": item.name,
            "reward_item_balance": balances.get(item.id, 0),
            "prizeout_balance": None,
        }

    def reward_transaction(self, transaction: Transaction, nicknames: Mapping[ProfileId, Profile]) -> Resource:
        action = self._game.reward_actions.get(transaction.reward_action_key or "")
        return {
            "id": transaction.id,
            "created_at": to_iso(transaction.created_at),
            "profile_id": transaction.profile_id,
            "profile_nickname": _nickname(nicknames, transaction.profile_id),
            "reward_item_id": transaction.reward_item_id,
            "reward_item_name": self._item_name(transaction.reward_item_id),
            "reward_item_amount": transaction.amount,
            "reward_action_id": action.id if action else None,
            "reward_action_key": transaction.reward_action_key,
            "reward_action_name": action.name if action else None,
            "widget_id": None,
            "widget_kind": None,
            "source": "quest-completed" if transaction.kind is TransactionKind.QUEST else None,
            "user_quest_id": transaction.user_quest_id,
            "invoked_action_id": transaction.invoked_action_id,
            "reward_table_entry_id": transaction.reward_table_entry_id,
            "reason": transaction.reason,
            "description": transaction.description,
            "custom_data": transaction.custom_data,
            "attributes": transaction.attributes,
        }

    def transfer(self, row: Transaction, profiles: Mapping[ProfileId, Profile]) -> Resource:
        """Of either side's row."""
        sender, recipient = row.profile_id, row.counterpart_profile_id
        if row.kind is TransactionKind.TRANSFER_RECEIVED and recipient is not None:
            sender, recipient = recipient, sender
        return {
            "id": row.transfer_id,
            "created_at": to_iso(row.created_at),
            "reward_item_id": row.reward_item_id,
            "reward_item_name": self._item_name(row.reward_item_id),
            "reward_item_amount": abs(row.amount),
            "sender_profile_id": sender,
            "sender_profile_name": _nickname(profiles, sender),
            "recipient_profile_id": recipient,
            "recipient_profile_name": _nickname(profiles, recipient) if recipient else None,
        }

    def profile_seen_by_others(self, profile: Profile) -> Resource:
        """What a fan may know of another: not the integrator's id and data."""
        return {**self.profile(profile), "custom_id": None, "custom_data": None, "attributes": []}

    def profile(self, profile: Profile) -> Resource:
        return profile_resource(profile, self._links)

    def _earned_badge_url(self, earned: EarnedBadge) -> str:
        return self._links.query("earned-badges", profile_id=earned.profile_id, badge_id=earned.badge_id)

    def _reward_item_of(self, progression: BadgeProgression | None) -> Resource | None:
        if progression is None:
            return None
        return self.reward_item(_known(self._game.reward_items, progression.reward_item_id))

    def _progression(self, progression: BadgeProgression) -> Resource:
        return {
            "reward_item_id": progression.reward_item_id,
            "reward_item_name": self._item_name(progression.reward_item_id),
            "reward_item_threshold": progression.reward_item_threshold,
        }

    def _item_name(self, item_id: RewardItemId) -> str:
        return _known(self._game.reward_items, item_id).name

    def _task(self, task_id: QuestTaskId) -> tuple[QuestTask, Quest]:
        quest = _known(self._game.quests, _known(self._game.quest_of_task, task_id))
        return next(task for task in quest.tasks if task.id == task_id), quest


def _limit(limit: RateLimit | RewardLimit | None, *names: str) -> Resource:
    return {"is_enabled": limit is not None, **{name: getattr(limit, name, None) for name in names}}


def invoked_action(invoked: InvokedAction, client_id: ClientId, nickname: str | None) -> Resource:
    return {
        "id": invoked.id,
        "created_at": to_iso(invoked.created_at),
        "client_id": client_id,
        "program_id": invoked.program_id,
        "profile_id": invoked.profile_id,
        "profile_nickname": nickname,
        "reward_action_key": invoked.reward_action_key,
        "code": invoked.code,
        "rewards": invoked.rewards,
        "attributes": invoked.attributes,
        "description": invoked.description,
    }


def batch_answer(body: BatchInput, outcomes: Sequence[Invocation], request_id: str) -> Resource:
    """LiveLike's names for it, which differ from those of a single action."""
    left = iter(outcomes)
    return {
        "request_id": request_id,
        "program_id": body.program_id,
        "updates": [_updated(update, [next(left) for _ in update.reward_actions]) for update in body.updates],
    }


def _updated(update: BatchUpdate, outcomes: Sequence[Invocation]) -> Resource:
    reason = next((each.refused for each in outcomes if each.refused is not None), None)
    known = next((each.invoked.profile_id for each in outcomes if each.invoked is not None), update.profile_id)
    actions = [_batched(each, outcome) for each, outcome in zip(update.reward_actions, outcomes, strict=True)]
    return {
        "profile_id": known,
        "custom_profile_id": update.custom_profile_id,
        "status": _status(reason),
        "reason": reason,
        "reward_actions": actions,
    }


def _batched(asked: BatchedAction | str, outcome: Invocation) -> Resource:
    invoked = outcome.invoked
    rewards = () if invoked is None else invoked.rewards
    return {
        "reward_action_key": asked if isinstance(asked, str) else asked.reward_action_key,
        "code": None if isinstance(asked, str) else asked.code,
        "invoked_action_id": None if invoked is None else invoked.id,
        "status": _status(outcome.refused),
        "reason": outcome.refused,
        "rewards": [
            {"reward_name": r.reward_item_name, "reward_item_id": r.reward_item_id, "amount": r.reward_item_amount}
            for r in rewards
        ],
    }


def _status(refused: str | None) -> str:
    return "success" if refused is None else "failed"


def profile_resource(profile: Profile, links: Links) -> Resource:
    mine = ("profiles", profile.id)
    return {
        "id": profile.id,
        "url": links.to(*mine),
        "client_id": profile.client_id,
        "custom_id": profile.custom_id,
        "created_at": to_iso(profile.created_at),
        "nickname": profile.nickname,
        "custom_data": profile.custom_data,
        "attributes": profile.attributes,
        "points": 0,
        "badges": [],
        "reported_count": 0,
        "subscribe_channel": f"profile.{profile.id}",
        "badges_url": links.to(*mine, "badges"),
        "badge_progress_url": links.to(*mine, "badge-progress"),
        "earned_badges_url": links.query("earned-badges", profile_id=profile.id),
        "reward_item_balances_url": links.to(*mine, "reward-item-balances"),
        "reward_item_credit_url": links.to(*mine, "reward-item-credits"),
        "reward_item_debit_url": links.to(*mine, "reward-item-debits"),
        "reward_item_transfer_url": links.to(*mine, "reward-item-transfers"),
    }


def _segment(trigger: SegmentTrigger) -> Resource:
    return {
        "source": trigger.source_id,
        "event": trigger.event,
        "properties": trigger.conditions,
        "program_id": trigger.program_id,
        "create_profiles": trigger.create_profiles,
    }


def ledger_answer(transaction: Transaction) -> Resource:
    """What a credit or a debit answers."""
    return {
        "id": transaction.id,
        "new_balance": transaction.balance,
        "created_at": to_iso(transaction.created_at),
        "reason": transaction.reason,
        "description": transaction.description,
        "custom_data": transaction.custom_data,
        "prizeout_balance": None,
        "attributes": transaction.attributes,
    }


def application(app: Application, links: Links) -> Resource:
    """The discovery document. The SDK appends `&…` to some addresses, which must hold a `?`, and `?…` to others."""
    client_id = app.id
    return {
        "url": links.to("applications", client_id),
        "name": app.name,
        "client_id": client_id,
        "automatic_quest_processing": app.automatic_quest_processing,
        "auto_claim_quest_rewards": app.auto_claim_quest_rewards,
        "autoclaim_interaction_rewards": False,
        "default_program_id": app.default_program_id,
        "api_polling_interval": 10,
        "media_url": None,
        "image_url": None,
        "organization_id": None,
        "organization_name": None,
        "analytics_properties": {},
        "pubnub_subscribe_key": None,
        "pubnub_publish_key": None,
        "pubnub_origin": None,
        "pubnub_heartbeat_interval": None,
        "pubnub_presence_timeout": None,
        "mixpanel_token": None,
        "profile_url": links.to("applications", client_id, "profile"),
        "profile_detail_url_template": links.to("profiles", "{profile_id}"),
        "programs_url": f"{links.to('programs')}?client_id={client_id}",
        # A program is read without a token, so its address must say of which application it is.
        "program_detail_url_template": f"{links.to('programs', '{program_id}')}?client_id={client_id}",
        "reward_items_url": links.query("reward-items", client_id=client_id),
        "reward_actions_url": links.to("reward-actions"),
        "reward_transactions_url": links.to("reward-transactions"),
        "invoked_actions_url": links.to("invoked-actions"),
        "badges_url": links.to("applications", client_id, "badges"),
        "badge_profiles_url": links.to("badge-profiles"),
        "quests_url": links.query("quests", client_id=client_id),
        "user_quests_url": links.to("user-quests"),
        "user_quests_url_template": f"{links.to('user-quests')}?profile_id={{profile_id}}",
        "user_quest_detail_url_template": links.to("user-quests", "{user_quest_id}"),
        "user_quest_rewards_url": links.to("user-quest-rewards"),
        "leaderboard_detail_url_template": links.to("leaderboards", "{leaderboard_id}"),
        "profile_leaderboards_url_template": links.to("profiles", "{profile_id}", "leaderboards"),
        "profile_leaderboard_views_url_template": links.to("profiles", "{profile_id}", "leaderboard-views"),
        "user_quest_task_progress_url": links.to("user-quest-task-progress"),
    }


def user_quest_status(run: UserQuest) -> str:
    return COMPLETED if run.completed_at else INCOMPLETE


def rewards_status(run: UserQuest) -> str:
    return CLAIMED if run.rewards_claimed_at else UNCLAIMED


def _known(things: Mapping[K, V], key: K) -> V:
    try:
        return things[key]
    except KeyError as exc:
        raise Transient(f"The definition {key} is not known here yet.") from exc


def _time(moment: datetime | None) -> str | None:
    return None if moment is None else to_iso(moment)


def _nickname(profiles: Mapping[ProfileId, Profile], profile_id: ProfileId) -> str | None:
    profile = profiles.get(profile_id)
    return profile.nickname if profile else None
