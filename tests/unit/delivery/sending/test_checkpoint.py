"""When a connection commits, and what."""

import asyncio

from tests.unit.delivery.sending.parts import ALIVE, ID, NOW, Rig, refusal, waiting
from tifo.delivery.ports import Due
from tifo.delivery.sending.checkpoint import IDLE_CURSOR_S
from tifo.delivery.sending.pace import OPENS_AFTER
from tifo.destinations.ports import DELIVERED
from tifo.kernel.errors import Transient
from tifo.kernel.ids import Position


async def test_a_checkpoint_holds_everything_since_the_last_one() -> None:
    rig = Rig()
    jobs = rig.add_new(1, 2)
    rig.settler.settle(jobs, [DELIVERED, refusal("500")], 0.1)
    rig.window.advance()
    await rig.writer.commit_once()
    await rig.writer.commit_once()
    (checkpoint,) = rig.checkpoints
    assert (checkpoint.destination_id, checkpoint.previous, checkpoint.position) == (ID, 0, 2)
    assert (checkpoint.received, checkpoint.dead_since) == (2, None)
    assert [each.event.position for each in checkpoint.undelivered] == [2]
    assert rig.calls == ["committed"]
    rig.settler.settle(rig.add_new(3), [DELIVERED], 0.1)
    rig.window.advance()
    await rig.writer.commit_once()
    assert (rig.checkpoints[1].previous, rig.checkpoints[1].position, rig.checkpoints[1].received) == (2, 3, 1)


async def test_a_cursor_that_passed_only_other_sources_events_is_committed_seldom() -> None:
    rig = Rig()
    rig.settler.settle(rig.add_new(1), [DELIVERED], 0.1)
    rig.window.advance()
    await rig.writer.commit_once()
    rig.window.cursor = Position(9)
    await rig.writer.commit_once()
    assert len(rig.checkpoints) == 1
    rig.now_s += IDLE_CURSOR_S
    await rig.writer.commit_once()
    assert (rig.checkpoints[1].position, rig.checkpoints[1].received) == (9, 0)


async def test_death_and_return_of_a_destination_are_committed_by_themselves() -> None:
    rig = Rig(status=ALIVE)
    for _ in range(OPENS_AFTER):
        rig.health.learn([refusal("500")], began_at_s=0.0, took_s=0.1, others=0, is_new=True)
    await rig.writer.commit_once()
    rig.health.learn([DELIVERED], began_at_s=0.0, took_s=0.1, others=0, is_new=True)
    await rig.writer.commit_once()
    await rig.writer.commit_once()
    assert [each.dead_since for each in rig.checkpoints] == [NOW, None]
    assert [each.dead_reason for each in rig.checkpoints] == ["500 as told", ""]


async def test_a_commit_that_fails_is_repeated_until_it_is_stored() -> None:
    rig = Rig()
    rig.commit_answers = [Transient("The disk is full.", retry_after_s=0.0)] * 3
    rig.settler.settle(rig.add_new(1), [DELIVERED], 0.1)
    rig.window.advance()
    await rig.writer.commit_once()
    assert [each.position for each in rig.checkpoints] == [1]
    assert rig.writer.failure is None


async def test_a_cursor_that_another_process_moved_ends_the_connection() -> None:
    rig = Rig()
    rig.commit_answers = [False]
    rig.settler.settle(rig.add_new(1), [DELIVERED], 0.1)
    rig.window.advance()
    await rig.writer.commit_once()
    assert isinstance(rig.writer.failure, Transient)


async def test_a_committed_retry_may_be_taken_up_again_and_of_an_ordered_destination_at_once() -> None:
    rig = Rig(ordered=True)
    retry = waiting(1)
    rig.backlog.take_up(Due([retry], 1), ())
    rig.backlog.look_at_s = rig.now_s + 9
    rig.settler.settle([rig.retry(1)], [DELIVERED], 0.1)
    await rig.writer.commit_once()
    assert rig.backlog.in_progress() == set()
    assert rig.backlog.look_at_s == rig.now_s


async def test_the_last_checkpoint_is_committed_after_the_stop() -> None:
    rig = Rig()
    stop = asyncio.Event()
    stop.set()
    rig.settler.settle(rig.add_new(1), [DELIVERED], 0.1)
    rig.window.advance()
    await rig.writer.run(stop)
    assert [each.position for each in rig.checkpoints] == [1]
