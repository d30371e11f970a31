"""Profiles and their custom ids."""

from typing import Any

import pytest

from tifo.engagement import commands as c
from tifo.engagement.facts import RewardItemRewarded
from tifo.kernel.errors import Conflict, NotFound, Rejected


def test_an_anonymous_profile_is_given_a_nickname_of_its_own(club: Any) -> None:
    one, two = club.play(c.CreateProfile), club.play(c.CreateProfile)
    assert one.custom_id is None
    assert one.nickname
    assert one.nickname != two.nickname


def test_a_custom_id_is_taken_once(club: Any) -> None:
    with pytest.raises(Conflict, match="'ada'") as error:
        club.play(c.CreateProfile, custom_id="ada")
    assert error.value.field == "custom_id"


def test_where_an_existing_profile_is_fine_it_is_the_answer_unchanged(club: Any) -> None:
    again = club.play(c.CreateProfile, custom_id="ada", nickname="Other", existing_is_fine=True)
    assert again == club.state().profile
    assert club.last.fans == ()


@pytest.mark.parametrize("custom_id", ["", "   ", "x" * 256])
def test_a_custom_id_is_a_text_of_at_most_255_characters(club: Any, custom_id: str) -> None:
    bo = club.fan()
    for command, fields in ((c.CreateProfile, {}), (c.UpdateProfile, {"profile_id": bo})):
        with pytest.raises(Rejected) as error:
            club.play(command, custom_id=custom_id, **fields)
        assert error.value.field == "custom_id"
    assert club.fan("x" * 255)


def test_an_update_leaves_alone_what_it_does_not_name(club: Any) -> None:
    club.play(c.UpdateProfile, profile_id=club.ada, nickname="Ada", custom_data="{}")
    profile = club.play(c.UpdateProfile, profile_id=club.ada, custom_data="[]")
    assert (profile.nickname, profile.custom_data, profile.custom_id) == ("Ada", "[]", "ada")


def test_a_custom_id_is_set_once_and_never_shared(club: Any) -> None:
    bo = club.fan()
    with pytest.raises(Conflict, match="exists"):
        club.play(c.UpdateProfile, profile_id=bo, custom_id="ada")
    club.play(c.UpdateProfile, profile_id=bo, custom_id="bo")
    club.play(c.UpdateProfile, profile_id=bo, custom_id="bo")
    with pytest.raises(Conflict, match="set once"):
        club.play(c.UpdateProfile, profile_id=bo, custom_id="boris")
    with pytest.raises(Conflict):
        club.fan("bo")


def test_facts_carry_the_custom_id_from_when_it_is_set(club: Any) -> None:
    club.pays("vote", (club.points, 1))
    bo = club.fan()
    club.invoke(who=bo)
    assert club.fact(RewardItemRewarded).custom_id is None
    club.play(c.UpdateProfile, profile_id=bo, custom_id="bo")
    club.invoke(who=bo)
    assert club.fact(RewardItemRewarded).custom_id == "bo"


def test_an_unknown_profile_is_not_found(club: Any) -> None:
    with pytest.raises(NotFound) as error:
        club.play(c.UpdateProfile, profile_id="nobody", nickname="X")
    assert error.value.field == "profile_id"
