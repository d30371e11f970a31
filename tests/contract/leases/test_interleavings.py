"""Two processes at one lease on a real PostgreSQL, in every order that matters: two databases opened on one state."""

from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from time import monotonic, sleep
from typing import Any

import pytest
from sqlalchemy import Connection, select, text, update

from tests.conftest import NewState
from tests.postgres import PostgresServer
from tifo.kernel.errors import Interrupted
from tifo.leases.ports import Lease, LeaseLost
from tifo.store.leases import SqlLeases, require_lease
from tifo.store.sql import database
from tifo.store.sql import tables as t
from tifo.store.sql.database import Database

WAITING = text("SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()")


@pytest.fixture
def two(new_state: NewState) -> tuple[Database, Database]:
    return new_state("postgres"), new_state("postgres")


@pytest.fixture
def beside() -> Iterator[Callable[..., "Future[Any]"]]:
    with ThreadPoolExecutor() as pool:
        yield pool.submit


def until_somebody_waits_for_a_lock(state: Database) -> None:
    deadline = monotonic() + 10
    while True:
        with state.reading() as connection:
            if connection.execute(WAITING).scalar_one():
                return
        assert monotonic() < deadline, "nobody waits for a lock"
        sleep(0.01)


@contextmanager
def expired(state: Database, lease: Lease) -> Iterator[Connection]:
    """A transaction of another process that takes the lease, not yet committed."""
    with state.writing(in_turn=False) as connection:
        taken = {"holder": "b", "number": lease.number + 1}
        connection.execute(update(t.leases).where(t.leases.c.name == lease.name).values(taken))
        yield connection


def test_who_takes_a_lease_waits_for_progress_that_is_being_stored_under_it(
    two: tuple[Database, Database], beside: Callable[..., "Future[Any]"]
) -> None:
    ours, theirs = two
    (lease,) = SqlLeases(ours).acquire(["work/1"], "a", for_s=0.0)
    with ours.writing() as connection:
        require_lease(connection, lease)
        taking = beside(SqlLeases(theirs).acquire, ["work/1"], "b", for_s=60.0)
        until_somebody_waits_for_a_lock(ours)
        assert not taking.done()
    (taken,) = taking.result(10)
    assert (taken.holder, taken.number) == ("b", lease.number + 1)


def test_progress_waits_for_who_is_taking_its_lease_and_is_refused_then(
    two: tuple[Database, Database], beside: Callable[..., "Future[Any]"]
) -> None:
    ours, theirs = two
    (lease,) = SqlLeases(ours).acquire(["work/1"], "a", for_s=0.0)

    def store() -> None:
        with ours.writing() as connection:
            require_lease(connection, lease)

    taking: AbstractContextManager[Connection] = expired(theirs, lease)
    with taking:
        storing = beside(store)
        until_somebody_waits_for_a_lock(ours)
        assert not storing.done()
    with pytest.raises(LeaseLost):
        storing.result(10)


def test_of_two_that_take_an_expired_lease_together_one_gets_it(
    two: tuple[Database, Database], beside: Callable[..., "Future[Any]"]
) -> None:
    ours, theirs = two
    names = [f"work/{number}" for number in range(50)]
    for round_ in range(10):
        SqlLeases(ours).acquire(names, f"before-{round_}", for_s=0.0)
        backwards = names[::-1]
        both = [
            beside(SqlLeases(ours).acquire, names, "a", for_s=0.0),
            beside(SqlLeases(theirs).acquire, backwards, "b", for_s=60.0),
        ]
        first, second = (future.result(20) for future in both)
        with ours.reading() as connection:
            stored = {row.name: Lease(*row[:3]) for row in connection.execute(select(t.leases))}
        assert set(stored) == set(names)
        assert {lease.name for lease in second} == set(names), "it came second to none, or after those had expired"
        assert all(stored[lease.name] == lease for lease in second)
        assert all(lease.number < stored[lease.name].number for lease in first)
        SqlLeases(ours).release("b")


def test_a_renewal_that_meets_a_takeover_does_not_revive_the_lease(
    two: tuple[Database, Database], beside: Callable[..., "Future[Any]"]
) -> None:
    ours, theirs = two
    (lease,) = SqlLeases(ours).acquire(["work/1"], "a", for_s=0.0)
    with expired(theirs, lease):
        renewing = beside(SqlLeases(ours).renew, "a", for_s=60.0)
        until_somebody_waits_for_a_lock(ours)
    assert renewing.result(10) == []


def test_a_takeover_that_meets_a_renewal_gets_nothing(
    two: tuple[Database, Database], beside: Callable[..., "Future[Any]"]
) -> None:
    ours, theirs = two
    (lease,) = SqlLeases(ours).acquire(["work/1"], "a", for_s=0.0)
    with ours.writing(in_turn=False) as connection:
        later = update(t.leases).values(expires_at=t.leases.c.expires_at + 3_600_000_000)
        connection.execute(later)
        taking = beside(SqlLeases(theirs).acquire, ["work/1"], "b", for_s=60.0)
        until_somebody_waits_for_a_lock(ours)
    assert taking.result(10) == []
    assert SqlLeases(theirs).held("work") == [lease]


def test_renewals_do_not_wait_for_those_who_write_in_turn(
    two: tuple[Database, Database], beside: Callable[..., "Future[Any]"]
) -> None:
    ours, theirs = two
    leases = SqlLeases(theirs)
    acquired = leases.acquire(["work/1"], "b", for_s=60.0)
    with ours.writing():
        assert beside(leases.renew, "b", for_s=60.0).result(10) == acquired
        assert beside(leases.acquire, ["work/2"], "b", for_s=60.0).result(10)


def test_a_process_that_is_paused_inside_a_transaction_holds_up_the_others_for_a_limited_time(
    postgres: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "_IDLE_S", 1)
    url = postgres.new_database()
    with closing_both(database.open_postgres(url), database.open_postgres(url)) as (ours, theirs):

        def pause() -> None:
            with ours.writing() as connection:
                # It sends nothing more while the other one waits for its lock: as a process that a signal stopped.
                with theirs.writing():
                    pass
                connection.execute(select(t.leases))

        with pytest.raises(Interrupted):
            pause()


@contextmanager
def closing_both(*opened: Database) -> Iterator[tuple[Database, ...]]:
    yield opened
    for each in opened:
        each.dispose()
