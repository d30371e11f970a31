"""What every feed of facts does, over each implementation."""

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import insert

from tests.conftest import NewState
from tifo.engagement.facts import AnyFact, RewardItemRewarded
from tifo.kernel.ids import ClientId, FactId, ProfileId, RewardItemId, TransactionId
from tifo.source.memory import InMemoryFactFeed
from tifo.source.ports import FactFeed, RelayReport, Trouble
from tifo.store.engagement import rows
from tifo.store.source.facts import SqlFactFeed
from tifo.store.sql import tables

A = ClientId("a")
B = ClientId("b")
AT = datetime(2026, 11, 24, 10, 0, 0, tzinfo=UTC)
Commit = Callable[..., None]
Rig = tuple[FactFeed, Commit]


@pytest.fixture(params=["memory", "sqlite", "postgres"])
def rig(request: pytest.FixtureRequest, new_state: NewState) -> Iterator[Rig]:
    """A feed, and what commits facts as one transaction of the engine's does."""
    if request.param == "memory":
        memory = InMemoryFactFeed()
        yield memory, memory.commit
        return
    database = new_state(request.param)
    with database.writing() as connection:
        for client_id in (A, B):
            row = {"id": client_id, "body": "{}", "client_secret": "", "definitions_version": 1}
            connection.execute(insert(tables.applications), row)

    def commit(*facts: AnyFact) -> None:
        with database.writing() as connection:
            connection.execute(insert(tables.facts), [rows.fact_row(fact) for fact in facts])

    yield SqlFactFeed(database), commit


@pytest.fixture
def feed(rig: Rig) -> FactFeed:
    """Five facts of `a` with one of `b` among them."""
    feed, commit = rig
    commit(fact("a", 1), fact("a", 2))
    commit(fact("b", 1))
    commit(fact("a", 3), fact("a", 4), fact("a", 5))
    return feed


def fact(client_id: str, number: int) -> AnyFact:
    return RewardItemRewarded(
        id=FactId(f"{client_id}-{number:03}"),
        client_id=ClientId(client_id),
        profile_id=ProfileId("fan-1"),
        custom_id="ada",
        happened_at=AT,
        reward_item_id=RewardItemId("item-1"),
        reward_item_name="Points",
        reward_item_amount=10,
        reward_item_balance=10 * number,
        reward_item_transaction_id=TransactionId(f"transaction-{number}"),
    )


def ids(*numbers: int) -> list[FactId]:
    return [FactId(f"a-{number:03}") for number in numbers]


def line(feed: FactFeed, limit: int = 10) -> list[FactId]:
    return [fact.id for fact in feed.pending(A, limit)]


def refuse(feed: FactFeed, number: int, answer: str = "no") -> None:
    feed.dead_letter(A, ids(number)[0], 400, answer, AT + timedelta(minutes=number))


def test_each_application_has_its_own_line_in_commit_order(feed: FactFeed) -> None:
    assert line(feed) == ids(1, 2, 3, 4, 5)
    assert line(feed, limit=2) == ids(1, 2)
    assert [fact.id for fact in feed.pending(B, 10)] == ["b-001"]
    assert feed.pending(ClientId("unknown"), 10) == []
    assert feed.pending(A, 1) == [fact("a", 1)], "every field comes back"


def test_what_was_sent_leaves_the_line_and_never_comes_back(feed: FactFeed) -> None:
    feed.advance(A, ids(1, 2, 3), AT)
    feed.advance(A, ids(1), AT)
    assert line(feed) == ids(4, 5)


def test_only_applications_with_something_in_line_are_waiting(feed: FactFeed) -> None:
    assert feed.waiting() == {A, B}
    feed.advance(A, ids(1, 2, 3, 4, 5), AT)
    assert feed.waiting() == {B}


def test_a_refused_fact_leaves_the_line_and_stands_aside_with_the_answer(feed: FactFeed) -> None:
    refuse(feed, 1)
    assert line(feed) == ids(2, 3, 4, 5)
    (aside,) = feed.dead_letters(A)
    assert (aside.fact, aside.fact_id, aside.status, aside.answer) == (fact("a", 1), ids(1)[0], 400, "no")
    assert aside.at == AT + timedelta(minutes=1)
    assert feed.dead_letters(B) == []


def test_resent_facts_stand_in_front_until_they_are_through(feed: FactFeed) -> None:
    refuse(feed, 1)
    refuse(feed, 2)
    assert feed.resend(A) == 2
    assert feed.dead_letters(A) == []
    assert line(feed) == ids(1, 2, 3, 4, 5)
    assert line(feed, limit=1) == ids(1)
    feed.advance(A, ids(1, 2), AT)
    assert line(feed) == ids(3, 4, 5)


def test_only_the_facts_that_were_asked_for_are_sent_again_in_the_order_of_asking(feed: FactFeed) -> None:
    for number in (1, 2, 3):
        refuse(feed, number)
    assert feed.resend(A, ids(3)) == 1
    assert feed.resend(A, [*ids(1, 3, 5), FactId("unknown")]) == 1
    assert line(feed) == ids(3, 1, 4, 5)
    assert [aside.fact_id for aside in feed.dead_letters(A)] == ids(2)


def test_a_fact_put_in_front_while_others_are_on_their_way_stays_in_line(feed: FactFeed) -> None:
    refuse(feed, 1)
    on_their_way = line(feed, limit=2)
    feed.resend(A)
    feed.advance(A, on_their_way, AT)
    assert line(feed) == ids(1, 4, 5)


def test_a_fact_refused_once_more_stands_aside_with_the_newer_answer(feed: FactFeed) -> None:
    refuse(feed, 1, "first")
    feed.resend(A)
    refuse(feed, 1, "second")
    assert [aside.answer for aside in feed.dead_letters(A)] == ["second"]
    assert line(feed) == ids(2, 3, 4, 5)


def test_sending_a_resent_fact_does_not_move_the_cursor(feed: FactFeed) -> None:
    refuse(feed, 1)
    feed.advance(A, ids(2, 3), AT)
    feed.resend(A)
    feed.advance(A, ids(1), AT)
    assert line(feed) == ids(4, 5)


def test_a_line_that_is_empty_goes_on_with_what_is_committed_next(rig: Rig, feed: FactFeed) -> None:
    feed.advance(A, ids(1, 2, 3, 4, 5), AT)
    assert line(feed) == []
    rig[1](fact("a", 6))
    assert feed.waiting() == {A, B}
    assert line(feed) == ids(6)


def test_a_set_aside_fact_that_is_put_back_makes_its_application_wait_again(feed: FactFeed) -> None:
    feed.advance(A, ids(1, 2, 3, 4), AT)
    refuse(feed, 5)
    assert feed.waiting() == {B}
    feed.resend(A)
    assert feed.waiting() == {A, B}
    feed.advance(A, ids(5), AT)
    assert feed.waiting() == {B}


def test_a_fact_is_put_back_once_however_often_it_is_asked_for(feed: FactFeed) -> None:
    refuse(feed, 1)
    assert [feed.resend(A), feed.resend(A), feed.resend(A, ids(1))] == [1, 0, 0]
    assert line(feed) == ids(1, 2, 3, 4, 5)


def test_one_applications_facts_are_not_put_back_by_another(feed: FactFeed) -> None:
    refuse(feed, 1)
    assert feed.resend(B) == feed.resend(B, ids(1)) == 0
    assert line(feed) == ids(2, 3, 4, 5)


def test_a_fact_that_stands_aside_and_is_accepted_after_all_stands_aside_no_more(feed: FactFeed) -> None:
    refuse(feed, 1)
    feed.advance(A, ids(1), AT)  # another relay has sent it meanwhile
    assert feed.dead_letters(A) == []
    assert feed.resend(A) == 0
    assert line(feed) == ids(2, 3, 4, 5)


def test_a_report_tells_what_waits_and_what_was_sent_last(feed: FactFeed) -> None:
    assert feed.report(A) == RelayReport(waiting=5)
    assert feed.report(ClientId("unknown")) == RelayReport()
    feed.advance(A, ids(1, 2), AT)
    refuse(feed, 3)
    assert feed.report(A) == RelayReport(2, ids(2)[0], AT, refused_in_a_row=1)
    feed.resend(A)
    assert feed.report(A).waiting == 3
    feed.advance(A, ids(3), AT + timedelta(hours=1))
    assert feed.report(A) == RelayReport(2, ids(3)[0], AT + timedelta(hours=1))
    assert feed.report(B) == RelayReport(waiting=1)


def test_a_trouble_stands_in_the_report_until_a_fact_leaves_the_line(feed: FactFeed) -> None:
    trouble = Trouble(held=False, since=AT, tried_at=AT + timedelta(seconds=5), attempts=3, error="503: later")
    leaving: list[Callable[[], None]] = [lambda: feed.advance(A, ids(1), AT), lambda: refuse(feed, 2)]
    for leave in leaving:
        feed.note(A, trouble)
        feed.note(A, trouble._replace(held=True, attempts=4, error="401: who?"))
        assert feed.report(A).trouble == trouble._replace(held=True, attempts=4, error="401: who?")
        assert feed.report(B).trouble is None
        leave()
        assert feed.report(A).trouble is None
    feed.note(A, trouble)
    feed.note(A, None)
    assert feed.report(A) == RelayReport(3, ids(1)[0], AT, refused_in_a_row=1)


def test_refusals_in_a_row_are_the_endpoints_own_since_it_accepted_a_fact(feed: FactFeed) -> None:
    refuse(feed, 1)
    feed.note(A, Trouble(held=False, since=AT, tried_at=AT, attempts=1, error="503"))
    refuse(feed, 2)
    feed.dead_letter(A, ids(3)[0], 0, "too large to be sent", AT)
    assert feed.report(A).refused_in_a_row == 2
    feed.advance(A, ids(4), AT)
    assert feed.report(A).refused_in_a_row == 0


@pytest.mark.concurrency
def test_facts_committed_while_others_leave_are_neither_lost_nor_mixed_up(rig: Rig) -> None:
    feed, commit = rig
    with ThreadPoolExecutor() as pool:
        made = pool.submit(lambda: [commit(fact("a", 2 * n), fact("a", 2 * n + 1)) for n in range(50)])
        left: list[FactId] = []
        deadline = time.monotonic() + 30
        while len(left) < 100:
            assert time.monotonic() < deadline, f"only {len(left)} came within 30 s"
            taken = line(feed, limit=7)
            if taken:
                feed.advance(A, taken, AT)
            left += taken
        made.result()
    assert left == ids(*range(100))
    assert feed.waiting() == set()


@pytest.mark.parametrize("kind", ["sqlite", "postgres"])
def test_the_line_is_the_same_when_the_database_is_opened_again(kind: str, new_state: NewState) -> None:
    first = new_state(kind)
    with first.writing() as connection:
        row = {"id": A, "body": "{}", "client_secret": "", "definitions_version": 1}
        connection.execute(insert(tables.applications), row)
        connection.execute(insert(tables.facts), [rows.fact_row(fact("a", number)) for number in range(1, 6)])
    feed = SqlFactFeed(first)
    feed.advance(A, ids(1), AT)
    for number in (2, 3):
        refuse(feed, number)
    feed.resend(A, ids(3))
    first.dispose()
    again = new_state(kind)
    feed = SqlFactFeed(again)
    assert line(feed) == ids(3, 4, 5)
    assert [aside.fact_id for aside in feed.dead_letters(A)] == ids(2)
