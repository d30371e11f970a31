"""Quests: started, progressed, completed, claimed; each once."""

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from tifo.engagement import commands as c
from tifo.engagement.facts import QuestRewardAwarded, QuestTaskCompleted, UserQuestTaskProgressed
from tifo.engagement.model import TransactionKind
from tifo.engagement.rules import quest_status
from tifo.kernel.errors import Conflict, NotFound, Rejected

HOUR = timedelta(hours=1)
STEP = ["UserQuestTaskProgressed"]
LAST_STEP_OF_A_TASK = [*STEP, "QuestTaskCompleted"]
LAST_STEP_OF_A_QUEST = [*LAST_STEP_OF_A_TASK, "UserQuestCompleted"]


def linked(target: int = 1, key: str = "vote", **more: Any) -> dict[str, Any]:
    return {"target_value": Decimal(target), "reward_action_key": key, **more}


# Starting


def test_a_started_quest_has_every_task_at_nothing(club: Any) -> None:
    quest = club.quest({}, {}, timeout=HOUR)
    run = club.start(quest)
    assert [(own.quest_task_id, own.progress, own.completed_at) for own in run.tasks] == [
        (task.id, 0, None) for task in quest.tasks
    ]
    assert (run.active_until, run.completed_at, run.rewards_claimed_at) == (club.now + HOUR, None, None)
    assert club.told() == []


def test_starting_twice_conflicts_and_leaves_the_run_as_it_is(club: Any) -> None:
    quest = club.quest({})
    run = club.start(quest)
    with pytest.raises(Conflict, match="Quest") as error:
        club.start(quest)
    assert error.value.field == "quest_id"
    assert club.run(quest.id) == run


@pytest.mark.parametrize(
    ("hours", "status"), [(-1, "not_started"), (0, "active"), (1, "active"), (2, "expired"), (3, "expired")]
)
def test_a_quest_can_be_started_within_its_window(club: Any, hours: int, status: str) -> None:
    quest = club.quest({}, started_at=club.now, stopped_at=club.now + 2 * HOUR)
    club.tick(hours=hours)
    assert quest_status(quest, club.now) == status
    if status == "active":
        assert club.start(quest).quest_id == quest.id
    else:
        with pytest.raises(Rejected, match=status):
            club.start(quest)


def test_a_quest_without_tasks_cannot_be_started(club: Any) -> None:
    with pytest.raises(Rejected, match="no task"):
        club.start(club.quest())


def test_a_quest_that_does_not_exist_is_not_found(club: Any) -> None:
    with pytest.raises(NotFound):
        club.play(c.StartQuest, profile_id=club.ada, quest_id="nothing")


# Progress


def test_a_step_is_the_default_increment_or_a_custom_one_or_an_absolute_value(club: Any) -> None:
    run = club.start(club.quest({"target_value": Decimal(10), "default_progress_increment": Decimal(2)}))
    assert club.step(run).tasks[0].progress == 2
    assert club.step(run, custom_increment="0.25").tasks[0].progress == Decimal("2.25")
    assert club.step(run, custom_progress="7").tasks[0].progress == 7


def test_halves_add_up_exactly(club: Any) -> None:
    run = club.start(club.quest({"default_progress_increment": Decimal("0.1")}))
    for _ in range(9):
        club.step(run)
    assert club.told() == STEP
    assert club.fact(UserQuestTaskProgressed).user_quest_task_progress == "0.9"
    club.step(run)
    assert club.told() == LAST_STEP_OF_A_QUEST
    assert club.fact(UserQuestTaskProgressed).user_quest_task_progress == "1"


def test_numbers_are_told_plainly(club: Any) -> None:
    run = club.start(club.quest({"target_value": Decimal("1E+2")}))
    club.step(run, custom_increment="1E+1")
    fact = club.fact(UserQuestTaskProgressed)
    assert (fact.user_quest_task_progress, fact.quest_task_target_value) == ("10", "100")
    assert club.step(run, custom_increment="0.50").tasks[0].progress == Decimal("10.5")
    assert club.fact(UserQuestTaskProgressed).user_quest_task_progress == "10.5"


def test_the_completing_step_is_told_and_then_the_completion(club: Any) -> None:
    run = club.start(club.quest({}, {}))
    after = club.step(run)
    assert club.told() == LAST_STEP_OF_A_TASK
    assert club.fact(QuestTaskCompleted).user_quest_task_id == run.tasks[0].id
    assert (after.tasks[0].completed_at, after.completed_at) == (club.now, None)
    assert club.step(run, 1).completed_at == club.now
    assert club.told() == LAST_STEP_OF_A_QUEST


@pytest.mark.parametrize("how", [{"custom_increment": "5"}, {"custom_progress": "5"}])
def test_progress_past_the_target_is_kept_at_the_target(club: Any, how: dict[str, str]) -> None:
    run = club.start(club.quest({"target_value": Decimal(2)}, {}))
    assert club.step(run, **how).tasks[0].progress == 2
    assert club.fact(UserQuestTaskProgressed).user_quest_task_progress == "2"


@pytest.mark.parametrize("how", [{}, {"custom_increment": "1"}, {"custom_progress": "0"}, {"custom_progress": "9"}])
def test_after_completion_nothing_changes_and_nothing_is_told(club: Any, how: dict[str, str]) -> None:
    run = club.start(club.quest({}, {}))
    done = club.step(run)
    assert club.step(run, **how) == done
    assert (club.last.facts, club.last.fans) == ((), ())
    whole = club.step(run, 1)
    assert club.step(run, **how) == whole
    assert club.last.facts == ()


def test_progress_may_be_set_lower_which_is_not_told(club: Any) -> None:
    run = club.start(club.quest({"target_value": Decimal(5)}))
    club.step(run, custom_progress="3")
    assert club.step(run, custom_progress="0").tasks[0].progress == 0
    assert club.told() == []
    club.step(run, custom_progress="1")
    assert club.told() == STEP


@pytest.mark.parametrize("how", [{"custom_increment": "0"}, {"custom_progress": "3"}, {"custom_increment": "-0"}])
def test_a_step_to_where_the_task_is_changes_nothing(club: Any, how: dict[str, str]) -> None:
    run = club.start(club.quest({"target_value": Decimal(5)}))
    before = club.step(run, custom_progress="3")
    assert club.step(run, **how) == before
    assert (club.last.facts, club.last.fans) == ((), ())


@pytest.mark.parametrize("field", ["custom_increment", "custom_progress"])
@pytest.mark.parametrize("value", ["-1", "-0.5", "NaN", "sNaN", "Infinity", "-Infinity", "1E+999999", "1E-999999"])
def test_a_step_is_a_finite_number_of_0_or_above(club: Any, field: str, value: str) -> None:
    run = club.start(club.quest({"target_value": Decimal(5)}))
    with pytest.raises(Rejected) as error:
        club.step(run, **{field: value})
    assert error.value.field == field
    assert club.state().user_quests[run.quest_id] == run


def test_increment_and_absolute_progress_exclude_each_other(club: Any) -> None:
    run = club.start(club.quest({}))
    with pytest.raises(Rejected, match="not both"):
        club.step(run, custom_increment="1", custom_progress="1")


def test_nothing_progresses_after_the_fans_own_time(club: Any) -> None:
    quest = club.quest(linked(5), timeout=HOUR)
    run = club.start(quest)
    club.tick(minutes=59)
    club.step(run)
    club.tick(minutes=1)
    with pytest.raises(Rejected, match="over"):
        club.step(run)
    club.invoke()
    assert club.told() == []
    assert club.run(quest.id).tasks[0].progress == 1


def test_nothing_progresses_after_the_quests_window(club: Any) -> None:
    quest = club.quest(linked(5), stopped_at=club.now + HOUR)
    run = club.start(quest)
    club.tick(hours=1)
    with pytest.raises(Rejected, match="over"):
        club.step(run)
    club.invoke()
    assert club.told() == []


def test_another_fans_task_is_not_found(club: Any) -> None:
    run = club.start(club.quest({}))
    for command, fields in (
        (c.ProgressTask, {"user_quest_task_id": run.tasks[0].id}),
        (c.ClaimQuestRewards, {"user_quest_id": run.id}),
    ):
        with pytest.raises(NotFound):
            club.play(command, profile_id=club.fan(), **fields)
        with pytest.raises(NotFound):
            club.play(command, **dict.fromkeys(fields, "nothing"))
    assert club.play(c.ProgressTask, profile_id=club.ada, user_quest_task_id=run.tasks[0].id).completed_at


def test_a_run_keeps_the_tasks_that_it_started_with(club: Any) -> None:
    quest = club.quest(linked())
    run = club.start(quest)
    club.define(c.AddQuestTask, quest_id=quest.id, name="Later", reward_action_key="watch")
    club.invoke("watch")
    assert club.told() == []
    assert club.step(run).completed_at == club.now


# Linked actions


def test_an_action_progresses_the_tasks_that_it_is_linked_to(club: Any) -> None:
    run = club.start(club.quest(linked(3, default_progress_increment=Decimal("1.5")), linked(1, "watch")))
    club.invoke("vote")
    assert [own.progress for own in club.run(run.quest_id).tasks] == [Decimal("1.5"), 0]
    club.invoke("watch")
    assert club.told() == LAST_STEP_OF_A_TASK
    club.invoke("vote")
    assert club.told() == LAST_STEP_OF_A_QUEST


def test_an_action_progresses_every_linked_task_of_every_running_quest(club: Any) -> None:
    for name in ("One", "Two"):
        club.start(club.quest(linked(1), linked(2), name=name))
    club.invoke()
    assert club.told() == [*LAST_STEP_OF_A_TASK, *STEP] * 2
    club.invoke()
    assert club.told() == LAST_STEP_OF_A_QUEST * 2


def test_an_action_starts_no_quest_unless_the_application_says_so(club: Any) -> None:
    quest = club.quest(linked(2))
    club.invoke()
    assert club.state().user_quests == {}
    club.define(c.UpdateApplication, automatic_quest_processing=True)
    club.invoke()
    assert club.run(quest.id).tasks[0].progress == 1
    assert club.told() == STEP


def test_an_action_starts_only_active_quests_that_it_is_linked_to(club: Any) -> None:
    club.define(c.UpdateApplication, automatic_quest_processing=True)
    club.quest(linked(1, "watch"))
    club.quest(linked(), started_at=club.now + HOUR)
    club.quest(linked(), stopped_at=club.now - HOUR)
    club.invoke("vote")
    assert club.state().user_quests == {}


def test_an_action_does_not_start_a_completed_quest_again(club: Any) -> None:
    club.define(c.UpdateApplication, automatic_quest_processing=True)
    quest = club.quest(linked())
    club.invoke()
    run = club.run(quest.id)
    club.invoke()
    assert (club.run(quest.id), club.told()) == (run, [])


# Rewards


def test_rewards_wait_for_the_claim_and_are_paid_once(club: Any) -> None:
    run = club.start(club.quest({}, rewards=((club.points, 5), (club.coins, 1))))
    with pytest.raises(Rejected, match="not completed"):
        club.claim(run)
    club.step(run)
    assert club.last.transactions == ()
    club.tick(days=400)
    claimed = club.claim(run)
    assert claimed.rewards_claimed_at == club.now
    assert club.told() == ["QuestRewardAwarded"] * 2
    assert [row.kind for row in club.last.transactions] == [TransactionKind.QUEST] * 2
    assert {row.user_quest_id for row in club.last.transactions} == {run.id}
    assert club.claim(run) == claimed
    assert (club.last.transactions, club.last.facts) == ((), ())
    assert (club.balance(), club.balance(club.coins)) == (5, 1)


def test_a_quest_without_rewards_is_claimed_without_a_payment(club: Any) -> None:
    run = club.start(club.quest({}))
    club.step(run)
    assert club.claim(run).rewards_claimed_at == club.now
    assert club.told() == []


def test_a_reward_is_told_with_its_quest_and_the_balance_right_after(club: Any) -> None:
    club.credit(10)
    quest = club.quest({}, rewards=((club.points, 5),))
    run = club.start(quest)
    club.step(run)
    club.claim(run)
    fact = club.fact(QuestRewardAwarded)
    assert (fact.quest_id, fact.quest_name, fact.reward_item_name) == (quest.id, "Quest", "Points")
    assert (fact.reward_item_amount, fact.reward_item_balance) == (5, 15)
    assert fact.reward_item_transaction_id == club.last.transactions[0].id


def test_an_application_may_have_rewards_claimed_at_once(club: Any) -> None:
    club.define(c.UpdateApplication, auto_claim_quest_rewards=True)
    run = club.start(club.quest({}, rewards=((club.points, 5),)))
    after = club.step(run)
    assert club.told() == [*LAST_STEP_OF_A_QUEST, "QuestRewardAwarded"]
    assert after.rewards_claimed_at == after.completed_at == club.now
    club.claim(run)
    assert club.balance() == 5


def test_one_action_cascades_in_causal_order(club: Any) -> None:
    club.define(c.UpdateApplication, auto_claim_quest_rewards=True, automatic_quest_processing=True)
    club.badge((club.points, 5), name="Five")
    club.badge((club.points, 10), name="Ten")
    club.badge((club.coins, 1), name="Coin")
    club.pays("vote", (club.points, 5))
    club.quest(linked(), rewards=((club.points, 5), (club.coins, 1)))
    club.invoke()
    assert club.told() == [
        "RewardItemRewarded",
        "BadgeRewarded",
        *LAST_STEP_OF_A_QUEST,
        "QuestRewardAwarded",
        "BadgeRewarded",
        "QuestRewardAwarded",
        "BadgeRewarded",
    ]
    titles = [fact.badge_title for fact in club.last.facts if hasattr(fact, "badge_title")]
    assert titles == ["Five", "Ten", "Coin"]
    assert len({fact.id for fact in club.last.facts}) == len(club.last.facts)
    assert {fact.happened_at for fact in club.last.facts} == {club.now}


def test_a_cascade_that_fails_at_its_end_leaves_nothing(club: Any) -> None:
    club.define(c.UpdateApplication, auto_claim_quest_rewards=True)
    club.pays("vote", (club.points, 5))
    quest = club.quest(linked(), rewards=((club.coins, 2**53 - 1),))
    club.start(quest)
    club.credit(1, club.coins)
    before = club.state()
    with pytest.raises(Rejected, match="exceed"):
        club.invoke(code="1")
    assert club.state() is before
    assert club.working.used_codes == set()
