"""Resources are made in a context: addresses, the application's other definitions, the time."""

from datetime import datetime
from typing import NamedTuple

from tifo.engagement.model import Game, Quest, QuestTask, RewardItem
from tifo.kernel.ids import ClientId, QuestTaskId, RewardItemId
from tifo.livelike.links import Links
from tifo.livelike.resources.base import known


class ResourceContext(NamedTuple):
    """One application at one moment. Its lookups raise `Transient` for a definition that was not read yet."""

    links: Links
    game: Game
    now: datetime

    @property
    def client_id(self) -> ClientId:
        return self.game.application.id

    def reward_item(self, item_id: RewardItemId) -> RewardItem:
        return known(self.game.reward_items, item_id)

    def quest_task(self, task_id: QuestTaskId) -> tuple[QuestTask, Quest]:
        quest = known(self.game.quests, known(self.game.quest_of_task, task_id))
        return next(task for task in quest.tasks if task.id == task_id), quest
