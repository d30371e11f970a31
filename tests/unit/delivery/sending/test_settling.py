"""The effect of each outcome on its event."""

from datetime import timedelta

import pytest

from tests.unit.delivery.sending.parts import ALIVE, NOW, Rig, event, refusal
from tifo.delivery.ports import MAX_HISTORY, Attempt, Result, UndeliveredState
from tifo.delivery.sending.backlog import MAX_WAITING
from tifo.delivery.sending.queue import Job
from tifo.destinations.ports import DELIVERED, Fate, Outcome


def totals(rig: Rig, job: Job) -> dict[tuple[Result, str], int]:
    stats = rig.window.stats if job.chunk is None else job.chunk.stats
    return {(counted.result, counted.code): number for counted, number in stats.counts.items()}


def test_delivered_events_are_counted_with_their_chunk_and_leave_nothing_behind() -> None:
    rig = Rig()
    jobs = rig.add_new(1, 2)
    rig.settler.settle(jobs, [DELIVERED, Outcome(Fate.FILTERED, "FILTERED_AT_MAPPING")], 0.1)
    chunk = jobs[0].chunk
    assert chunk is not None
    assert chunk.unsettled == 0
    assert totals(rig, jobs[0]) == {(Result.DELIVERED, ""): 1, (Result.FILTERED, "FILTERED_AT_MAPPING"): 1}
    assert not chunk.stats.undelivered
    assert chunk.stats.latencies.total() == 1, "only of what was delivered"


def test_an_event_that_may_be_retried_waits_for_its_backoff() -> None:
    rig = Rig()
    (job,) = rig.add_new(1)
    rig.settler.settle([job], [refusal("500")], 0.25)
    assert job.chunk is not None
    waits = job.chunk.stats.undelivered[job.key]
    assert (waits.state, waits.attempts, waits.first_at) == (UndeliveredState.WAITING, 1, NOW)
    assert waits.next_at == NOW + timedelta(seconds=1)
    assert waits.history == (Attempt(NOW, "500", "as told", 0.25),)
    assert totals(rig, job) == {(Result.RETRIED, "500"): 1}


def test_a_retry_waits_longer_after_each_attempt_and_never_less_than_was_asked_for() -> None:
    rig = Rig()
    for attempts, asked_s, expected_s in ((3, None, 8), (3, 30.0, 30)):
        job = rig.retry(1, attempts=attempts)
        rig.settler.settle([job], [refusal("429", retry_after_s=asked_s)], 0.1)
        assert rig.window.stats.undelivered[job.key].next_at == NOW + timedelta(seconds=expected_s)


def test_a_refusal_for_good_makes_a_dead_letter_with_its_exchange() -> None:
    rig = Rig()
    job = rig.retry(1)
    rig.settler.settle([job], [refusal("400", left=b"rest")], 0.1)
    dead = rig.window.stats.undelivered[job.key]
    assert (dead.state, dead.next_at, dead.event.left) == (UndeliveredState.FAILED, None, b"rest")
    assert totals(rig, job) == {(Result.FAILED, "400"): 1}


@pytest.mark.parametrize("is_dead", [False, True])
def test_an_event_becomes_a_dead_letter_after_its_time_unless_the_destination_is_dead(is_dead: bool) -> None:
    rig = Rig(status=ALIVE._replace(dead_since=NOW) if is_dead else ALIVE)
    job = rig.retry(1, first_at=NOW - timedelta(hours=1))
    rig.settler.settle([job], [refusal("500")], 0.1)
    expected = UndeliveredState.WAITING if is_dead else UndeliveredState.FAILED
    assert rig.window.stats.undelivered[job.key].state is expected


def test_the_time_of_a_redriven_event_begins_with_its_next_attempt() -> None:
    rig = Rig()
    job = rig.retry(1, attempts=0, first_at=NOW - timedelta(days=9))
    rig.settler.settle([job], [refusal("500")], 0.1)
    assert rig.window.stats.undelivered[job.key].first_at == NOW


def test_of_many_attempts_the_first_and_the_newest_are_kept() -> None:
    rig = Rig()
    history = tuple(Attempt(NOW, str(number), "", 0.0) for number in range(MAX_HISTORY))
    job = rig.retry(1, history=history)
    rig.settler.settle([job], [refusal("500")], 0.1)
    kept = rig.window.stats.undelivered[job.key].history
    assert [attempt.code for attempt in kept] == ["0", *(str(number) for number in range(2, MAX_HISTORY)), "500"]


def test_a_replayed_event_is_counted_beside_the_delivered_ones() -> None:
    rig = Rig()
    job = rig.retry(1, replay="r")
    rig.settler.settle([job], [DELIVERED], 0.1)
    assert totals(rig, job) == {(Result.REPLAYED, ""): 1}
    assert rig.window.stats.settled == [(1, "r")]
    assert rig.calls == [], "the destination has no order: nobody waits for it"


def test_a_user_is_blocked_while_an_event_waits_and_free_once_it_is_settled() -> None:
    rig = Rig(ordered=True)
    (job,) = rig.add_new(1, user="ada")
    later = Job(event(2, "ada"), 0.0, job.chunk)
    rig.settler.settle([job], [refusal("500")], 0.1)
    assert rig.queue.is_blocked(later)
    retry = rig.retry(1, "ada")
    rig.settler.settle([retry], [refusal("500")], 0.1)
    assert rig.queue.is_blocked(later)
    rig.settler.settle([retry], [refusal("400")], 0.1)
    assert not rig.queue.is_blocked(later), "a dead letter blocks nobody"
    rig.queue.block("ada")
    rig.settler.settle([retry], [DELIVERED], 0.1)
    assert not rig.queue.is_blocked(later)
    assert rig.calls == ["user free"]


def test_an_event_behind_another_is_due_at_once_and_counts_no_attempt() -> None:
    rig = Rig(ordered=True, waiting_by_user={"ada": 1})
    (job,) = rig.add_new(2, user="ada")
    rig.settler.put_behind([job])
    assert job.chunk is not None
    behind = job.chunk.stats.undelivered[job.key]
    assert (behind.attempts, behind.history, behind.next_at, behind.code) == (0, (), NOW, "BEHIND")
    assert job.chunk.unsettled == 0
    assert not job.chunk.stats.counts


def test_the_backlog_grows_with_events_that_begin_to_wait_and_shrinks_with_those_that_end() -> None:
    rig = Rig(status=ALIVE._replace(waiting=MAX_WAITING - 1))
    rig.settler.settle(rig.add_new(1), [refusal("500")], 0.1)
    assert rig.backlog.is_full
    rig.settler.settle([rig.retry(1)], [refusal("500")], 0.1)
    assert rig.backlog.is_full, "it goes on waiting"
    rig.settler.settle([rig.retry(1)], [refusal("400")], 0.1)
    assert not rig.backlog.is_full
