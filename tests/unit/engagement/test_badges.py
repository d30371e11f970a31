"""Badges: earned by a balance or by award, once for ever."""

from typing import Any

import pytest

from tifo.engagement import commands as c
from tifo.engagement.facts import BadgeRewarded
from tifo.kernel.errors import NotFound


def test_reaching_the_threshold_earns_the_badge_and_tells_what_earned_it(club: Any) -> None:
    badge = club.badge((club.points, 10), name="Ten", description="Ten points", image_url="https://x.example/10.png")
    club.credit(9)
    assert club.told() == []
    club.credit(1)
    fact = club.fact(BadgeRewarded)
    assert (fact.badge_id, fact.badge_title, fact.description) == (badge.id, "Ten", "Ten points")
    assert (fact.reward_item_id, fact.reward_item_name, fact.reward_item_threshold) == (club.points, "Points", 10)
    assert fact.image_url == "https://x.example/10.png"
    assert fact.earned_badge_id == club.state().badges[badge.id].id


def test_a_badge_stays_when_the_balance_falls_and_is_not_earned_again(club: Any) -> None:
    badge = club.badge((club.points, 10))
    club.credit(10)
    earned = club.state().badges[badge.id]
    club.debit(10)
    club.credit(10)
    assert club.told() == []
    assert club.state().badges == {badge.id: earned}


def test_a_debit_earns_nothing_even_where_the_balance_would_suffice(club: Any) -> None:
    club.credit(20)
    club.badge((club.points, 10))
    club.debit(5)
    assert club.told() == []
    club.credit(1)
    assert club.told() == ["BadgeRewarded"]


def test_any_one_of_several_progressions_suffices(club: Any) -> None:
    club.badge((club.points, 10), (club.coins, 2))
    club.credit(2, club.coins)
    assert club.fact(BadgeRewarded).reward_item_id == club.coins
    club.credit(10)
    assert club.told() == []


def test_one_credit_may_earn_several_badges(club: Any) -> None:
    club.badge((club.points, 5), name="Five")
    club.badge((club.points, 50), name="Fifty")
    club.badge((club.points, 500), name="Five hundred")
    club.credit(60)
    assert [fact.badge_title for fact in club.last.facts] == ["Five", "Fifty"]


def test_the_threshold_looks_at_the_balance_right_after_each_payment(club: Any) -> None:
    """Not at the balance after the whole action."""
    club.badge((club.points, 5))
    club.pays("vote", (club.points, 5), (club.points, 5))
    club.invoke()
    assert club.told() == ["RewardItemRewarded", "BadgeRewarded", "RewardItemRewarded"]


def test_a_received_transfer_earns_a_badge_and_a_sent_one_does_not(club: Any) -> None:
    club.credit(10)
    badge = club.badge((club.points, 4))
    bo = club.fan()
    club.transfer(4, to=bo)
    assert club.told() == ["BadgeRewarded"]
    assert list(club.state(bo).badges) == [badge.id]
    assert club.state().badges == {}


def test_an_awarded_badge_is_told_without_a_reward_item(club: Any) -> None:
    badge = club.badge((club.points, 10), description="")
    earned = club.play(c.AwardBadge, profile_id=club.ada, badge_id=badge.id)
    fact = club.fact(BadgeRewarded)
    assert (fact.earned_badge_id, fact.happened_at) == (earned.id, earned.awarded_at)
    assert (fact.reward_item_id, fact.reward_item_name, fact.reward_item_threshold) == (None, None, None)
    assert (fact.description, fact.image_url) == (None, None)


def test_awarding_again_answers_with_the_first_award_and_tells_nothing(club: Any) -> None:
    badge = club.badge((club.points, 10))
    first = club.play(c.AwardBadge, profile_id=club.ada, badge_id=badge.id)
    club.tick(days=1)
    assert club.play(c.AwardBadge, profile_id=club.ada, badge_id=badge.id) == first
    assert (club.last.facts, club.last.fans) == ((), ())
    club.credit(10)
    assert club.told() == []


def test_awards_name_a_badge_and_a_fan_that_exist(club: Any) -> None:
    badge = club.badge()
    for profile_id, badge_id, field in ((club.ada, "nothing", "badge_id"), ("nobody", badge.id, "profile_id")):
        with pytest.raises(NotFound) as error:
            club.play(c.AwardBadge, profile_id=profile_id, badge_id=badge_id)
        assert error.value.field == field


def test_a_revoked_badge_is_not_earned_again_and_an_award_gives_it_back_untold(club: Any) -> None:
    badge = club.badge((club.points, 10))
    club.credit(10)
    earned = club.state().badges[badge.id]
    revoked = club.play(c.RevokeBadge, earned_badge_id=earned.id)
    assert (revoked.id, revoked.revoked_at) == (earned.id, club.now)
    assert club.told() == []
    club.tick(days=1)
    assert club.play(c.RevokeBadge, earned_badge_id=earned.id) == revoked
    club.credit(10)
    assert (club.told(), club.state().badges[badge.id]) == ([], revoked)
    assert club.play(c.AwardBadge, profile_id=club.ada, badge_id=badge.id) == earned
    assert club.told() == []


def test_a_badge_that_a_quest_gives_is_not_given_back_by_it(club: Any) -> None:
    badge = club.badge()
    run = club.start(club.quest({}, badge_ids=(badge.id,)))
    club.step(run)
    [earned] = club.play(c.ClaimQuestBadges, user_quest_id=run.id)
    club.play(c.RevokeBadge, earned_badge_id=earned.id)
    assert club.play(c.ClaimQuestBadges, user_quest_id=run.id) == ()
    assert club.state().badges[badge.id].revoked_at == club.now


def test_only_what_was_earned_can_be_revoked(club: Any) -> None:
    club.badge()
    with pytest.raises(NotFound) as error:
        club.play(c.RevokeBadge, earned_badge_id="nothing")
    assert error.value.field == "earned_badge_id"
