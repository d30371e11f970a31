"""Every command finds its rule, whichever engine performs it."""

from typing import Any, get_args

import pytest

from tifo.engagement import commands as c
from tifo.engagement.definitions import defining
from tifo.engagement.dispatch import answer_type, defines, perform, play_commands, weight
from tifo.engagement.model import InvokedAction, Quest
from tifo.engagement.rules import deciding
from tifo.kernel.errors import Conflict, Rejected


def test_every_command_has_exactly_one_handler() -> None:
    assert set(get_args(c.DefinitionCommand)) == defining._HANDLERS.keys()
    assert set(get_args(c.PlayCommand)) == deciding._HANDLERS.keys()
    kinds = {each for each in vars(c).values() if isinstance(each, type) and issubclass(each, c.Command)}
    lists = {c.ApplyDefinitions, c.InvokeActions}
    assert kinds - {c.Command, c.Create} == defining._HANDLERS.keys() | deciding._HANDLERS.keys() | lists


def test_a_definition_is_in_the_game_and_among_the_effects(club: Any) -> None:
    create = c.CreateRewardItem(client_id="club", name="Cups")  # type: ignore[arg-type]
    effects = perform(club.working, create, club.now, club.new_id)
    assert effects.definitions == (effects.answer,)
    assert effects.decisions == ()
    assert club.working.game.reward_items[effects.answer.id] == effects.answer


def test_definitions_that_are_refused_leave_the_game_as_it_was(club: Any) -> None:
    before = club.working.game
    create = c.CreateRewardItem(client_id="club", name="Cups", key="cups")  # type: ignore[arg-type]
    with pytest.raises(Conflict) as refused:
        perform(club.working, c.ApplyDefinitions(client_id="club", commands=(create, create)), club.now, club.new_id)  # type: ignore[arg-type]
    assert "change 2" in refused.value.message
    assert club.working.game is before


def test_a_list_of_actions_has_the_effects_of_the_accepted_ones_only(club: Any) -> None:
    club.pays("vote", (club.points, 5))
    action: dict[str, Any] = {"client_id": "club", "program_id": club.program_id, "profile_id": club.ada}
    vote, unknown = (c.InvokeAction(**action, reward_action_key=key) for key in ("vote", "unknown"))
    actions = c.InvokeActions(client_id="club", actions=(vote, unknown, vote))  # type: ignore[arg-type]
    effects = perform(club.working, actions, club.now, club.new_id)
    assert [each.refused is None for each in effects.answer] == [True, False, True]
    assert [each.answer for each in effects.decisions] == [effects.answer[0].invoked, effects.answer[2].invoked]
    assert (weight(actions), weight(vote)) == (3, 1)
    assert [*play_commands(actions)] == [vote, unknown, vote]


def test_a_refused_play_command_raises_and_changes_nothing(club: Any) -> None:
    before = dict(club.working.fans)
    debit: dict[str, Any] = {"client_id": "club", "profile_id": club.ada, "reward_item_id": club.points}
    with pytest.raises(Rejected):
        perform(club.working, c.Debit(**debit, reward_item_amount=1), club.now, club.new_id)
    assert club.working.fans == before


def test_a_command_that_defines_plays_nothing(club: Any) -> None:
    create = c.CreateRewardItem(client_id="club", name="Cups")  # type: ignore[arg-type]
    vote = c.StartQuest(client_id="club", profile_id=club.ada, quest_id="q")  # type: ignore[arg-type]
    assert (defines(create), defines(vote)) == (True, False)
    assert ([*play_commands(create)], [*play_commands(vote)]) == ([], [vote])


def test_a_stored_answer_is_decoded_as_the_command_says() -> None:
    assert answer_type(c.InvokeAction) is InvokedAction
    assert answer_type(c.CreateQuest) is Quest
