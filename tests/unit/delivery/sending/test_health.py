"""The health of a destination, by its answers."""

from tests.unit.delivery.sending.parts import ALIVE, NOW, Rig, refusal
from tifo.delivery.sending.pace import OPENS_AFTER
from tifo.destinations.ports import DELIVERED, Outcome
from tifo.kernel.backoff import RETRY_AFTER_CAP_S


def learn(rig: Rig, *outcomes: Outcome, is_new: bool = True) -> None:
    rig.health.learn(outcomes, began_at_s=rig.now_s, took_s=0.01, others=9, is_new=is_new)


def test_a_dead_destination_gets_one_probe_at_its_time_and_is_alive_by_one_acceptance() -> None:
    rig = Rig()
    for _ in range(OPENS_AFTER):
        learn(rig, refusal("ECONNREFUSED"))
    assert (rig.health.dead_since, rig.health.dead_reason) == (NOW, "ECONNREFUSED as told")
    assert (rig.health.at_once(), rig.health.waits_s()) == (0, 1.0)
    rig.now_s += 1.0
    assert rig.health.at_once() == 1
    learn(rig, DELIVERED)
    assert (rig.health.is_dead, rig.health.dead_reason) == (False, "")
    assert rig.health.waits_s() is None


def test_an_event_that_fails_again_and_again_says_nothing_of_the_destination() -> None:
    rig = Rig()
    for _ in range(2 * OPENS_AFTER):
        learn(rig, refusal("500"), is_new=False)
    assert not rig.health.is_dead


def test_a_pause_that_is_asked_for_holds_all_requests_unless_something_was_delivered() -> None:
    rig = Rig()
    learn(rig, DELIVERED, refusal("429", retry_after_s=30.0))
    assert rig.health.waits_s() is None
    learn(rig, refusal("429", retry_after_s=30.0))
    assert (rig.health.at_once(), rig.health.waits_s()) == (0, 30.0)
    rig.now_s += 30.0
    assert rig.health.at_once() > 0
    learn(rig, refusal("429", retry_after_s=1e9))
    assert rig.health.waits_s() == RETRY_AFTER_CAP_S


def test_a_restart_does_not_make_a_dead_destination_look_alive() -> None:
    rig = Rig(status=ALIVE._replace(dead_since=NOW, dead_reason="500 as told"))
    assert (rig.health.is_dead, rig.health.dead_reason, rig.health.at_once()) == (True, "500 as told", 1)
