from datetime import UTC, datetime, timedelta

import pytest

from tifo.egress.answers import HttpAnswer
from tifo.source.webhooks.health import DEAD_AFTER, PROBE_CAP_S, EndpointHealth

NOW = datetime(2026, 11, 24, 10, tzinfo=UTC)
REFUSED, ACCEPTED = HttpAnswer(503), HttpAnswer(204)


def learn(health: EndpointHealth, answer: HttpAnswer, *, is_new: bool = True) -> None:
    health.learn(answer, is_new=is_new, now=NOW, pause_s=lambda attempt: 10.0 * attempt)


def test_new_facts_that_fail_in_a_row_make_an_endpoint_dead_and_one_success_makes_it_alive() -> None:
    health = EndpointHealth(0)
    for _ in range(DEAD_AFTER - 1):
        learn(health, REFUSED)
    assert not health.is_dead
    learn(health, REFUSED)
    assert health.is_dead
    learn(health, ACCEPTED, is_new=False)
    assert (health.is_dead, health.failed_in_a_row) == (False, 0)


@pytest.mark.parametrize("status", [400, 413, 422])
def test_an_endpoint_that_refuses_a_webhook_itself_is_alive(status: int) -> None:
    health = EndpointHealth(DEAD_AFTER)
    learn(health, HttpAnswer(status))
    assert not health.is_dead


def test_a_retry_that_fails_once_more_says_nothing_about_the_endpoint() -> None:
    health = EndpointHealth(2)
    learn(health, REFUSED, is_new=False)
    assert health.failed_in_a_row == 2


def test_a_dead_endpoint_is_probed_when_its_pause_is_over_and_the_pause_has_a_cap() -> None:
    health = EndpointHealth(DEAD_AFTER - 1)
    learn(health, REFUSED)
    assert not health.may_send_new(NOW + timedelta(seconds=10 * DEAD_AFTER - 1))
    assert health.may_send_new(NOW + timedelta(seconds=10 * DEAD_AFTER))
    for _ in range(10):
        learn(health, REFUSED)
    assert health.may_send_new(NOW + timedelta(seconds=PROBE_CAP_S))


def test_an_endpoint_that_an_earlier_sender_found_dead_is_probed_at_once() -> None:
    assert EndpointHealth(DEAD_AFTER).may_send_new(NOW)


def test_the_more_an_endpoint_fails_the_fewer_new_facts_are_tried_together() -> None:
    limits = [EndpointHealth(failed).new_facts(200) for failed in (0, 1, DEAD_AFTER - 1, DEAD_AFTER)]
    assert limits == [200, DEAD_AFTER, DEAD_AFTER, 1]
