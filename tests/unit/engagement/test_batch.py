"""A batch's commands see those before them, and nothing of other applications."""

from typing import Any

import pytest

from tifo.engagement import commands as c
from tifo.engagement.batch import Working
from tifo.engagement.model import Application, Fan, Game, Profile, Program
from tifo.engagement.ports import BatchState
from tifo.engagement.rules import Needs, decide, needs
from tifo.kernel.errors import NotFound
from tifo.kernel.ids import ClientId, ProfileId, ProgramId


def test_other_applications_fans_mean_nothing_even_where_a_command_names_them(club: Any) -> None:
    """A batch loads whatever its commands name, so another application's fan may come along."""
    program = Program(id=ProgramId("cup"), name="Cup", created_at=club.now)
    rival = Application(id=ClientId("rival"), name="Rival", default_program_id=program.id, created_at=club.now)
    run = club.start(club.quest({}))
    working = Working(Game(rival, (program,)), fans=club.working.fans)
    rivals_own = working.play(c.CreateProfile(client_id=rival.id, custom_id="ada"), club.now, club.new_id).answer
    assert (rivals_own.client_id, working.by_custom_id["ada"]) == (rival.id, rivals_own.id)
    for command in (
        c.UpdateProfile(client_id=rival.id, profile_id=club.ada, nickname="Mine"),
        c.ProgressTask(client_id=rival.id, user_quest_task_id=run.tasks[0].id),
        c.ClaimQuestRewards(client_id=rival.id, user_quest_id=run.id),
    ):
        with pytest.raises(NotFound) as error:
            working.play(command, club.now, club.new_id)
        assert club.ada not in error.value.message or isinstance(command, c.UpdateProfile)


def test_the_rules_themselves_touch_no_other_applications_fan(club: Any) -> None:
    rival = Application(id=ClientId("rival"), name="R", default_program_id=ProgramId("cup"), created_at=club.now)
    state = BatchState(club.working.fans, {}, {}, {}, {})
    command = c.UpdateProfile(client_id=rival.id, profile_id=club.ada, nickname="Mine")
    with pytest.raises(NotFound):
        decide(Game(rival), state, command, club.now, club.new_id)


def test_a_batch_starts_from_what_was_loaded(club: Any) -> None:
    run = club.start(club.quest({}))
    loaded = Working(club.working.game, fans=club.working.fans, used_codes={(club.ada, "vote", "1")})
    assert loaded.by_custom_id == {"ada": club.ada}
    assert (loaded.by_user_quest, loaded.by_user_quest_task) == ({run.id: club.ada}, {run.tasks[0].id: club.ada})
    assert loaded.play(c.ProgressTask(client_id=club.state().profile.client_id, user_quest_task_id=run.tasks[0].id),
                       club.now, club.new_id).answer.completed_at == club.now  # fmt: skip


def test_loading_keeps_a_fan_without_a_custom_id(club: Any) -> None:
    profile = Profile(id=ProfileId("x"), client_id=ClientId("club"), nickname="X", created_at=club.now)
    assert Working(club.working.game, fans={profile.id: Fan(profile=profile)}).by_custom_id == {}


@pytest.mark.parametrize(
    ("command", "fields", "wanted"),
    [
        (c.CreateProfile, {}, Needs()),
        (c.CreateProfile, {"custom_id": "c"}, Needs(custom_ids=("c",))),
        (c.UpdateProfile, {"profile_id": "p"}, Needs(("p",))),  # type: ignore[arg-type]
        (c.UpdateProfile, {"profile_id": "p", "custom_id": "c"}, Needs(("p",), ("c",))),  # type: ignore[arg-type]
        (c.StartQuest, {"profile_id": "p", "quest_id": "q"}, Needs(("p",))),  # type: ignore[arg-type]
        (c.AwardBadge, {"profile_id": "p", "badge_id": "b"}, Needs(("p",))),  # type: ignore[arg-type]
        (c.ProgressTask, {"user_quest_task_id": "t"}, Needs(user_quest_task_ids=("t",))),  # type: ignore[arg-type]
        (c.ClaimQuestRewards, {"user_quest_id": "u"}, Needs(user_quest_ids=("u",))),  # type: ignore[arg-type]
    ],
)
def test_a_command_tells_what_it_may_touch(command: type[Any], fields: dict[str, Any], wanted: Needs) -> None:
    assert needs(command(client_id="club", **fields)) == wanted


def test_commands_that_move_items_need_their_fans_and_codes() -> None:
    move: dict[str, Any] = {"client_id": "club", "profile_id": "p", "reward_item_id": "i", "reward_item_amount": 1}
    assert needs(c.Credit(**move)) == needs(c.Debit(**move)) == Needs(profile_ids=(ProfileId("p"),))
    assert needs(c.Transfer(**move, recipient_profile_id=ProfileId("r"))).profile_ids == ("p", "r")
    action: dict[str, Any] = {"client_id": "club", "program_id": "s", "reward_action_key": "vote"}
    assert needs(c.InvokeAction(**action, profile_id=ProfileId("p"))) == Needs(profile_ids=(ProfileId("p"),))
    wanted = needs(c.InvokeAction(**action, custom_profile_id="c", code="1"))
    assert (wanted.custom_ids, wanted.code) == (("c",), ("vote", "1"))
