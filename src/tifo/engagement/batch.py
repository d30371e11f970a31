"""Plays several commands on one state: each sees the effects of those before it, and a rejected one leaves none."""

from collections.abc import Mapping
from datetime import datetime

from tifo.engagement.commands import InvokeActions, PlayCommand
from tifo.engagement.model import Fan, Game, Invocation, UserQuest
from tifo.engagement.ports import BatchState, Decision
from tifo.engagement.rules import decide
from tifo.kernel.errors import Rejected
from tifo.kernel.ids import EarnedBadgeId, NewId, ProfileId, UserQuestId, UserQuestTaskId


class Working:
    """The state of one application while a batch runs: made from the loaded fans, and changed by `play`.

    A command may name a fan of another application by mistake. Such fans are ignored, because their custom ids mean
    nothing here.
    """

    def __init__(
        self,
        game: Game,
        *,
        fans: Mapping[ProfileId, Fan] | None = None,
        used_codes: set[tuple[ProfileId, str, str]] | None = None,
    ) -> None:
        self.game = game
        self.fans: dict[ProfileId, Fan] = {}
        self.by_custom_id: dict[str, ProfileId] = {}
        self.by_user_quest: dict[UserQuestId, ProfileId] = {}
        self.by_user_quest_task: dict[UserQuestTaskId, ProfileId] = {}
        self.by_earned_badge: dict[EarnedBadgeId, ProfileId] = {}
        self.used_codes = used_codes if used_codes is not None else set()
        for fan in (fans or {}).values():
            if fan.profile.client_id == game.application.id:
                self._put(fan)

    def play(self, command: PlayCommand, now: datetime, new_id: NewId) -> Decision:
        """Plays one command. Raises what the rules raise; nothing has changed then."""
        # These are the working state's own dictionaries: each command sees what `_put` stored for those before it.
        state = BatchState(
            fans=self.fans,
            by_custom_id=self.by_custom_id,
            by_user_quest=self.by_user_quest,
            by_user_quest_task=self.by_user_quest_task,
            by_earned_badge=self.by_earned_badge,
            used_codes=self.used_codes,
        )
        decision = decide(self.game, state, command, now, new_id)
        for fan in decision.fans:
            self._put(fan)
        invoked = decision.invoked
        # `used_codes` was loaded before the batch: without this a code that is twice in a batch would pay twice.
        if invoked is not None and invoked.code is not None:
            self.used_codes.add((invoked.profile_id, invoked.reward_action_key, invoked.code))
        return decision

    def invoke_all(
        self, command: InvokeActions, now: datetime, new_id: NewId
    ) -> tuple[list[Decision], tuple[Invocation, ...]]:
        """Plays the actions in order, and returns the accepted ones' decisions with the outcome of every action."""
        decisions: list[Decision] = []
        outcomes: list[Invocation] = []
        for action in command.actions:
            try:
                decision = self.play(action, now, new_id)
            # A refusal is one of the answers. It left no effects, so the next action starts from a sound state.
            except Rejected as error:
                outcomes.append(Invocation(refused=error.message))
            else:
                decisions.append(decision)
                outcomes.append(Invocation(invoked=decision.invoked))
        return decisions, tuple(outcomes)

    def _put(self, fan: Fan) -> None:
        profile = fan.profile
        before = self.fans.get(profile.id)
        self.fans[profile.id] = fan
        if profile.custom_id is not None:
            self.by_custom_id[profile.custom_id] = profile.id
        # Most commands add no badge and no user quest: the indexes stay as they are then.
        if before is None or len(before.badges) != len(fan.badges):
            self.by_earned_badge.update((earned.id, profile.id) for earned in fan.badges.values())
        if before is not None and len(before.user_quests) == len(fan.user_quests):
            return
        # A run that was removed must not be found by its id, later in the same batch either.
        for quest_id, user_quest in before.user_quests.items() if before is not None else ():
            if quest_id not in fan.user_quests:
                self._forget(user_quest)
        for user_quest in fan.user_quests.values():
            self.by_user_quest[user_quest.id] = profile.id
            self.by_user_quest_task.update((task.id, profile.id) for task in user_quest.tasks)

    def _forget(self, user_quest: UserQuest) -> None:
        del self.by_user_quest[user_quest.id]
        for task in user_quest.tasks:
            del self.by_user_quest_task[task.id]
