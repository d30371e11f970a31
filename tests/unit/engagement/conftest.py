"""A small club: points and coins, two actions, one fan; every id counts up and the clock stands still."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from tifo.engagement import commands as c
from tifo.engagement.batch import Working
from tifo.engagement.definitions import define
from tifo.engagement.facts import AnyFact
from tifo.engagement.model import Application, Fan, Game, Program, UserQuest
from tifo.engagement.ports import Decision
from tifo.kernel.ids import ClientId, ProfileId, ProgramId, QuestId, RewardItemId

CLIENT, PROGRAM = ClientId("club"), ProgramId("season")
START = datetime(2026, 11, 24, 10, tzinfo=UTC)


class Club:
    def __init__(self) -> None:
        self.now = START
        self.program_id = PROGRAM
        self._made = 0
        application = Application(id=CLIENT, name="Club", default_program_id=PROGRAM, created_at=START)
        self.working = Working(Game(application, (Program(id=PROGRAM, name="Season", created_at=START),)))
        self.last = Decision(None)
        self.points: RewardItemId = self.define(c.CreateRewardItem, name="Points").id
        self.coins: RewardItemId = self.define(c.CreateRewardItem, name="Coins").id
        for key in ("vote", "watch"):
            self.define(c.CreateRewardAction, name=key.title(), key=key)
        self.ada = self.fan("ada")

    def new_id(self) -> str:
        self._made += 1
        return f"id-{self._made:04}"

    def define(self, command: type[Any], **fields: Any) -> Any:
        made = define(self.working.game, command(client_id=CLIENT, **fields), self.now, self.new_id)
        self.working.game = self.working.game.with_(made)
        return made

    def play(self, command: type[Any], **fields: Any) -> Any:
        """The answer; `last` is the whole decision."""
        self.last = self.working.play(command(client_id=CLIENT, **fields), self.now, self.new_id)
        return self.last.answer

    def tick(self, **units: float) -> None:
        self.now += timedelta(**units)

    # Definitions in short

    def pays(self, key: str, *entries: tuple[RewardItemId, int], programs: tuple[ProgramId, ...] = ()) -> Any:
        new = tuple(c.NewEntry(reward_item_id=item, reward_item_amount=n, action_key=key) for item, n in entries)
        return self.define(c.CreateRewardTable, name="Table", entries=new, program_ids=programs)

    def badge(self, *progressions: tuple[RewardItemId, int], name: str = "Badge", **more: Any) -> Any:
        new = tuple(c.NewProgression(reward_item_id=item, reward_item_threshold=n) for item, n in progressions)
        return self.define(c.CreateBadge, name=name, progressions=new, **more)

    def quest(self, *tasks: dict[str, Any], rewards: tuple[tuple[RewardItemId, int], ...] = (), **more: Any) -> Any:
        quest = self.define(c.CreateQuest, **{"name": "Quest", **more})
        for task in tasks:
            quest = self.define(c.AddQuestTask, quest_id=quest.id, **{"name": "Task", **task})
        if rewards:
            new = tuple(c.NewQuestReward(reward_item_id=item, reward_item_amount=n) for item, n in rewards)
            quest = self.define(c.AddQuestRewards, quest_id=quest.id, rewards=new)
        return quest

    # Play in short

    def fan(self, custom_id: str | None = None) -> ProfileId:
        profile_id: ProfileId = self.play(c.CreateProfile, custom_id=custom_id).id
        return profile_id

    def invoke(self, key: str = "vote", *, who: ProfileId | None = None, **more: Any) -> Any:
        fields = {"program_id": PROGRAM, "profile_id": who or self.ada, **more}
        return self.play(c.InvokeAction, reward_action_key=key, **fields)

    def credit(self, amount: int, item: RewardItemId | None = None, *, who: ProfileId | None = None) -> Any:
        return self.play(
            c.Credit, profile_id=who or self.ada, reward_item_id=item or self.points, reward_item_amount=amount
        )

    def debit(self, amount: int) -> Any:
        return self.play(c.Debit, profile_id=self.ada, reward_item_id=self.points, reward_item_amount=amount)

    def transfer(self, amount: int, *, to: ProfileId) -> Any:
        return self.play(
            c.Transfer,
            profile_id=self.ada,
            recipient_profile_id=to,
            reward_item_id=self.points,
            reward_item_amount=amount,
        )

    def start(self, quest: Any) -> UserQuest:
        run: UserQuest = self.play(c.StartQuest, profile_id=self.ada, quest_id=quest.id)
        return run

    def step(self, run: UserQuest, task: int = 0, **how: Any) -> UserQuest:
        given = {name: Decimal(value) for name, value in how.items()}
        after: UserQuest = self.play(c.ProgressTask, user_quest_task_id=run.tasks[task].id, **given)
        return after

    def claim(self, run: UserQuest) -> UserQuest:
        after: UserQuest = self.play(c.ClaimQuestRewards, user_quest_id=run.id)
        return after

    # What came of it

    def told(self) -> list[str]:
        """The kinds of the last command's facts."""
        return [type(fact).__name__ for fact in self.last.facts]

    def fact(self, kind: type[AnyFact]) -> Any:
        """The last command's only fact of this kind."""
        (fact,) = (fact for fact in self.last.facts if isinstance(fact, kind))
        return fact

    def state(self, who: ProfileId | None = None) -> Fan:
        return self.working.fans[who or self.ada]

    def balance(self, item: RewardItemId | None = None, *, who: ProfileId | None = None) -> int:
        return self.state(who).balances.get(item or self.points, 0)

    def run(self, quest_id: QuestId) -> UserQuest:
        return self.state().user_quests[quest_id]


@pytest.fixture
def club() -> Club:
    return Club()
