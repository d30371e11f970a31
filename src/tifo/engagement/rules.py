"""The rules of play: one command on a state gives a decision, or a rejection.

Sources: LiveLike's documents, and where they are silent docs/rules.md. Every effect of a command passes through a
`_Turn`, which gathers the new state of its fans, the ledger's rows and the facts, in causal order; a rejection throws
the turn away.
"""

from collections.abc import Callable
from datetime import datetime
from decimal import Decimal
from typing import Any, Literal, NamedTuple

from msgspec.structs import replace

from tifo.engagement.commands import (
    AwardBadge,
    ClaimQuestRewards,
    CreateProfile,
    Credit,
    Debit,
    InvokeAction,
    PlayCommand,
    ProgressTask,
    StartQuest,
    Transfer,
    UpdateProfile,
)
from tifo.engagement.facts import (
    AnyFact,
    BadgeRewarded,
    QuestRewardAwarded,
    QuestTaskCompleted,
    RewardItemRewarded,
    UserQuestCompleted,
    UserQuestTaskProgressed,
)
from tifo.engagement.model import (
    Badge,
    BadgeProgression,
    EarnedBadge,
    Fan,
    Game,
    InvokedAction,
    InvokedReward,
    Profile,
    Quest,
    QuestTask,
    RewardItem,
    Transaction,
    TransactionKind,
    UserQuest,
    UserQuestTask,
)
from tifo.engagement.ports import Decision, State
from tifo.engagement.values import MAX_AMOUNT, check_amount, check_decimal, check_text, decimal_text
from tifo.kernel.errors import Conflict, NotFound, Rejected
from tifo.kernel.ids import (
    EarnedBadgeId,
    FactId,
    InvokedActionId,
    NewId,
    ProfileId,
    RewardItemId,
    TransactionId,
    UserQuestId,
    UserQuestTaskId,
)


class Needs(NamedTuple):
    """What of the state a command may touch."""

    profile_ids: tuple[ProfileId, ...] = ()
    custom_ids: tuple[str, ...] = ()
    user_quest_ids: tuple[UserQuestId, ...] = ()
    user_quest_task_ids: tuple[UserQuestTaskId, ...] = ()
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
        case ClaimQuestRewards(user_quest_id=user_quest_id):
            return Needs(user_quest_ids=(user_quest_id,))
        case Credit() | Debit() | AwardBadge() | StartQuest():
            return Needs((command.profile_id,))


def decide(game: Game, state: State, command: PlayCommand, now: datetime, new_id: NewId) -> Decision:
    """Raises `Rejected`, `NotFound` or `Conflict` with nothing changed."""
    turn = _Turn(game, state, now, new_id)
    answer = _HANDLERS[type(command)](turn, command)
    return turn.decision(answer)


def quest_status(quest: Quest, now: datetime) -> Literal["active", "not_started", "expired"]:
    if quest.started_at is not None and now < quest.started_at:
        return "not_started"
    if quest.stopped_at is not None and now >= quest.stopped_at:
        return "expired"
    return "active"


class _Turn:
    """One command's effects so far."""

    def __init__(self, game: Game, state: State, now: datetime, new_id: NewId) -> None:
        self.game = game
        self.state = state
        self.now = now
        self.new_id = new_id
        self.changed: dict[ProfileId, Fan] = {}
        self.transactions: list[Transaction] = []
        self.facts: list[AnyFact] = []
        self.invoked: InvokedAction | None = None

    def decision(self, answer: object) -> Decision:
        return Decision(
            answer=answer,
            fans=tuple(self.changed.values()),
            transactions=tuple(self.transactions),
            invoked=self.invoked,
            facts=tuple(self.facts),
        )

    def fan(self, profile_id: ProfileId) -> Fan:
        fan = self.changed.get(profile_id) or self.state.fans.get(profile_id)
        if fan is None or fan.profile.client_id != self.game.application.id:
            raise NotFound(f"There is no profile {profile_id!r:.100} in this application.", field="profile_id")
        return fan

    def put(self, fan: Fan) -> None:
        self.changed[fan.profile.id] = fan

    def tell(self, kind: Callable[..., AnyFact], profile: Profile, **more: object) -> None:
        self.facts.append(
            kind(
                id=FactId(self.new_id()),
                client_id=profile.client_id,
                profile_id=profile.id,
                custom_id=profile.custom_id,
                happened_at=self.now,
                **more,
            )
        )

    def item(self, reward_item_id: RewardItemId) -> RewardItem:
        item = self.game.reward_items.get(reward_item_id)
        if item is None:
            raise NotFound(
                f"There is no reward item {reward_item_id!r:.100} in this application.", field="reward_item_id"
            )
        return item

    def move(
        self,
        profile_id: ProfileId,
        reward_item_id: RewardItemId,
        amount: int,
        kind: TransactionKind,
        **more: Any,
    ) -> Transaction:
        """Add a row to the ledger: `amount` is signed. Does not look at badges yet."""
        fan = self.fan(profile_id)
        before = fan.balances.get(reward_item_id, 0)
        balance = before + amount
        if balance < 0:
            raise Rejected(
                f"The balance is {before}, which is less than the amount {-amount}. Nothing was changed.",
                code="insufficient_balance",
                field="reward_item_amount",
            )
        if balance > MAX_AMOUNT:
            raise Rejected("The balance would exceed 2^53. Nothing was changed.", field="reward_item_amount")
        transaction = Transaction(
            id=TransactionId(self.new_id()),
            profile_id=profile_id,
            reward_item_id=reward_item_id,
            amount=amount,
            balance=balance,
            kind=kind,
            created_at=self.now,
            **more,
        )
        self.transactions.append(transaction)
        self.put(replace(fan, balances={**fan.balances, reward_item_id: balance}))
        return transaction

    def earn_badges(self, credit: Transaction) -> None:
        """Those whose threshold the balance right after this credit reaches."""
        for badge, progression in self.game.badges_by_item.get(credit.reward_item_id, ()):
            if credit.balance >= progression.reward_item_threshold:
                self.give_badge(credit.profile_id, badge, progression)

    def give_badge(self, profile_id: ProfileId, badge: Badge, by: BadgeProgression | None) -> EarnedBadge:
        """Once for ever: a badge that the fan has is answered with as it is."""
        fan = self.fan(profile_id)
        if badge.id in fan.badges:
            return fan.badges[badge.id]
        earned = EarnedBadge(
            id=EarnedBadgeId(self.new_id()), profile_id=profile_id, badge_id=badge.id, awarded_at=self.now
        )
        self.put(replace(fan, badges={**fan.badges, badge.id: earned}))
        self.tell(
            BadgeRewarded,
            fan.profile,
            badge_id=badge.id,
            badge_title=badge.name,
            description=badge.description or None,
            earned_badge_id=earned.id,
            image_url=badge.image_url or None,
            reward_item_id=None if by is None else by.reward_item_id,
            reward_item_name=None if by is None else self.item(by.reward_item_id).name,
            reward_item_threshold=None if by is None else by.reward_item_threshold,
        )
        return earned

    def start(self, profile_id: ProfileId, quest: Quest) -> UserQuest:
        fan = self.fan(profile_id)
        user_quest = UserQuest(
            id=UserQuestId(self.new_id()),
            profile_id=profile_id,
            quest_id=quest.id,
            created_at=self.now,
            active_until=None if quest.timeout is None else self.now + quest.timeout,
            tasks=tuple(
                UserQuestTask(id=UserQuestTaskId(self.new_id()), quest_task_id=task.id) for task in quest.tasks
            ),
        )
        self.put(replace(fan, user_quests={**fan.user_quests, quest.id: user_quest}))
        return user_quest

    def is_running(self, quest: Quest, user_quest: UserQuest) -> bool:
        in_time = user_quest.active_until is None or self.now < user_quest.active_until
        return user_quest.completed_at is None and in_time and quest_status(quest, self.now) == "active"

    def progress(self, user_quest: UserQuest, quest: Quest, task: QuestTask, progress: Decimal) -> UserQuest:
        """Set a task's progress. What reaches the target is kept at the target, and completes the task."""
        own = next(each for each in user_quest.tasks if each.quest_task_id == task.id)
        progress = min(progress, task.target_value)
        if own.completed_at is not None or progress == own.progress:
            return user_quest
        is_complete = progress >= task.target_value
        after = replace(own, progress=progress, completed_at=self.now if is_complete else None)
        user_quest = self._put_task(user_quest, after)
        if progress > own.progress:
            self._tell_progress(user_quest, quest, task, after)
        if is_complete and all(each.completed_at is not None for each in user_quest.tasks):
            user_quest = self._complete(user_quest, quest)
        return user_quest

    def pay_rewards(self, user_quest: UserQuest, quest: Quest) -> UserQuest:
        claimed = replace(user_quest, rewards_claimed_at=self.now)
        self._put_quest(claimed)
        for reward in quest.rewards:
            paid = self.move(
                user_quest.profile_id,
                reward.reward_item_id,
                reward.reward_item_amount,
                TransactionKind.QUEST,
                user_quest_id=user_quest.id,
            )
            self.tell(
                QuestRewardAwarded,
                self.fan(user_quest.profile_id).profile,
                quest_id=quest.id,
                quest_name=quest.name,
                reward_item_id=reward.reward_item_id,
                reward_item_name=self.item(reward.reward_item_id).name,
                reward_item_amount=paid.amount,
                reward_item_balance=paid.balance,
                reward_item_transaction_id=paid.id,
            )
            self.earn_badges(paid)
        return claimed

    def _put_quest(self, user_quest: UserQuest) -> UserQuest:
        fan = self.fan(user_quest.profile_id)
        self.put(replace(fan, user_quests={**fan.user_quests, user_quest.quest_id: user_quest}))
        return user_quest

    def _put_task(self, user_quest: UserQuest, task: UserQuestTask) -> UserQuest:
        tasks = tuple(task if each.id == task.id else each for each in user_quest.tasks)
        return self._put_quest(replace(user_quest, tasks=tasks))

    def _tell_progress(self, user_quest: UserQuest, quest: Quest, task: QuestTask, own: UserQuestTask) -> None:
        profile = self.fan(user_quest.profile_id).profile
        common = {
            "quest_id": quest.id,
            "quest_name": quest.name,
            "quest_task_id": task.id,
            "quest_task_name": task.name,
            "user_quest_id": user_quest.id,
            "user_quest_task_id": own.id,
        }
        self.tell(
            UserQuestTaskProgressed,
            profile,
            **common,
            quest_task_target_value=decimal_text(task.target_value),
            user_quest_task_progress=decimal_text(own.progress),
        )
        if own.completed_at is not None:
            self.tell(QuestTaskCompleted, profile, **common)

    def _complete(self, user_quest: UserQuest, quest: Quest) -> UserQuest:
        user_quest = self._put_quest(replace(user_quest, completed_at=self.now))
        self.tell(
            UserQuestCompleted,
            self.fan(user_quest.profile_id).profile,
            quest_id=quest.id,
            quest_name=quest.name,
            user_quest_id=user_quest.id,
        )
        if self.game.application.auto_claim_quest_rewards:
            return self.pay_rewards(user_quest, quest)
        return user_quest


def _create_profile(turn: _Turn, command: CreateProfile) -> Profile:
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


def _update_profile(turn: _Turn, command: UpdateProfile) -> Profile:
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
    turn.put(replace(fan, profile=profile))
    return profile


def _invoke_action(turn: _Turn, command: InvokeAction) -> InvokedAction:
    game, key = turn.game, command.reward_action_key
    profile_id = _invoker(turn, command)
    if command.program_id not in game.programs:
        raise NotFound(f"There is no program {command.program_id!r:.100} in this application.", field="program_id")
    if key not in game.reward_actions:
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


def _invoker(turn: _Turn, command: InvokeAction) -> ProfileId:
    if (command.profile_id is None) == (command.custom_profile_id is None):
        raise Rejected("Send exactly one of profile_id and custom_profile_id.", field="profile_id")
    if command.profile_id is not None:
        return turn.fan(command.profile_id).profile.id
    custom_id = command.custom_profile_id or ""
    if custom_id not in turn.state.by_custom_id:
        raise NotFound(f"There is no profile with custom_id {custom_id!r:.100}.", field="custom_profile_id")
    return turn.state.by_custom_id[custom_id]


def _pay_entries(
    turn: _Turn, profile_id: ProfileId, invoked_id: InvokedActionId, command: InvokeAction
) -> list[InvokedReward]:
    """Every matching entry of every table of the program pays, in the order of tables and entries."""
    rewards: list[InvokedReward] = []
    for _, entry in turn.game.entries.get((command.program_id, command.reward_action_key), ()):
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
        )
        turn.earn_badges(paid)
        rewards.append(
            InvokedReward(
                reward_item_id=entry.reward_item_id, reward_item_name=name, reward_item_amount=entry.reward_item_amount
            )
        )
    return rewards


def _progress_linked(turn: _Turn, profile_id: ProfileId, quest: Quest, action_key: str) -> None:
    """An action progresses the tasks that it is linked to, of a run that was started (or that it starts)."""
    user_quest = turn.fan(profile_id).user_quests.get(quest.id)
    if user_quest is None:
        if not turn.game.application.automatic_quest_processing or quest_status(quest, turn.now) != "active":
            return
        user_quest = turn.start(profile_id, quest)
    own_tasks = {own.quest_task_id: own for own in user_quest.tasks}
    for task in quest.tasks:
        if task.reward_action_key == action_key and task.id in own_tasks and turn.is_running(quest, user_quest):
            progress = own_tasks[task.id].progress + task.default_progress_increment
            user_quest = turn.progress(user_quest, quest, task, progress)


def _credit(turn: _Turn, command: Credit) -> Transaction:
    return _change_balance(turn, command, check_amount(command.reward_item_amount, "reward_item_amount"))


def _debit(turn: _Turn, command: Debit) -> Transaction:
    return _change_balance(turn, command, -check_amount(command.reward_item_amount, "reward_item_amount"))


def _change_balance(turn: _Turn, command: Credit | Debit, amount: int) -> Transaction:
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


def _transfer(turn: _Turn, command: Transfer) -> Transaction:
    amount = check_amount(command.reward_item_amount, "reward_item_amount")
    item_id = turn.item(command.reward_item_id).id
    sender, recipient = command.profile_id, command.recipient_profile_id
    if sender == recipient:
        raise Rejected("Sender and recipient are the same profile.", field="recipient_profile_id")
    turn.fan(recipient)
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


def _award_badge(turn: _Turn, command: AwardBadge) -> EarnedBadge:
    badge = turn.game.badges.get(command.badge_id)
    if badge is None:
        raise NotFound(f"There is no badge {command.badge_id!r:.100} in this application.", field="badge_id")
    return turn.give_badge(command.profile_id, badge, None)


def _start_quest(turn: _Turn, command: StartQuest) -> UserQuest:
    quest = turn.game.quests.get(command.quest_id)
    if quest is None:
        raise NotFound(f"There is no quest {command.quest_id!r:.100} in this application.", field="quest_id")
    if quest.id in turn.fan(command.profile_id).user_quests:
        raise Conflict(f"The profile has started the quest {quest.name!r} already.", field="quest_id")
    status = quest_status(quest, turn.now)
    if status != "active":
        raise Rejected(f"The quest {quest.name!r} is {status}: it cannot be started now.", field="quest_id")
    if not quest.tasks:
        raise Rejected(f"The quest {quest.name!r} has no task yet: it cannot be started.", field="quest_id")
    return turn.start(command.profile_id, quest)


def _progress_task(turn: _Turn, command: ProgressTask) -> UserQuest:
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
    if not turn.is_running(quest, user_quest):
        raise Rejected(f"The quest {quest.name!r} is over: its tasks progress no more.", field="user_quest_task_id")
    return turn.progress(user_quest, quest, task, progress)


def _wanted_progress(command: ProgressTask, own: UserQuestTask, task: QuestTask) -> Decimal:
    for field in ("custom_increment", "custom_progress"):
        value: Decimal | None = getattr(command, field)
        if value is not None and check_decimal(value, field) < 0:
            raise Rejected(f"{field} is {value}. Send a number of 0 or above.", field=field)
    if command.custom_progress is not None:
        return command.custom_progress
    increment = command.custom_increment
    return own.progress + (task.default_progress_increment if increment is None else increment)


def _claim_quest_rewards(turn: _Turn, command: ClaimQuestRewards) -> UserQuest:
    owner = turn.state.by_user_quest.get(command.user_quest_id)
    if owner is None or command.profile_id not in {None, owner}:
        raise NotFound(f"There is no user quest {command.user_quest_id!r:.100}.", field="user_quest_id")
    user_quest = next(each for each in turn.fan(owner).user_quests.values() if each.id == command.user_quest_id)
    if user_quest.completed_at is None:
        raise Rejected("The user quest is not completed yet: there is nothing to claim.", field="rewards_status")
    if user_quest.rewards_claimed_at is not None:
        return user_quest
    return turn.pay_rewards(user_quest, turn.game.quests[user_quest.quest_id])


_HANDLERS: dict[type, Callable[[_Turn, Any], object]] = {
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
}
