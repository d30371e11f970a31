"""Callers fail at once while the server is known to be away, and go on when it answers again."""

import threading

import pytest

from tifo.store.sql.reachability import Reachability, StateAway


def test_a_server_that_answers_is_used() -> None:
    reachability = Reachability(lambda: True)
    reachability.check()
    assert not reachability.look()


def test_a_server_that_is_away_is_asked_in_the_background_until_it_is_back() -> None:
    answers, asked = threading.Event(), threading.Event()

    def probe() -> bool:
        asked.set()
        return answers.is_set()

    reachability = Reachability(probe)
    assert reachability.look()
    with pytest.raises(StateAway):
        reachability.check()
    answers.set()
    _until_back(reachability)
    reachability.check()
    reachability.close()


def _until_back(reachability: Reachability) -> None:
    waiting = threading.Event()
    for _ in range(1_000):
        if not reachability.is_away:
            return
        waiting.wait(0.01)
    raise AssertionError
