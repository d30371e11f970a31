"""The order in which one destination's events are sent."""

from tests.unit.delivery.sending.parts import chunk_of, event, waiting
from tifo.delivery.sending.queue import DeliveryQueue, Job
from tifo.destinations.ports import Batching


def new(position: int, user: str = "fan", at_s: float = 0.0) -> Job:
    return Job(event(position, user), at_s, chunk_of(position))


def retry(position: int, user: str = "fan") -> Job:
    return Job(event(position, user), 0.0, None, waiting(position, user))


def queue_of(*, ordered: bool = False, max_events: int = 10, **more: int) -> DeliveryQueue:
    return DeliveryQueue(Batching(max_events=max_events, max_bytes=1_000), ordered=ordered, waiting_by_user=more)


def positions(jobs: list[Job]) -> list[int]:
    return [int(job.event.position) for job in jobs]


def test_retries_go_before_new_events_and_a_probe_is_a_new_one() -> None:
    queue = queue_of(max_events=2)
    queue.add_new([new(8), new(9)])
    queue.add_retries([retry(1)])
    assert positions(queue.take_probe()) == [8]
    assert positions(queue.take()) == [1, 9]
    queue.add_retries([retry(2)])
    assert positions(queue.take_probe()) == [2], "where there is no new one"


def test_a_batch_is_bounded_by_its_bytes_but_holds_one_event() -> None:
    queue = DeliveryQueue(Batching(max_events=10, max_bytes=30), ordered=False, waiting_by_user={})
    queue.add_new([new(position) for position in (1, 2, 3)])
    assert [len(queue.take()) for _ in range(2)] == [1, 1], "two of them have 34 bytes"


def test_a_batch_that_is_not_full_waits_for_more_as_long_as_it_lingers() -> None:
    queue = DeliveryQueue(Batching(max_events=2, linger_s=5.0), ordered=False, waiting_by_user={})
    assert queue.ready_in_s(0.0) is None
    queue.add_new([new(1, at_s=10.0)])
    assert queue.ready_in_s(12.0) == 3.0
    assert queue.ready_in_s(16.0) == 0.0
    queue.add_new([new(2, at_s=12.0)])
    assert queue.ready_in_s(12.0) == 0.0


def test_a_user_in_flight_gets_no_second_request_and_her_events_come_back_in_order() -> None:
    queue = queue_of(ordered=True, max_events=1)
    queue.add_new([new(1, "ada"), new(2, "ada"), new(3, "eve"), new(4, "ada"), new(5, "")])
    first = queue.take()
    assert positions(first) == [1]
    assert positions(queue.take()) == [3]
    assert positions(queue.take()) == [5], "events without a user have no order"
    assert (positions(queue.take()), len(queue)) == ([], 2)
    queue.add_new([new(6, "ada")])
    queue.done(first)
    assert [positions(queue.take()) for _ in range(2)] == [[2], []]


def test_a_user_of_whom_an_event_waits_is_blocked_until_none_does() -> None:
    queue = queue_of(ordered=True, ada=1)
    assert queue.is_blocked(new(2, "ada"))
    assert not queue.is_blocked(retry(1, "ada"))
    assert not queue.is_blocked(new(3, "eve"))
    queue.block("ada")
    queue.unblock("ada")
    assert queue.is_blocked(new(2, "ada"))
    queue.unblock("ada")
    assert not queue.is_blocked(new(2, "ada"))
    assert not queue_of(ada=1).is_blocked(new(2, "ada")), "a destination without order blocks nobody"
