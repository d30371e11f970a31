"""What becomes of a run beside its progress: tasks' status, badges, removal."""

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from tifo.engagement import commands as c
from tifo.engagement.facts import BadgeRewarded
from tifo.engagement.model import UserQuest
from tifo.kernel.errors import Conflict, NotFound, Rejected


def update(club: Any, run: UserQuest, *statuses: tuple[int, str], claim: bool = False, **more: Any) -> UserQuest:
    tasks = {wanted: tuple(run.tasks[n].id for n, status in statuses if status == wanted) for _, wanted in statuses}
    after: UserQuest = club.play(c.ChangeUserQuest, user_quest_id=run.id, claim=claim, **tasks, **more)
    return after


@pytest.fixture
def quest(club: Any) -> Any:
    return club.quest({"target_value": Decimal(3)}, {}, rewards=((club.points, 7),))


def test_completing_all_tasks_and_claiming_is_one_command(club: Any, quest: Any) -> None:
    done = update(club, club.start(quest), (0, "completed"), (1, "completed"), claim=True)
    assert done.rewards_claimed_at == done.completed_at == club.now
    assert [task.progress for task in done.tasks] == [3, 1]
    assert club.balance() == 7
    assert club.told() == [
        *("UserQuestTaskProgressed", "QuestTaskCompleted") * 2,
        "UserQuestCompleted",
        "QuestRewardAwarded",
    ]


def test_a_claim_that_is_refused_leaves_the_tasks_as_they_were(club: Any, quest: Any) -> None:
    run = club.start(quest)
    with pytest.raises(Rejected) as error:
        update(club, run, (0, "completed"), claim=True)
    assert error.value.field == "rewards_status"
    assert club.run(quest.id) == run


def test_an_incomplete_task_starts_from_nothing_and_completes_anew(club: Any, quest: Any) -> None:
    run = update(club, club.start(quest), (0, "completed"))
    reset = update(club, run, (0, "incomplete"))
    assert reset.tasks[0].progress == 0
    assert reset.tasks[0].completed_at is None
    assert club.told() == []
    club.step(reset, custom_progress="2")
    assert update(club, reset, (0, "incomplete")).tasks[0].progress == 0
    update(club, reset, (0, "completed"))
    assert club.told() == ["UserQuestTaskProgressed", "QuestTaskCompleted"]


def test_a_status_that_holds_already_changes_nothing(club: Any, quest: Any) -> None:
    run = club.start(quest)
    assert update(club, run, (0, "incomplete")) == run
    done = update(club, run, (0, "completed"), (1, "completed"))
    assert update(club, done, (0, "completed")) == done
    assert (club.last.fans, club.last.facts) == ((), ())


def test_a_completed_run_stays_completed(club: Any, quest: Any) -> None:
    done = update(club, club.start(quest), (0, "completed"), (1, "completed"))
    with pytest.raises(Conflict):
        update(club, done, (0, "incomplete"))


def test_another_fans_run_and_unknown_tasks_are_refused(club: Any, quest: Any) -> None:
    run = club.start(quest)
    with pytest.raises(NotFound):
        update(club, run, (0, "completed"), profile_id=club.fan())
    with pytest.raises(Rejected) as error:
        club.play(c.ChangeUserQuest, user_quest_id=run.id, completed=("x",))
    assert error.value.field == "user_quest_tasks"


def test_after_its_end_nothing_of_a_run_is_set(club: Any) -> None:
    run = club.start(club.quest({}, timeout=timedelta(hours=1)))
    club.tick(hours=1)
    with pytest.raises(Rejected, match="over"):
        update(club, run, (0, "completed"))


def test_a_target_that_is_lowered_below_the_progress_completes_with_the_next_step(club: Any, quest: Any) -> None:
    run = club.start(quest)
    club.step(run, custom_progress="2")
    club.define(c.UpdateQuestTask, quest_task_id=quest.tasks[0].id, target_value=Decimal(2))
    after = club.step(run)
    assert (after.tasks[0].progress, after.tasks[0].completed_at) == (2, club.now)
    assert club.told() == ["UserQuestTaskProgressed", "QuestTaskCompleted"]


def test_a_task_that_is_removed_stays_with_the_runs_that_have_it(club: Any, quest: Any) -> None:
    run = club.start(quest)
    club.define(c.RemoveQuestTask, quest_task_id=quest.tasks[1].id)
    done = update(club, run, (0, "completed"), (1, "completed"))
    assert done.completed_at == club.now
    bo = club.fan()
    other = club.play(c.StartQuest, profile_id=bo, quest_id=quest.id)
    assert [task.quest_task_id for task in other.tasks] == [quest.tasks[0].id]


def test_the_quests_badges_are_claimed_once_each_and_told_without_a_threshold(club: Any) -> None:
    one, two, other = club.badge(name="One"), club.badge(name="Two"), club.badge(name="Other")
    quest = club.quest({}, badge_ids=(one.id, two.id))
    run = club.start(quest)
    claim = {"user_quest_id": run.id}
    with pytest.raises(Rejected) as error:
        club.play(c.ClaimQuestBadges, **claim)
    assert error.value.field == "claim_badges"
    club.step(run)
    assert [b.badge_id for b in club.play(c.ClaimQuestBadges, **claim, badge_ids=(two.id, other.id))] == [two.id]
    assert club.fact(BadgeRewarded).reward_item_threshold is None
    assert [b.badge_id for b in club.play(c.ClaimQuestBadges, **claim)] == [one.id, two.id]
    assert club.told() == ["BadgeRewarded"]
    earned = club.state().badges[one.id]
    club.play(c.RevokeBadge, earned_badge_id=earned.id)
    assert [b.badge_id for b in club.play(c.ClaimQuestBadges, **claim)] == [two.id]


def test_where_rewards_are_claimed_by_themselves_badges_are_too(club: Any) -> None:
    club.define(c.UpdateApplication, auto_claim_quest_rewards=True)
    badge = club.badge()
    run = club.start(club.quest({}, rewards=((club.points, 1),), badge_ids=(badge.id,)))
    club.step(run)
    assert club.told()[-2:] == ["QuestRewardAwarded", "BadgeRewarded"]


def test_a_quest_has_five_badges_at_most(club: Any) -> None:
    badges = tuple(club.badge(name=f"{number}").id for number in range(6))
    quest = club.quest({}, badge_ids=badges[:5])
    assert quest.badge_ids == badges[:5]
    with pytest.raises(Rejected, match="Quest can't have more than 5 Badges"):
        club.define(c.UpdateQuest, quest_id=quest.id, badge_ids=badges)


def test_a_removed_run_is_gone_and_the_quest_starts_anew(club: Any, quest: Any) -> None:
    run = update(club, club.start(quest), (0, "completed"))
    assert club.play(c.RemoveUserQuest, user_quest_id=run.id) == run
    assert club.state().user_quests == {}
    for command in (c.RemoveUserQuest, c.ClaimQuestRewards, c.ClaimQuestBadges, c.ChangeUserQuest):
        with pytest.raises(NotFound):
            club.play(command, user_quest_id=run.id)
    with pytest.raises(NotFound):
        club.step(run)
    again = club.start(quest)
    assert again.id != run.id
    assert [task.progress for task in again.tasks] == [0, 0]


def test_a_completed_run_is_not_removed(club: Any, quest: Any) -> None:
    done = update(club, club.start(quest), (0, "completed"), (1, "completed"))
    with pytest.raises(Conflict):
        club.play(c.RemoveUserQuest, user_quest_id=done.id)
    assert club.run(quest.id) == done
