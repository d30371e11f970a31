"""A process beside Tifo that answers, dies, hangs, grows and talks nonsense."""

import asyncio
import sys
import textwrap
from collections.abc import AsyncIterator
from pathlib import Path

import psutil
import pytest

from tifo.destinations import workers as module
from tifo.destinations.workers import Worker, WorkerGone, WorkerProgram

_PROGRAM = textwrap.dedent("""
    import json, os, sys, threading, time

    def answer(request):
        what = request["do"]
        if what == "die":
            os._exit(3)
        if what == "talk":
            print("I would rather chat", flush=True)
            return
        time.sleep(request.get("for_s", 0))
        told = {"id": request["id"], "pid": os.getpid(), "said": request.get("say")}
        if what == "grow":
            told["rss_mb"] = 10_000
        if what == "break":
            told["broken"] = "as asked"
        print(json.dumps(told), flush=True)

    for line in sys.stdin:
        threading.Thread(target=answer, args=(json.loads(line),), daemon=True).start()
""")


@pytest.fixture
async def worker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Worker]:
    monkeypatch.setattr(module, "HANGS_AFTER_S", 0.5)
    monkeypatch.setattr(module, "_RESTART_S", 0.01)
    worker = Worker(lambda: WorkerProgram((sys.executable, "-c", _PROGRAM), tmp_path))
    yield worker
    await worker.close()


async def pid(worker: Worker) -> int:
    return int((await worker.ask({"do": "tell"}, 5))["pid"])


async def test_each_gets_its_own_answer(worker: Worker) -> None:
    asked = [worker.ask({"do": "tell", "say": n, "for_s": (20 - n) / 200}, 5) for n in range(20)]
    assert [told["said"] for told in await asyncio.gather(*asked)] == list(range(20))


@pytest.mark.parametrize("do", ["die", "talk"])
async def test_one_that_dies_or_talks_nonsense_is_replaced(worker: Worker, do: str) -> None:
    first = await pid(worker)
    slow = asyncio.create_task(worker.ask({"do": "tell", "for_s": 30}, 60))
    await asyncio.sleep(0.1)
    for lost in (worker.ask({"do": do}, 5), slow):  # what is under way beside it too
        with pytest.raises(WorkerGone):
            await lost
    assert await pid(worker) != first
    assert not psutil.pid_exists(first)


async def test_one_that_hangs_is_killed(worker: Worker) -> None:
    first = await pid(worker)
    with pytest.raises(WorkerGone, match="did not answer within"):
        await worker.ask({"do": "tell", "for_s": 30}, 0.1)
    assert await pid(worker) != first


async def test_one_that_has_grown_too_large_ends_what_it_has_begun_and_is_replaced(worker: Worker) -> None:
    first = await pid(worker)
    slow = asyncio.create_task(worker.ask({"do": "tell", "for_s": 0.3}, 5))
    await asyncio.sleep(0.05)
    assert (await worker.ask({"do": "grow"}, 5))["pid"] == first
    assert await pid(worker) != first
    assert (await slow)["pid"] == first
    async with asyncio.timeout(5):
        while psutil.pid_exists(first):  # noqa: ASYNC110 (it is another process)
            await asyncio.sleep(0.01)


async def test_a_request_that_it_cannot_take_costs_no_other(worker: Worker) -> None:
    first = await pid(worker)
    with pytest.raises(WorkerGone, match="as asked"):
        await worker.ask({"do": "break"}, 5)
    assert await pid(worker) == first


async def test_closed_it_leaves_no_process(worker: Worker) -> None:
    first = await pid(worker)
    await worker.close()
    assert not psutil.pid_exists(first)
