from datetime import UTC, datetime

import pytest

from tifo.egress.waits import retry_after_s
from tifo.source.answers import BACKOFF, Answer, Hold, Retry, Sent, Split, decide

NOW = datetime(2026, 11, 24, 10, 0, 0, tzinfo=UTC)


@pytest.mark.parametrize("status", [200, 202, 204])
def test_a_status_of_success_means_sent(status: int) -> None:
    assert decide(Answer(status), attempt=3, chance=0.9) == Sent()


@pytest.mark.parametrize("status", [0, 301, 302, 307, 308, 408, 425, 429, 500, 501, 502, 503, 504, 505, 599])
def test_what_may_pass_is_tried_again(status: int) -> None:
    assert isinstance(decide(Answer(status), attempt=1, chance=0.5), Retry)


@pytest.mark.parametrize("status", [401, 403, 404, 405, 407, 410])
def test_what_concerns_the_connection_holds_it(status: int) -> None:
    assert isinstance(decide(Answer(status), attempt=1, chance=0.5), Hold)


@pytest.mark.parametrize("status", [400, 409, 413, 415, 422, 431])
def test_what_concerns_the_batch_splits_it(status: int) -> None:
    assert decide(Answer(status), attempt=1, chance=0.5) == Split()


def test_one_more_refusal_by_an_endpoint_that_refuses_all_holds_the_connection() -> None:
    assert decide(Answer(400), attempt=3, chance=0.5, refuses_all=True) == Hold(BACKOFF.pause_s(3, 0.5))
    assert decide(Answer(422, "", 7.0), attempt=1, chance=0.5, refuses_all=True) == Hold(7.0)
    assert decide(Answer(200), attempt=3, chance=0.5, refuses_all=True) == Sent()
    assert isinstance(decide(Answer(503), attempt=3, chance=0.5, refuses_all=True), Retry)


def test_the_backoff_doubles_up_to_its_cap_and_spreads_from_nothing_to_its_bound() -> None:
    bounds = [BACKOFF.pause_s(attempt, 1.0) for attempt in range(1, 12)]
    assert bounds[:4] == [0.2, 0.4, 0.8, 1.6]
    assert bounds[-1] == BACKOFF.cap_s
    assert BACKOFF.pause_s(10**9, 1.0) == BACKOFF.cap_s
    assert BACKOFF.pause_s(5, 0.0) == 0.0
    assert BACKOFF.pause_s(5, 0.25) == BACKOFF.pause_s(5, 1.0) / 4


@pytest.mark.parametrize("status", [429, 503, 401])
def test_a_retry_is_never_earlier_than_the_endpoint_asked_for(status: int) -> None:
    decision = decide(Answer(status, retry_after_s=7.0), attempt=1, chance=0.99)
    assert isinstance(decision, Retry | Hold)
    assert decision.after_s == 7.0


def test_a_retry_after_of_nothing_does_not_undo_the_backoff() -> None:
    assert decide(Answer(429, retry_after_s=0.0), attempt=3, chance=0.5) == Retry(0.4)


def test_an_absurd_retry_after_is_cut_to_an_hour() -> None:
    assert decide(Answer(429, retry_after_s=1e12), attempt=1, chance=0.5) == Retry(3600.0)


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("120", 120.0),
        (" 3 ", 3.0),
        ("Tue, 24 Nov 2026 10:01:30 GMT", 90.0),
        ("Tue, 24 Nov 2026 10:01:30 -0000", 90.0),
        ("Tue, 24 Nov 2026 09:00:00 GMT", 0.0),
        ("9" * 400, float("inf")),
        ("soon", None),
        ("-5", None),
        ("nan", None),
        ("", None),
        ("Tue, 99 Nov 99999999999 10:01:30 GMT", None),
        (None, None),
    ],
)
def test_retry_after_is_read_in_both_forms_and_nonsense_is_ignored(header: str | None, seconds: float | None) -> None:
    assert retry_after_s(header, NOW) == seconds
