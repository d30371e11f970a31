from collections.abc import Callable
from datetime import UTC, datetime

import pytest

from tifo.engagement.facts import AnyFact
from tifo.kernel.ids import ClientId, FactId
from tifo.source.memory import InMemoryFactFeed

A = ClientId("a")
B = ClientId("b")
AT = datetime(2026, 11, 24, 10, 0, 0, tzinfo=UTC)


@pytest.fixture
def feed(make_fact: Callable[..., AnyFact]) -> InMemoryFactFeed:
    """Five facts of `a` with one of `b` among them."""
    feed = InMemoryFactFeed()
    feed.commit(make_fact("a", 1), make_fact("a", 2))
    feed.commit(make_fact("b", 1))
    feed.commit(make_fact("a", 3), make_fact("a", 4), make_fact("a", 5))
    return feed


def ids(*numbers: int) -> list[FactId]:
    return [FactId(f"a-{number:03}") for number in numbers]


def line(feed: InMemoryFactFeed, limit: int = 10) -> list[FactId]:
    return [fact.id for fact in feed.pending(A, limit)]


def refuse(feed: InMemoryFactFeed, number: int, answer: str = "no") -> None:
    feed.set_aside(A, ids(number)[0], 400, answer, AT)


def test_each_application_has_its_own_line_in_commit_order(feed: InMemoryFactFeed) -> None:
    assert line(feed) == ids(1, 2, 3, 4, 5)
    assert line(feed, limit=2) == ids(1, 2)
    assert [fact.id for fact in feed.pending(B, 10)] == ["b-001"]
    assert feed.pending(ClientId("unknown"), 10) == []


def test_what_was_sent_leaves_the_line_and_never_comes_back(feed: InMemoryFactFeed) -> None:
    feed.advance(A, ids(1, 2, 3))
    feed.advance(A, ids(1))
    assert line(feed) == ids(4, 5)


def test_only_applications_with_something_in_line_are_waiting(feed: InMemoryFactFeed) -> None:
    assert feed.waiting() == {A, B}
    feed.advance(A, ids(1, 2, 3, 4, 5))
    assert feed.waiting() == {B}


def test_a_refused_fact_leaves_the_line_and_stands_aside_with_the_answer(feed: InMemoryFactFeed) -> None:
    refuse(feed, 1)
    assert line(feed) == ids(2, 3, 4, 5)
    (aside,) = feed.set_aside_facts(A)
    assert (aside.fact_id, aside.status, aside.answer, aside.at) == (ids(1)[0], 400, "no", AT)


def test_resent_facts_stand_in_front_until_they_are_through(feed: InMemoryFactFeed) -> None:
    refuse(feed, 1)
    refuse(feed, 2)
    assert feed.resend(A) == 2
    assert feed.set_aside_facts(A) == []
    assert line(feed) == ids(1, 2, 3, 4, 5)
    assert line(feed, limit=1) == ids(1)
    feed.advance(A, ids(1, 2))
    assert line(feed) == ids(3, 4, 5)


def test_only_the_facts_that_were_asked_for_are_sent_again_in_the_order_of_asking(feed: InMemoryFactFeed) -> None:
    for number in (1, 2, 3):
        refuse(feed, number)
    assert feed.resend(A, ids(3)) == 1
    assert feed.resend(A, [*ids(1, 3, 5), FactId("unknown")]) == 1
    assert line(feed) == ids(3, 1, 4, 5)
    assert [aside.fact_id for aside in feed.set_aside_facts(A)] == ids(2)


def test_a_fact_put_in_front_while_others_are_on_their_way_stays_in_line(feed: InMemoryFactFeed) -> None:
    refuse(feed, 1)
    on_their_way = line(feed, limit=2)
    feed.resend(A)
    feed.advance(A, on_their_way)
    assert line(feed) == ids(1, 4, 5)


def test_a_fact_refused_once_more_stands_aside_with_the_newer_answer(feed: InMemoryFactFeed) -> None:
    refuse(feed, 1, "first")
    feed.resend(A)
    refuse(feed, 1, "second")
    assert [aside.answer for aside in feed.set_aside_facts(A)] == ["second"]
    assert line(feed) == ids(2, 3, 4, 5)


def test_sending_a_resent_fact_does_not_move_the_cursor(feed: InMemoryFactFeed) -> None:
    refuse(feed, 1)
    feed.advance(A, ids(2, 3))
    feed.resend(A)
    feed.advance(A, ids(1))
    assert line(feed) == ids(4, 5)
