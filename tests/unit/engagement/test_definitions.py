"""Definitions are checked whole before anything of them is kept."""

from datetime import timedelta
from decimal import Decimal
from typing import Any
from uuid import uuid4

import pytest

from tifo.engagement import commands as c
from tifo.engagement.definitions import MAX_PARTS, apply, digest
from tifo.kernel.errors import Conflict, NotFound, Rejected
from tifo.kernel.ids import ClientId, RewardItemId

CLIENT = ClientId("club")


def refused(club: Any, error_type: type[Rejected], command: type[Any], **fields: Any) -> Rejected:
    before = club.working.game
    with pytest.raises(error_type) as error:
        club.define(command, **fields)
    assert club.working.game is before
    return error.value


@pytest.mark.parametrize(
    "command", [c.CreateProgram, c.CreateRewardItem, c.CreateRewardTable, c.CreateBadge, c.CreateQuest]
)
@pytest.mark.parametrize("name", ["", " \t", "x" * 256])
def test_a_name_is_a_text_of_at_most_255_characters(club: Any, command: type[Any], name: str) -> None:
    assert refused(club, Rejected, command, name=name).field == "name"
    assert refused(club, Rejected, c.UpdateApplication, name=name).field == "name"


def test_an_action_key_is_taken_once(club: Any) -> None:
    assert refused(club, Conflict, c.CreateRewardAction, name="Again", key="vote").field == "key"
    assert refused(club, Rejected, c.CreateRewardAction, name="Empty", key="").field == "key"


def test_an_application_keeps_what_an_update_does_not_name(club: Any) -> None:
    club.define(c.UpdateApplication, automatic_quest_processing=True)
    club.define(c.UpdateApplication, name="New")
    application = club.define(c.UpdateApplication, auto_claim_quest_rewards=True)
    assert (application.name, application.automatic_quest_processing) == ("New", True)
    assert club.working.game.application == application


@pytest.mark.parametrize("amount", [0, -1, 2**53, 10**400])
def test_amounts_and_thresholds_are_whole_numbers_from_1(club: Any, amount: int) -> None:
    entry = c.NewEntry(reward_item_id=club.points, reward_item_amount=amount, action_key="vote")
    assert refused(club, Rejected, c.CreateRewardTable, name="T", entries=(entry,)).field == "reward_item_amount"
    progression = c.NewProgression(reward_item_id=club.points, reward_item_threshold=amount)
    error = refused(club, Rejected, c.CreateBadge, name="B", progressions=(progression,))
    assert error.field == "reward_item_threshold"
    reward = c.NewQuestReward(reward_item_id=club.points, reward_item_amount=amount)
    error = refused(club, Rejected, c.AddQuestRewards, quest_id=club.quest().id, rewards=(reward,))
    assert error.field == "reward_item_amount"


def test_what_a_definition_names_must_exist(club: Any) -> None:
    def entry(item: str, key: str) -> tuple[c.NewEntry, ...]:
        return (c.NewEntry(reward_item_id=item, reward_item_amount=1, action_key=key),)  # type: ignore[arg-type]

    quest, table = club.quest(), club.pays("vote", (club.points, 1))
    progression = c.NewProgression(reward_item_id="x", reward_item_threshold=1)  # type: ignore[arg-type]
    reward = c.NewQuestReward(reward_item_id="x", reward_item_amount=1)  # type: ignore[arg-type]
    cases: list[tuple[type[Any], dict[str, Any], str]] = [
        (c.CreateRewardTable, {"name": "T", "entries": entry("x", "vote")}, "reward_item_id"),
        (c.CreateRewardTable, {"name": "T", "entries": entry(club.points, "x")}, "action"),
        (c.CreateRewardTable, {"name": "T", "program_ids": ("x",)}, "program_ids"),
        (c.UpdateRewardTable, {"reward_table_id": table.id, "program_ids": ("x",)}, "program_ids"),
        (c.UpdateRewardTable, {"reward_table_id": "x", "program_ids": ()}, "reward_table_id"),
        (c.AddRewardTableEntry, {"reward_table_id": "x", "entry": entry(club.points, "vote")[0]}, "reward_table_id"),
        (c.RemoveRewardTableEntry, {"reward_table_id": table.id, "entry_id": "x"}, "entry_id"),
        (c.CreateBadge, {"name": "B", "progressions": (progression,)}, "reward_item_id"),
        (c.AddQuestTask, {"quest_id": "x", "name": "T"}, "quest_id"),
        (c.AddQuestTask, {"quest_id": quest.id, "name": "T", "reward_action_key": "x"}, "reward_action_key"),
        (c.AddQuestRewards, {"quest_id": "x", "rewards": ()}, "quest_id"),
        (c.AddQuestRewards, {"quest_id": quest.id, "rewards": (reward,)}, "reward_item_id"),
    ]
    for command, fields, field in cases:
        assert refused(club, NotFound, command, **fields).field == field


def test_entries_come_and_go(club: Any) -> None:
    table = club.pays("vote", (club.points, 1))
    entry = c.NewEntry(reward_item_id=club.coins, reward_item_amount=2, action_key="watch")
    table = club.define(c.AddRewardTableEntry, reward_table_id=table.id, entry=entry)
    assert (table.entries[-1].reward_item_id, table.entries[-1].action_key) == (club.coins, "watch")
    first, last = table.entries
    club.define(c.RemoveRewardTableEntry, reward_table_id=table.id, entry_id=first.id)
    assert club.working.game.reward_tables[table.id].entries == (last,)
    assert club.invoke("vote").rewards == ()
    assert len(club.invoke("watch").rewards) == 1


@pytest.mark.parametrize("field", ["target_value", "default_progress_increment"])
@pytest.mark.parametrize("value", ["0", "-0", "-1", "NaN", "sNaN", "Infinity", "1E+16", "1E-10", "1E+999999"])
def test_targets_and_increments_are_finite_numbers_above_0(club: Any, field: str, value: str) -> None:
    error = refused(club, Rejected, c.AddQuestTask, quest_id=club.quest().id, name="T", **{field: Decimal(value)})
    assert error.field == field


def test_a_quest_stops_after_it_starts_and_its_timeout_is_a_time(club: Any) -> None:
    for stopped in (club.now, club.now - timedelta(1)):
        error = refused(club, Rejected, c.CreateQuest, name="Q", started_at=club.now, stopped_at=stopped)
        assert error.field == "stopped_at"
    for timeout in (timedelta(0), timedelta(-1), timedelta.max):
        assert refused(club, Rejected, c.CreateQuest, name="Q", timeout=timeout).field == "timeout"


def test_a_definition_has_no_more_parts_than_can_be_played_at_once(club: Any) -> None:
    many = (c.NewEntry(reward_item_id=club.points, reward_item_amount=1, action_key="vote"),) * (MAX_PARTS + 1)
    assert refused(club, Rejected, c.CreateRewardTable, name="T", entries=many).field == "entries"
    table = club.define(c.CreateRewardTable, name="T", entries=many[1:])
    error = refused(club, Rejected, c.AddRewardTableEntry, reward_table_id=table.id, entry=many[0])
    assert error.field == "entries"


def test_a_key_is_taken_by_one_live_definition_of_its_kind(club: Any) -> None:
    first = club.define(c.CreateRewardItem, name="Gold", key="gold")
    assert refused(club, Conflict, c.CreateRewardItem, name="Other", key="gold").field == "key"
    assert club.define(c.CreateBadge, name="Gold", key="gold").key == "gold"
    club.define(c.Archive, kind="reward_item", id=first.id)
    assert club.define(c.CreateRewardItem, name="Other", key="gold").key == "gold"


def test_an_update_changes_what_is_sent_only(club: Any) -> None:
    quest = club.quest({}, name="Derby", description="Home", timeout=timedelta(hours=1))
    changed = club.define(c.UpdateQuest, quest_id=quest.id, description=None)
    assert (changed.name, changed.description, changed.timeout) == ("Derby", None, timedelta(hours=1))
    assert refused(club, Rejected, c.UpdateQuest, quest_id=quest.id, name=" ").field == "name"


def test_what_a_live_definition_uses_is_not_archived(club: Any) -> None:
    table = club.pays("vote", (club.points, 5))
    error = refused(club, Conflict, c.Archive, kind="reward_item", id=club.points)
    assert "the reward table 'Table'" in error.message
    action = club.working.game.reward_actions["vote"]
    refused(club, Conflict, c.Archive, kind="reward_action", id=action.id)
    club.define(c.Archive, kind="reward_table", id=table.id)
    club.invoke()
    assert club.balance() == 0
    assert club.define(c.Archive, kind="reward_item", id=club.points).archived_at == club.now
    club.define(c.Archive, kind="reward_action", id=action.id)
    with pytest.raises(NotFound):
        club.invoke()


def test_an_archived_quest_goes_on_for_nobody_and_its_rewards_can_still_be_claimed(club: Any) -> None:
    done = club.quest({}, rewards=((club.points, 7),))
    run = club.step(club.start(done))
    open_run = club.start(quest := club.quest({"target_value": Decimal(2)}))
    for each in (done, quest):
        club.define(c.Archive, kind="quest", id=each.id)
    with pytest.raises(Rejected, match="over"):
        club.step(open_run)
    club.claim(run)
    assert club.balance() == 7


def test_a_task_that_is_removed_stays_with_the_runs_that_have_it(club: Any) -> None:
    quest = club.quest({"reward_action_key": "vote"}, {"name": "Other"})
    run = club.start(quest)
    club.define(c.RemoveQuestTask, quest_task_id=quest.tasks[0].id)
    bea = club.fan("bea")
    later = club.play(c.StartQuest, profile_id=bea, quest_id=quest.id)
    assert [task.quest_task_id for task in later.tasks] == [quest.tasks[1].id]
    club.invoke()
    assert club.run(quest.id).tasks[0].completed_at == club.now
    assert [task.id for task in run.tasks] == [task.id for task in club.run(quest.id).tasks]


def test_several_definitions_are_made_together_or_not_at_all(club: Any) -> None:
    item_id = str(uuid4())
    progression = c.NewProgression(reward_item_id=RewardItemId(item_id), reward_item_threshold=5)
    good = (
        c.CreateRewardItem(client_id=CLIENT, name="Gold", id=item_id),
        c.CreateBadge(client_id=CLIENT, name="Rich", progressions=(progression,)),
    )
    bad = c.CreateRewardItem(client_id=CLIENT, name="")
    game = club.working.game
    before = digest(game)
    with pytest.raises(Rejected) as error:
        apply(game, c.ApplyDefinitions(client_id=CLIENT, commands=(*good, bad)), club.now, club.new_id)
    assert "change 3" in error.value.message
    command = c.ApplyDefinitions(client_id=CLIENT, commands=good, expected=before)
    after, made = apply(game, command, club.now, club.new_id)
    assert [each.name for each in made] == ["Gold", "Rich"]
    assert digest(game) == before != digest(after)
    with pytest.raises(Conflict, match="changed since"):
        apply(after, command, club.now, club.new_id)


def test_a_table_is_linked_to_programs_and_unlinked(club: Any) -> None:
    table = club.pays("vote", (club.points, 1))
    cup = club.define(c.CreateProgram, name="Cup").id
    linked = club.define(c.LinkRewardTable, reward_table_id=table.id, program_ids=(cup, club.program_id))
    assert linked.program_ids == (club.program_id, cup)
    club.invoke(program_id=cup)
    assert club.balance() == 1
    club.define(c.UnlinkRewardTable, reward_table_id=table.id, program_id=cup)
    club.invoke(program_id=cup)
    assert club.balance() == 1
    with pytest.raises(NotFound) as error:
        club.define(c.UnlinkRewardTable, reward_table_id=table.id, program_id=cup)
    assert error.value.field == "program_id"
    with pytest.raises(NotFound) as error:
        club.define(c.LinkRewardTable, reward_table_id=table.id, program_ids=("x",))
    assert error.value.field == "program_ids"
