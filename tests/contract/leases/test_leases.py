"""What all leases do, over each implementation."""

from collections.abc import Callable, Iterator
from typing import NamedTuple

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import update

from tests.conftest import NewState
from tifo.leases.memory import InMemoryLeases
from tifo.leases.ports import Lease, Leases
from tifo.store.leases import SqlLeases
from tifo.store.sql import tables as t
from tifo.store.sql.database import Database

A, B = "node-a/relay", "node-b/relay"
FOR_S = 60.0


class Rig(NamedTuple):
    leases: Leases
    pass_time: Callable[[float], None]
    """Moves the clock of the database on."""


@pytest.fixture(params=["memory", "sqlite", "postgres"])
def rig(request: pytest.FixtureRequest, new_state: NewState) -> Iterator[Rig]:
    if request.param == "memory":
        now = [0.0]
        yield Rig(InMemoryLeases(lambda: now[0]), lambda seconds: now.__setitem__(0, now[0] + seconds))
    else:
        database = new_state(request.param)
        yield Rig(SqlLeases(database), lambda seconds: _pass_time(database, seconds))


def _pass_time(database: Database, seconds: float) -> None:
    # The clock of a database cannot be moved, so every lease's end is.
    earlier = t.leases.c.expires_at - int(seconds * 1_000_000)
    with database.writing() as connection:
        connection.execute(update(t.leases).values(expires_at=earlier))


def names(leases: list[Lease]) -> list[str]:
    return [lease.name for lease in leases]


def test_a_work_is_held_by_one_process_at_a_time(rig: Rig) -> None:
    assert names(rig.leases.acquire(["relay/1", "relay/2"], A, for_s=FOR_S)) == ["relay/1", "relay/2"]
    assert names(rig.leases.acquire(["relay/2", "relay/3"], B, for_s=FOR_S)) == ["relay/3"]
    assert rig.leases.acquire(["relay/1"], A, for_s=FOR_S) == [], "nor does its holder acquire it twice"
    assert [(lease.name, lease.holder) for lease in rig.leases.held("relay")] == [
        ("relay/1", A),
        ("relay/2", A),
        ("relay/3", B),
    ]


def test_a_lease_that_is_not_renewed_can_be_acquired_once_it_has_expired(rig: Rig) -> None:
    (first,) = rig.leases.acquire(["relay/1"], A, for_s=FOR_S)
    rig.pass_time(FOR_S - 1)
    assert rig.leases.acquire(["relay/1"], B, for_s=FOR_S) == []
    rig.pass_time(2)
    assert rig.leases.held("relay") == []
    (second,) = rig.leases.acquire(["relay/1"], B, for_s=FOR_S)
    assert second.number > first.number
    assert rig.leases.renew(A, for_s=FOR_S) == []
    assert rig.leases.held("relay") == [second]


def test_a_renewed_lease_keeps_its_number(rig: Rig) -> None:
    acquired = rig.leases.acquire(["relay/1", "relay/2"], A, for_s=FOR_S)
    for _ in range(3):
        rig.pass_time(FOR_S - 1)
        assert rig.leases.renew(A, for_s=FOR_S) == acquired
    assert rig.leases.acquire(["relay/1"], B, for_s=FOR_S) == []


def test_an_expired_lease_that_nobody_acquired_is_still_its_holders(rig: Rig) -> None:
    acquired = rig.leases.acquire(["relay/1"], A, for_s=FOR_S)
    rig.pass_time(FOR_S + 1)
    assert rig.leases.renew(A, for_s=FOR_S) == acquired
    assert rig.leases.held("relay") == acquired


def test_what_is_given_back_can_be_acquired_at_once_under_a_higher_number(rig: Rig) -> None:
    first, second = rig.leases.acquire(["relay/1", "relay/2"], A, for_s=FOR_S)
    rig.leases.release(A, ["relay/1"])
    assert rig.leases.held("relay") == [second]
    (again,) = rig.leases.acquire(["relay/1", "relay/2"], B, for_s=FOR_S)
    assert (again.name, again.holder) == ("relay/1", B)
    assert again.number > first.number
    rig.leases.release(A, ["relay/1"])
    assert again in rig.leases.held("relay"), "nobody gives back what is another's"
    rig.leases.release(A)
    assert rig.leases.held("relay") == [again]


def test_a_group_is_no_other_whose_name_begins_alike(rig: Rig) -> None:
    rig.leases.acquire(["a_b/1", "a_b_c/1", "axb/1"], A, for_s=FOR_S)
    assert names(rig.leases.held("a_b")) == ["a_b/1"]
    assert rig.leases.held("a") == []


def test_leases_of_more_than_a_day_ago_are_forgotten_and_those_that_are_held_are_not(rig: Rig) -> None:
    rig.leases.acquire(["relay/1"], A, for_s=FOR_S)
    rig.leases.acquire(["relay/2"], B, for_s=200_000)
    rig.pass_time(90_000)
    rig.leases.forget()
    (anew,) = rig.leases.acquire(["relay/1"], A, for_s=FOR_S)
    assert anew.number == 1
    assert names(rig.leases.held("relay")) == ["relay/1", "relay/2"]


def test_a_thousand_works_and_more_are_acquired_and_given_back_together(rig: Rig) -> None:
    many = [f"relay/{number:05}" for number in range(2_500)]
    assert names(sorted(rig.leases.acquire(many, A, for_s=FOR_S))) == many
    assert len(rig.leases.renew(A, for_s=FOR_S)) == len(many)
    rig.leases.release(A, many)
    assert rig.leases.held("relay") == []
    assert rig.leases.acquire([], A, for_s=FOR_S) == []


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("acquire"), st.sampled_from([A, B]), st.sampled_from(["x", "y"])),
        st.tuples(st.just("renew"), st.sampled_from([A, B]), st.just("")),
        st.tuples(st.just("release"), st.sampled_from([A, B]), st.sampled_from(["x", "y", ""])),
        st.tuples(st.just("pass"), st.just(""), st.just("")),
    ),
    max_size=25,
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=STEPS)
def test_whatever_processes_do_a_number_belongs_to_one_holding_and_a_held_work_to_one_process(
    rig: Rig, steps: list[tuple[str, str, str]]
) -> None:
    rig.leases.release(A)
    rig.leases.release(B)
    holders: dict[tuple[str, int], str] = {}
    for step, holder, name in steps:
        if step == "acquire":
            before = rig.leases.held("group")
            for lease in rig.leases.acquire([f"group/{name}"], holder, for_s=FOR_S):
                assert lease.name not in names(before)
                assert (lease.name, lease.number) not in holders
                assert lease.number > max((number for known, number in holders if known == lease.name), default=0)
                holders[lease.name, lease.number] = holder
        elif step == "renew":
            for lease in rig.leases.renew(holder, for_s=FOR_S):
                assert holders[lease.name, lease.number] == holder
                assert lease.number == max(number for known, number in holders if known == lease.name)
        elif step == "release":
            rig.leases.release(holder, [f"group/{name}"] if name else None)
        else:
            rig.pass_time(FOR_S + 1)
        held = rig.leases.held("group")
        assert len(set(names(held))) == len(held)
        assert all(holders[lease.name, lease.number] == lease.holder for lease in held)
