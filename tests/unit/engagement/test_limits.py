"""Limited entries pay as often as they may; the action is recorded all the same."""

from datetime import UTC, datetime
from typing import Any

import pytest

from tifo.engagement import commands as c
from tifo.engagement.model import RateLimit, RewardLimit
from tifo.kernel.errors import Rejected


def limited(club: Any, *, rate: RateLimit | None = None, reward: RewardLimit | None = None) -> Any:
    entry = c.NewEntry(
        reward_item_id=club.points, reward_item_amount=5, action_key="vote", rate_limit=rate, reward_limit=reward
    )
    return club.define(c.CreateRewardTable, name="Limited", entries=(entry,))


def at(club: Any, *moment: int) -> None:
    club.now = datetime(*moment).replace(tzinfo=UTC)  # type: ignore[arg-type]  # noqa: DTZ001 (it is set at once)


def paid(club: Any) -> bool:
    return bool(club.invoke().rewards)


def test_a_rate_limit_pays_so_often_in_each_unit_of_the_clock(club: Any) -> None:
    limited(club, rate=RateLimit(frequency=2, unit="minute"))
    at(club, 2026, 11, 24, 10, 0, 50)
    assert [paid(club), paid(club), paid(club)] == [True, True, False]
    assert (club.last.transactions, club.last.facts) == ((), ())
    assert club.last.invoked is not None
    at(club, 2026, 11, 24, 10, 1, 0)
    assert [paid(club), paid(club), paid(club)] == [True, True, False]
    assert club.balance() == 20


@pytest.mark.parametrize(
    ("unit", "same", "next_one"),
    [
        ("second", (2026, 11, 24, 10, 30, 30, 999_999), (2026, 11, 24, 10, 30, 31)),
        ("minute", (2026, 11, 24, 10, 30, 59), (2026, 11, 24, 10, 31)),
        ("hour", (2026, 11, 24, 10, 59, 59), (2026, 11, 24, 11)),
        ("day", (2026, 11, 24, 23, 59, 59), (2026, 11, 25)),
    ],
)
def test_units_are_those_of_the_clock_in_utc(club: Any, unit: Any, same: Any, next_one: Any) -> None:
    limited(club, rate=RateLimit(frequency=1, unit=unit))
    at(club, 2026, 11, 24, 10, 30, 30)
    assert paid(club)
    at(club, *same)
    assert not paid(club)
    at(club, *next_one)
    assert paid(club)


@pytest.mark.parametrize(
    ("duration", "same", "next_one"),
    [
        ("day", (2026, 11, 24, 22, 59), (2026, 11, 24, 23)),
        ("week", (2026, 11, 29, 22, 59), (2026, 11, 29, 23)),
        ("month", (2026, 11, 30, 22, 59), (2026, 11, 30, 23)),
    ],
)
def test_a_reward_limit_follows_the_calendar_of_its_time_zone(
    club: Any, duration: Any, same: Any, next_one: Any
) -> None:
    limited(club, reward=RewardLimit(action_limit_count=1, duration=duration, timezone="Europe/Madrid"))
    at(club, 2026, 11, 24, 10)
    assert paid(club)
    at(club, *same)
    assert not paid(club)
    at(club, *next_one)
    assert paid(club)


def test_a_limit_of_all_time_never_pays_again(club: Any) -> None:
    limited(club, reward=RewardLimit(action_limit_count=1, duration="all_time"))
    assert paid(club)
    club.tick(days=4_000)
    assert not paid(club)


def test_what_one_limit_refuses_does_not_count_for_the_other(club: Any) -> None:
    limited(
        club,
        rate=RateLimit(frequency=1, unit="second"),
        reward=RewardLimit(action_limit_count=2, duration="all_time"),
    )
    assert [paid(club), paid(club), paid(club)] == [True, False, False]
    club.tick(seconds=1)
    assert paid(club)
    club.tick(seconds=1)
    assert not paid(club)


def test_each_fan_and_each_entry_counts_for_itself(club: Any) -> None:
    limited(club, reward=RewardLimit(action_limit_count=1, duration="day"))
    club.pays("vote", (club.coins, 1))
    bo = club.fan()
    assert [len(club.invoke().rewards), len(club.invoke().rewards)] == [2, 1]
    assert len(club.invoke(who=bo).rewards) == 2


def test_an_entry_that_is_changed_keeps_what_it_counted(club: Any) -> None:
    table = limited(club, reward=RewardLimit(action_limit_count=1, duration="day"))
    assert paid(club)
    entry = c.NewEntry(
        reward_item_id=club.points,
        reward_item_amount=7,
        action_key="vote",
        reward_limit=RewardLimit(action_limit_count=2, duration="day"),
    )
    club.define(c.ChangeRewardTableEntry, reward_table_id=table.id, entry_id=table.entries[0].id, entry=entry)
    assert [paid(club), paid(club)] == [True, False]


@pytest.mark.parametrize(
    ("limits", "field"),
    [
        ({"rate": RateLimit(frequency=0, unit="day")}, "rate_limit"),
        ({"reward": RewardLimit(action_limit_count=0, duration="day")}, "reward_limit"),
        ({"reward": RewardLimit(action_limit_count=1, duration="day", timezone="Moon/Base")}, "reward_limit"),
    ],
)
def test_a_limit_allows_something_in_a_known_time_zone(club: Any, limits: Any, field: str) -> None:
    with pytest.raises(Rejected) as error:
        limited(club, **limits)
    assert error.value.field == field
