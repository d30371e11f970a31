"""The rules of play: one command on a state gives a decision, or a rejection.

Sources: LiveLike's documents, and where they are silent docs/rules.md. Every effect of a command passes through a
`Turn`, which gathers the new state of its fans, the ledger's rows and the facts, in causal order; a rejection throws
the turn away.
"""

from collections.abc import Callable
from datetime import datetime
from decimal import Decimal
from typing import Any, NamedTuple

from msgspec.structs import replace

from tifo.engagement import limits
from tifo.engagement.commands import (
    AwardBadge,
    ChangeUserQuest,
    ClaimQuestBadges,
    ClaimQuestRewards,
    CreateProfile,
    Credit,
    Debit,
    InvokeAction,
    PlayCommand,
    ProgressTask,
    RemoveUserQuest,
    RevokeBadge,
    StartQuest,
    Transfer,
    UpdateProfile,
)
from tifo.engagement.facts import (
    RewardItemRewarded,
)
from tifo.engagement.model import (
    EarnedBadge,
    Fan,
    Game,
    InvokedAction,
    InvokedReward,
    Payments,
    Profile,
    Quest,
    QuestTask,
    RewardTableEntry,
    Transaction,
    TransactionKind,
    UserQuest,
    UserQuestTask,
    is_live,
)
from tifo.engagement.ports import BatchState, Decision
from tifo.engagement.turn import Turn, quest_status
from tifo.engagement.values import check_amount, check_decimal, check_text, decimal_text
from tifo.kernel.errors import Conflict, NotFound, Rejected
from tifo.kernel.ids import (
    EarnedBadgeId,
    InvokedActionId,
    NewId,
    ProfileId,
    UserQuestId,
    UserQuestTaskId,
)

__all__ = ["Needs", "decide", "needs", "quest_status"]


class Needs(NamedTuple):
    """What of the state a command may touch."""

    profile_ids: tuple[ProfileId, ...] = ()
    custom_ids: tuple[str, ...] = ()
    user_quest_ids: tuple[UserQuestId, ...] = ()
    user_quest_task_ids: tuple[UserQuestTaskId, ...] = ()
    earned_badge_ids: tuple[EarnedBadgeId, ...] = ()
    code: tuple[str, str] | None = None
    """(action key, code): whether it was used is to be known for the command's profile."""


def needs(command: PlayCommand) -> Needs:  # noqa: PLR0911 (one answer a kind of command)
    match command:
        case CreateProfile(custom_id=custom_id):
            return Needs(custom_ids=() if custom_id is None else (custom_id,))
        case UpdateProfile(profile_id=profile_id, custom_id=custom_id):
            return Needs((profile_id,), () if custom_id is None else (custom_id,))
        case InvokeAction():
            return Needs(
                profile_ids=() if command.profile_id is None else (command.profile_id,),
                custom_ids=() if command.custom_profile_id is None else (command.custom_profile_id,),
                code=None if command.code is None else (command.reward_action_key, command.code),
            )
        case Transfer(profile_id=sender, recipient_profile_id=recipient):
            return Needs((sender, recipient))
        case ProgressTask(user_quest_task_id=task_id):
            return Needs(user_quest_task_ids=(task_id,))
        case ClaimQuestRewards() | ClaimQuestBadges() | ChangeUserQuest() | RemoveUserQuest():
            return Needs(user_quest_ids=(command.user_quest_id,))
        case RevokeBadge(earned_badge_id=earned_badge_id):
            return Needs(earned_badge_ids=(earned_badge_id,))
        case Credit() | Debit() | AwardBadge() | StartQuest():
            return Needs((command.profile_id,))


def decide(game: Game, state: BatchState, command: PlayCommand, now: datetime, new_id: NewId) -> Decision:
    """Raises `Rejected`, `NotFound` or `Conflict` with nothing changed."""
    turn = Turn(game, state, now, new_id)
    answer = _HANDLERS[type(command)](turn, command)
    return turn.decision(answer)


def _create_profile(turn: Turn, command: CreateProfile) -> Profile:
    if command.custom_id is not None:
        check_text(command.custom_id, "custom_id")
        existing = turn.state.by_custom_id.get(command.custom_id)
        if existing is not None and command.existing_is_fine:
            return turn.fan(existing).profile
        if existing is not None:
            raise Conflict(f"A profile with custom_id {command.custom_id!r} exists already.", field="custom_id")
    profile_id = ProfileId(turn.new_id())
    profile = Profile(
        id=profile_id,
        client_id=turn.game.application.id,
        nickname=check_text(command.nickname or f"Fan {profile_id[-8:]}", "nickname"),
        created_at=turn.now,
        custom_id=command.custom_id,
        custom_data=command.custom_data,
        attributes=command.attributes,
    )
    turn.put(Fan(profile=profile))
    return profile


def _update_profile(turn: Turn, command: UpdateProfile) -> Profile:
    fan = turn.fan(command.profile_id)
    profile = fan.profile
    if command.custom_id is not None and command.custom_id != profile.custom_id:
        check_text(command.custom_id, "custom_id")
        if profile.custom_id is not None:
            raise Conflict(
                f"The profile has custom_id {profile.custom_id!r} already; it is set once.", field="custom_id"
            )
        if command.custom_id in turn.state.by_custom_id:
            raise Conflict(f"A profile with custom_id {command.custom_id!r} exists already.", field="custom_id")
        profile = replace(profile, custom_id=command.custom_id)
    if command.nickname is not None:
        profile = replace(profile, nickname=check_text(command.nickname, "nickname"))
    if command.custom_data is not None:
        profile = replace(profile, custom_data=command.custom_data)
    if command.attributes is not None:
        profile = replace(profile, attributes=command.attributes)
    turn.put(replace(fan, profile=profile))
    return profile


def _invoke_action(turn: Turn, command: InvokeAction) -> InvokedAction:
    game, key = turn.game, command.reward_action_key
    profile_id = _invoker(turn, command)
    program = game.programs.get(command.program_id)
    if program is None or not is_live(program):
        raise NotFound(f"There is no program {command.program_id!r:.100} in this application.", field="program_id")
    action = game.reward_actions.get(key)
    if action is None or not is_live(action):
        raise NotFound(f"There is no reward action with the key {key!r:.100}.", field="reward_action_key")
    if command.code is not None:
        check_text(command.code, "code")
        if (profile_id, key, command.code) in turn.state.used_codes:
            raise Conflict("code already used.", code="code_already_used", field="code")
    invoked_id = InvokedActionId(turn.new_id())
    rewards = tuple(_pay_entries(turn, profile_id, invoked_id, command))
    for quest in game.quests_by_action.get(key, ()):
        _progress_linked(turn, profile_id, quest, key)
    turn.invoked = InvokedAction(
        id=invoked_id,
        program_id=command.program_id,
        profile_id=profile_id,
        reward_action_key=key,
        created_at=turn.now,
        code=command.code,
        rewards=rewards,
        description=command.description,
        attributes=command.attributes,
    )
    return turn.invoked


def _invoker(turn: Turn, command: InvokeAction) -> ProfileId:
    if (command.profile_id is None) == (command.custom_profile_id is None):
        raise Rejected("Send exactly one of profile_id and custom_profile_id.", field="profile_id")
    if command.profile_id is not None:
        return turn.fan(command.profile_id).profile.id
    custom_id = command.custom_profile_id or ""
    if custom_id not in turn.state.by_custom_id:
        raise NotFound(f"There is no profile with custom_id {custom_id!r:.100}.", field="custom_profile_id")
    return turn.state.by_custom_id[custom_id]


def _pay_entries(
    turn: Turn, profile_id: ProfileId, invoked_id: InvokedActionId, command: InvokeAction
) -> list[InvokedReward]:
    """Every matching entry of every table of the program pays, in the order of tables and entries."""
    rewards: list[InvokedReward] = []
    for table, entry in turn.game.entries.get((command.program_id, command.reward_action_key), ()):
        if (entry.rate_limit or entry.reward_limit) and not _within_limits(turn, profile_id, entry):
            continue
        name = turn.item(entry.reward_item_id).name
        paid = turn.move(
            profile_id,
            entry.reward_item_id,
            entry.reward_item_amount,
            TransactionKind.REWARD_TABLE,
            invoked_action_id=invoked_id,
            reward_action_key=command.reward_action_key,
            reward_table_entry_id=entry.id,
        )
        turn.tell(
            RewardItemRewarded,
            turn.fan(profile_id).profile,
            reward_item_id=entry.reward_item_id,
            reward_item_name=name,
            reward_item_amount=paid.amount,
            reward_item_balance=paid.balance,
            reward_item_transaction_id=paid.id,
            reward_action_key=command.reward_action_key,
            reward_table_id=table.id,
        )
        turn.earn_badges(paid)
        rewards.append(
            InvokedReward(
                reward_item_id=entry.reward_item_id, reward_item_name=name, reward_item_amount=entry.reward_item_amount
            )
        )
    return rewards


def _within_limits(turn: Turn, profile_id: ProfileId, entry: RewardTableEntry) -> bool:
    """Whether the entry may pay now; then the payment is counted."""
    fan = turn.fan(profile_id)
    payments = limits.counted(entry, fan.payments.get(entry.id, Payments()), turn.now)
    if payments is None:
        return False
    turn.put(replace(fan, payments={**fan.payments, entry.id: payments}))
    return True


def _progress_linked(turn: Turn, profile_id: ProfileId, quest: Quest, action_key: str) -> None:
    """An action progresses the tasks that it is linked to, of a run that was started (or that it starts)."""
    user_quest = turn.fan(profile_id).user_quests.get(quest.id)
    if user_quest is None:
        is_linked = any(task.reward_action_key == action_key and is_live(task) for task in quest.tasks)
        automatic = turn.game.application.automatic_quest_processing and is_linked
        if not automatic or quest_status(quest, turn.now) != "active":
            return
        user_quest = turn.start(profile_id, quest)
    own_tasks = {own.quest_task_id: own for own in user_quest.tasks}
    for task in quest.tasks:
        if task.reward_action_key == action_key and task.id in own_tasks and turn.is_running(quest, user_quest):
            progress = own_tasks[task.id].progress + task.default_progress_increment
            user_quest = turn.progress(user_quest, quest, task, progress)


def _credit(turn: Turn, command: Credit) -> Transaction:
    return _change_balance(turn, command, check_amount(command.reward_item_amount, "reward_item_amount"))


def _debit(turn: Turn, command: Debit) -> Transaction:
    return _change_balance(turn, command, -check_amount(command.reward_item_amount, "reward_item_amount"))


def _change_balance(turn: Turn, command: Credit | Debit, amount: int) -> Transaction:
    moved = turn.move(
        command.profile_id,
        turn.item(command.reward_item_id).id,
        amount,
        TransactionKind.CREDIT if amount > 0 else TransactionKind.DEBIT,
        reason=command.reason,
        description=command.description,
        custom_data=command.custom_data,
        attributes=command.attributes,
    )
    if amount > 0:
        turn.earn_badges(moved)
    return moved


def _transfer(turn: Turn, command: Transfer) -> Transaction:
    amount = check_amount(command.reward_item_amount, "reward_item_amount")
    item_id = turn.item(command.reward_item_id).id
    sender, recipient = command.profile_id, command.recipient_profile_id
    if sender == recipient:
        raise Rejected("Sender and recipient are the same profile.", field="recipient_profile_id")
    turn.fan(recipient, "recipient_profile_id")
    transfer_id = turn.new_id()
    sent = turn.move(
        sender,
        item_id,
        -amount,
        TransactionKind.TRANSFER_SENT,
        transfer_id=transfer_id,
        counterpart_profile_id=recipient,
    )
    received = turn.move(
        recipient,
        item_id,
        amount,
        TransactionKind.TRANSFER_RECEIVED,
        transfer_id=transfer_id,
        counterpart_profile_id=sender,
    )
    turn.earn_badges(received)
    return sent


def _award_badge(turn: Turn, command: AwardBadge) -> EarnedBadge:
    badge = turn.game.badges.get(command.badge_id)
    if badge is None or not is_live(badge):
        raise NotFound(f"There is no badge {command.badge_id!r:.100} in this application.", field="badge_id")
    earned = turn.give_badge(command.profile_id, badge, None)
    return earned if earned.revoked_at is None else turn.put_badge(replace(earned, revoked_at=None))


def _revoke_badge(turn: Turn, command: RevokeBadge) -> EarnedBadge:
    owner = turn.state.by_earned_badge.get(command.earned_badge_id)
    if owner is None:
        raise NotFound(f"There is no earned badge {command.earned_badge_id!r:.100}.", field="earned_badge_id")
    earned = next(each for each in turn.fan(owner).badges.values() if each.id == command.earned_badge_id)
    return earned if earned.revoked_at is not None else turn.put_badge(replace(earned, revoked_at=turn.now))


def _start_quest(turn: Turn, command: StartQuest) -> UserQuest:
    quest = turn.game.quests.get(command.quest_id)
    if quest is None:
        raise NotFound(f"There is no quest {command.quest_id!r:.100} in this application.", field="quest_id")
    if quest.id in turn.fan(command.profile_id).user_quests:
        raise Conflict(f"The profile has started the quest {quest.name!r} already.", field="quest_id")
    status = quest_status(quest, turn.now)
    if status != "active":
        raise Rejected(f"The quest {quest.name!r} is {status}: it cannot be started now.", field="quest_id")
    if not any(map(is_live, quest.tasks)):
        raise Rejected(f"The quest {quest.name!r} has no task yet: it cannot be started.", field="quest_id")
    return turn.start(command.profile_id, quest)


def _progress_task(turn: Turn, command: ProgressTask) -> UserQuest:
    if command.custom_increment is not None and command.custom_progress is not None:
        raise Rejected("Send custom_increment or custom_progress, not both.", field="custom_progress")
    owner = turn.state.by_user_quest_task.get(command.user_quest_task_id)
    if owner is None or command.profile_id not in {None, owner}:
        raise NotFound(f"There is no user quest task {command.user_quest_task_id!r:.100}.", field="user_quest_task_id")
    user_quest, own = next(
        (user_quest, own)
        for user_quest in turn.fan(owner).user_quests.values()
        for own in user_quest.tasks
        if own.id == command.user_quest_task_id
    )
    quest = turn.game.quests[user_quest.quest_id]
    task = next(task for task in quest.tasks if task.id == own.quest_task_id)
    progress = _wanted_progress(command, own, task)
    if own.completed_at is not None or user_quest.completed_at is not None:
        return user_quest
    _must_be_running(turn, quest, user_quest, "user_quest_task_id")
    return turn.progress(
        user_quest,
        quest,
        task,
        progress,
        custom_increment=_text_of(command.custom_increment),
        custom_progress=_text_of(command.custom_progress),
    )


def _text_of(value: Decimal | None) -> str | None:
    return None if value is None else decimal_text(value)


def _wanted_progress(command: ProgressTask, own: UserQuestTask, task: QuestTask) -> Decimal:
    if command.custom_progress is not None:
        return _step(command.custom_progress, "custom_progress")
    if command.custom_increment is not None:
        return own.progress + _step(command.custom_increment, "custom_increment")
    return own.progress + task.default_progress_increment


def _step(value: Decimal, field: str) -> Decimal:
    if (step := check_decimal(value, field)) < 0:
        raise Rejected(f"{field} is {decimal_text(step)}. Send a number of 0 or above.", field=field)
    return step


def _claim_quest_rewards(turn: Turn, command: ClaimQuestRewards) -> UserQuest:
    return _claimed(turn, _own_user_quest(turn, command.user_quest_id, command.profile_id))


def _claimed(turn: Turn, user_quest: UserQuest) -> UserQuest:
    _must_be_completed(user_quest, "rewards_status")
    if user_quest.rewards_claimed_at is not None:
        return user_quest
    return turn.pay_rewards(user_quest, turn.game.quests[user_quest.quest_id])


def _claim_quest_badges(turn: Turn, command: ClaimQuestBadges) -> tuple[EarnedBadge, ...]:
    user_quest = _own_user_quest(turn, command.user_quest_id, command.profile_id)
    _must_be_completed(user_quest, "claim_badges")
    badge_ids = turn.game.quests[user_quest.quest_id].badge_ids
    asked = badge_ids if command.badge_ids is None else command.badge_ids
    return turn.give_quest_badges(user_quest, (badge_id for badge_id in badge_ids if badge_id in asked))


def _change_user_quest(turn: Turn, command: ChangeUserQuest) -> UserQuest:
    user_quest = _own_user_quest(turn, command.user_quest_id, command.profile_id)
    quest = turn.game.quests[user_quest.quest_id]
    tasks = {task.id: task for task in quest.tasks}
    for task_id in command.completed:
        own = _own_task(user_quest, task_id)
        if own.completed_at is None:
            _must_be_running(turn, quest, user_quest, "user_quest_tasks")
            task = tasks[own.quest_task_id]
            user_quest = turn.progress(user_quest, quest, task, task.target_value)
    for task_id in command.incomplete:
        own = _own_task(user_quest, task_id)
        if user_quest.completed_at is not None:
            raise Conflict("The user quest is completed: its tasks stay completed.", field="user_quest_tasks")
        _must_be_running(turn, quest, user_quest, "user_quest_tasks")
        user_quest = turn.reset(user_quest, own)
    return _claimed(turn, user_quest) if command.claim else user_quest


def _remove_user_quest(turn: Turn, command: RemoveUserQuest) -> UserQuest:
    user_quest = _own_user_quest(turn, command.user_quest_id, None)
    if user_quest.completed_at is not None:
        raise Conflict("The user quest is completed: ledger and events tell of it, so it stays.", field="user_quest_id")
    turn.remove(user_quest)
    return user_quest


def _own_user_quest(turn: Turn, user_quest_id: UserQuestId, profile_id: ProfileId | None) -> UserQuest:
    """Another fan's than `profile_id`'s is as good as none."""
    owner = turn.state.by_user_quest.get(user_quest_id)
    if owner is None or profile_id not in {None, owner}:
        raise NotFound(f"There is no user quest {user_quest_id!r:.100}.", field="user_quest_id")
    return next(each for each in turn.fan(owner).user_quests.values() if each.id == user_quest_id)


def _own_task(user_quest: UserQuest, task_id: UserQuestTaskId) -> UserQuestTask:
    for own in user_quest.tasks:
        if own.id == task_id:
            return own
    raise Rejected(f"{task_id!r:.100} is no task of this user quest.", field="user_quest_tasks")


def _must_be_completed(user_quest: UserQuest, field: str) -> None:
    if user_quest.completed_at is None:
        raise Rejected("The user quest is not completed yet: there is nothing to claim.", field=field)


def _must_be_running(turn: Turn, quest: Quest, user_quest: UserQuest, field: str) -> None:
    if not turn.is_running(quest, user_quest):
        raise Rejected(f"The quest {quest.name!r} is over: its tasks progress no more.", field=field)


_HANDLERS: dict[type, Callable[[Turn, Any], object]] = {
    CreateProfile: _create_profile,
    UpdateProfile: _update_profile,
    InvokeAction: _invoke_action,
    Credit: _credit,
    Debit: _debit,
    Transfer: _transfer,
    AwardBadge: _award_badge,
    StartQuest: _start_quest,
    ProgressTask: _progress_task,
    ClaimQuestRewards: _claim_quest_rewards,
    ClaimQuestBadges: _claim_quest_badges,
    ChangeUserQuest: _change_user_quest,
    RemoveUserQuest: _remove_user_quest,
    RevokeBadge: _revoke_badge,
}
