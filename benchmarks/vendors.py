"""Vendors' kinds: events a second through the Node worker, to a server that answers at once on the same cores.

    uv run python -m benchmarks.vendors [--events 4000]

Singles (amplitude), batches (mixpanel), and both of the library's own webhook; beside them a webhook of Tifo's own. The
memory is the worker's.
"""

import argparse
import asyncio
import os
import tempfile
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
import psutil

from benchmarks.deliveries import serving
from tests.six_events import SIX_EVENTS
from tifo.destinations.actions import installing
from tifo.destinations.catalog import kind_of
from tifo.destinations.mappings import new_mapping
from tifo.destinations.ports import ActionMapping, Configured, Event, Fate, Tools
from tifo.egress.guard import guarded_connector
from tifo.egress.rules import read_allowed
from tifo.kernel.clock import system_clock
from tifo.kernel.ids import Position

_UNDER_WAY = 8


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, default=4_000)
    asked = parser.parse_args()
    installing.install()
    asyncio.run(_compared(asked.events))


async def _compared(events: int) -> None:
    async with serving(0.0) as url:
        os.environ["TIFO_ACTIONS_ROUTE"] = url
        keys = {"apiKey": "k", "secretKey": "s"}
        calls = [each for each in kind_of("amplitude").automatic if each.name == "Track Calls"]
        await _told("amplitude, single", "amplitude", keys, calls, events=events, size=50)
        mixpanel = {"projectToken": "t", "apiSecret": "s"}
        calls = [each for each in kind_of("mixpanel").automatic if each.name == "Track Calls"]
        await _told("mixpanel, batches of 100", "mixpanel", mixpanel, calls, events=events * 5, size=100)
        send = new_mapping(kind_of("actions-webhook"), "send")
        fields = {"url": "https://hooks.example.com/x", "method": "POST", "data": {"@path": "$."}}
        batch = [replace(send, id="m", trigger='type = "track"', mapping={**fields, "enable_batching": True})]
        single = [replace(batch[0], mapping={**fields, "enable_batching": False})]
        await _told("the library's webhook, single", "actions-webhook", {}, single, events=events, size=50)
        await _told("the library's webhook, 100", "actions-webhook", {}, batch, events=events * 5, size=100)
        await _told(
            "Tifo's webhook, batches of 100", "webhook", {"url": url, "batch": True}, [], events=events * 5, size=100
        )


async def _told(
    what: str, kind_id: str, settings: dict[str, Any], mappings: Sequence[ActionMapping], *, events: int, size: int
) -> None:
    kind, egress = kind_of(kind_id), read_allowed("127.0.0.1")
    with tempfile.TemporaryDirectory() as folder:
        async with aiohttp.ClientSession(connector=guarded_connector(egress)) as session:
            tools = Tools(session, egress, system_clock, Path(folder))
            destination = await kind.open(Configured("d", "d", kind.check(settings), mappings), tools)
            batches = iter([_events(first, size) for first in range(0, events, size)])
            await destination.send(_events(0, size))  # what is loaded first is not timed
            started = time.perf_counter()

            async def walk() -> None:
                for batch in batches:
                    outcomes = await destination.send(batch)
                    assert {each.fate for each in outcomes} == {Fate.DELIVERED}, outcomes[0]

            await asyncio.gather(*(walk() for _ in range(_UNDER_WAY)))
            seconds = time.perf_counter() - started
            peak = max((child.memory_info().rss / 2**20 for child in _workers()), default=0.0)
            await destination.close()
    print(f"{what:<36}{events / seconds:>9,.0f} events/s   worker {peak:>4,.0f} MB")


def _workers() -> list[psutil.Process]:
    return [each for each in psutil.Process().children() if "worker.cjs" in " ".join(each.cmdline())]


def _events(first: int, size: int) -> list[Event]:
    message = SIX_EVENTS[0]
    return [
        Event(
            Position(number + 1),
            f"m{number}",
            "track",
            message["event"],
            "ada",
            1_795_600_800.0,
            msgspec.json.encode({**message, "messageId": f"m{number}"}),
        )
        for number in range(first, first + size)
    ]


if __name__ == "__main__":
    main()
