"""Pure decisions on the pace."""

from datetime import timedelta

from tests.unit.delivery.sending.parts import NOW
from tifo.delivery.sending.pace import (
    BACKOFF,
    CLOSED,
    MAX_AT_ONCE,
    OPENS_AFTER,
    REFUSES_ALL_AFTER,
    Circuit,
    ConcurrencyLimit,
)


def test_attempts_are_a_second_apart_at_first_and_a_quarter_of_an_hour_at_last() -> None:
    assert [BACKOFF.pause_s(attempts, 1.0) for attempts in (1, 2, 3, 10, 11)] == [1, 2, 4, 512, 900]
    assert BACKOFF.pause_s(1, 0.0) == 0.5


def test_the_limit_grows_by_one_in_a_round_while_it_is_reached_and_answers_are_quick() -> None:
    limit = ConcurrencyLimit(at_once=4.0)
    for _ in range(5):
        limit = limit.after_answer(3 if int(limit) == 4 else 4, 0.01)
    assert int(limit) == 5
    assert ConcurrencyLimit(at_once=4.0).after_answer(1, 0.01).at_once == 4.0, "it was not reached"
    assert limit.after_answer(9, 1.0).at_once == limit.at_once, "it queues what it is sent"
    assert ConcurrencyLimit(at_once=float(MAX_AT_ONCE)).after_answer(99, 0.01).at_once == MAX_AT_ONCE


def test_a_push_back_halves_the_limit_once_for_all_requests_in_flight() -> None:
    limit = ConcurrencyLimit(at_once=8.0).after_push_back(10.0, 11.0)
    assert limit.at_once == 4.0
    assert limit.after_push_back(10.5, 11.1).at_once == 4.0, "that request began before"
    assert limit.after_push_back(11.5, 12.0).at_once == 2.0
    assert ConcurrencyLimit(at_once=1.0).after_push_back(0.0, 1.0).at_once == 1.0


def test_a_circuit_opens_after_failures_in_a_row_and_probes_ever_more_seldom() -> None:
    circuit = CLOSED
    for _ in range(OPENS_AFTER):
        assert not circuit.is_open
        circuit = circuit.after_failure(NOW, 1.0)
    assert circuit.opened_at == NOW
    assert circuit.probe_at == NOW + timedelta(seconds=1)
    assert not circuit.may_probe(NOW)
    later = NOW + timedelta(seconds=1)
    assert circuit.may_probe(later)
    again = circuit.after_failure(later, 1.0)
    assert (again.opened_at, again.probe_in_s(later)) == (NOW, 2.0)


def test_a_destination_that_refuses_everything_counts_as_dead() -> None:
    circuit = CLOSED.after_refusal(REFUSES_ALL_AFTER - 1, NOW, 1.0)
    assert not circuit.is_open
    assert circuit.after_refusal(1, NOW, 1.0).is_open
    assert Circuit(failures=OPENS_AFTER - 1).after_refusal(1, NOW, 1.0).failures == 0, "it answered"
