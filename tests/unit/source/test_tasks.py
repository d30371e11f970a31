import asyncio

from tifo.source.tasks import finish


async def test_a_task_that_ends_in_time_ends_by_itself_and_one_that_hangs_is_cancelled() -> None:
    go_on = asyncio.Event()

    async def quick() -> None:
        await go_on.wait()

    async def hanging() -> None:
        go_on.set()
        await asyncio.Event().wait()

    tasks = [asyncio.create_task(quick()), asyncio.create_task(hanging())]
    await finish(tasks, 0.05)
    assert [task.cancelled() for task in tasks] == [False, True]


async def test_what_a_task_raises_does_not_stop_the_others_from_ending() -> None:
    async def failing() -> None:
        raise ValueError

    tasks = [asyncio.create_task(failing()), asyncio.create_task(asyncio.sleep(0))]
    await finish(tasks, 1.0)
    assert all(task.done() for task in tasks)


async def test_without_tasks_nothing_is_waited_for() -> None:
    await finish([], 60.0)
