"""What becomes of a run beside its progress: tasks' status, badges, removal."""

from decimal import Decimal
from typing import Any

import pytest

from tifo.engagement import commands as c


@pytest.fixture
def quest(club: Any) -> Any:
    return club.quest({"target_value": Decimal(3)}, {}, rewards=((club.points, 7),))


def test_a_target_that_is_lowered_below_the_progress_completes_with_the_next_step(club: Any, quest: Any) -> None:
    run = club.start(quest)
    club.step(run, custom_progress="2")
    club.define(c.UpdateQuestTask, quest_task_id=quest.tasks[0].id, target_value=Decimal(2))
    after = club.step(run)
    assert (after.tasks[0].progress, after.tasks[0].completed_at) == (2, club.now)
    assert club.told() == ["UserQuestTaskProgressed", "QuestTaskCompleted"]
