"""Which retries are in progress."""

from tests.unit.delivery.sending.parts import waiting
from tifo.delivery.ports import Due
from tifo.delivery.sending.backlog import MAX_WAITING, RetryBacklog


def test_a_retry_is_taken_up_once_until_its_outcome_is_committed() -> None:
    backlog, retry = RetryBacklog(1), waiting(1)
    assert backlog.take_up(Due([retry], 1), backlog.in_progress()) == [retry]
    assert backlog.take_up(Due([retry], 1), backlog.in_progress()) == []
    backlog.committed([retry.key])
    assert backlog.take_up(Due([retry], 1), backlog.in_progress()) == [retry]


def test_an_outcome_that_was_committed_while_the_state_was_asked_does_not_bring_its_event_back() -> None:
    backlog, retry = RetryBacklog(1), waiting(1)
    backlog.take_up(Due([retry], 1), ())
    before = backlog.in_progress()
    backlog.committed([retry.key])
    assert backlog.take_up(Due([retry], 1), before) == []


def test_a_replay_of_an_event_is_another_retry_than_its_own() -> None:
    backlog = RetryBacklog(0)
    both = [waiting(1), waiting(1, replay="r")]
    assert backlog.take_up(Due(both, 2), ()) == both


def test_the_backlog_is_full_by_what_waits_now() -> None:
    backlog = RetryBacklog(MAX_WAITING - 1)
    assert not backlog.is_full
    backlog.change(1)
    assert backlog.is_full
    backlog.take_up(Due([], 3), ())
    assert not backlog.is_full
    backlog.change(-9)
    backlog.change(MAX_WAITING - 1)
    assert not backlog.is_full, "it counts from zero, not from below"
