"""The pause before a failed attempt is repeated."""

import pytest

from tifo.kernel.backoff import RETRY_AFTER_CAP_S, Backoff


def test_the_pause_doubles_with_each_failure_up_to_the_cap() -> None:
    backoff = Backoff(1.0, 900.0)
    assert [backoff.pause_s(failures, 1.0) for failures in (1, 2, 3, 10, 11)] == [1, 2, 4, 512, 900]
    assert backoff.pause_s(10**9, 1.0) == 900


@pytest.mark.parametrize(("jitter", "least_s"), [(0.0, 4.0), (0.5, 2.0), (1.0, 0.0)])
def test_chance_takes_off_its_share_and_no_more(jitter: float, least_s: float) -> None:
    backoff = Backoff(1.0, 900.0, jitter)
    assert backoff.pause_s(3, 0.0) == least_s
    assert backoff.pause_s(3, 1.0) == 4.0
    assert backoff.pause_s(3, 0.5) == pytest.approx((least_s + 4.0) / 2)


def test_the_time_that_the_endpoint_asked_for_is_the_least_pause() -> None:
    backoff = Backoff(1.0, 900.0)
    assert backoff.pause_s(1, 0.5, 30.0) == 30.0
    assert backoff.pause_s(8, 1.0, 30.0) == 128.0
    assert backoff.pause_s(1, 0.5, 86_400.0) == RETRY_AFTER_CAP_S
