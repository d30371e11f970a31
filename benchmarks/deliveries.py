"""The log → webhooks, through the real connection: batches, and single events to a server that takes 10 ms.

    uv run python -m benchmarks.deliveries [--events 200000] [--singles 20000]

The server is a process of its own on the same cores. Beside them stands the same number of requests made by the bare
HTTP client, as many at once as a destination may have.
"""

import argparse
import asyncio
import contextlib
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp

from benchmarks.load import filled
from tifo.delivery.ports import Checkpoint
from tifo.delivery.sending.connection import DestinationConnection, Terms
from tifo.delivery.sending.filters import ConfiguredFilter
from tifo.delivery.sending.pace import MAX_AT_ONCE
from tifo.delivery.sending.reading import SharedReader
from tifo.destinations.kinds.webhook import Webhook
from tifo.destinations.ports import Configured, Tools
from tifo.egress.guard import guarded_connector
from tifo.egress.rules import read_allowed
from tifo.kernel.batching import GroupCommit
from tifo.kernel.clock import system_clock
from tifo.kernel.ids import START, DestinationId, LogPosition, SourceId, uuid7
from tifo.store.delivery.deliveries import SqlDeliveryState
from tifo.store.sql.database import open_sqlite
from tifo.store.workspace.catalog import SqlCatalog
from tifo.store.workspace.destinations import SqlDestinations
from tifo.store.workspace.vault import Vault
from tifo.workspace.model import SourceType

_ANSWER_S = 0.01
_BODY = b'{"type":"track","event":"Reward Item Rewarded","properties":{"reward_item_amount":5}}' * 6


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, default=200_000)
    parser.add_argument("--singles", type=int, default=20_000)
    parser.add_argument("--sink", type=float, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.sink is not None:
        asyncio.run(_sink(asked.sink))
        return
    asyncio.run(_compared("batches of 1,000", asked.events, 0.0, {"batch": True}, 1_000))
    asyncio.run(_compared("single, 10 ms an answer", asked.singles, _ANSWER_S, {}, 1))
    print(f"{'peak memory':<28}{resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:>9,.0f} MB")


async def _compared(what: str, events: int, answer_s: float, settings: dict[str, object], size: int) -> None:
    async with serving(answer_s) as url:
        delivered_s = await _delivered(events, {"url": url, **settings})
        bare_s = await _bare(url, events // size, _BODY * size)
    print(f"{'webhook, ' + what:<40}{events / delivered_s:>9,.0f} events/s")
    print(f"{'  the bare client':<40}{events / bare_s:>9,.0f} events/s   ratio {bare_s / delivered_s:.2f}")


async def _delivered(events: int, settings: dict[str, object]) -> float:
    """The seconds until all are delivered and noted down."""
    kind = Webhook()
    with tempfile.TemporaryDirectory() as name:
        folder, source_id = Path(name), SourceId("bench")
        log = filled(folder, events)
        database = open_sqlite(folder / "tifo.db")
        SqlCatalog(database, system_clock, lambda: source_id).create_source("Bench", SourceType.HTTP)
        destinations = SqlDestinations(database, system_clock, uuid7, Vault("", folder / "key"))
        made = destinations.add(kind.id, "bench", source_id, {}, start=LogPosition(log.shard, START))
        state = SqlDeliveryState(database, log.shard)
        egress = read_allowed("127.0.0.1")
        commits = GroupCommit[Checkpoint, bool](state.settle, max_batch=100, max_waiting=1_000)
        async with aiohttp.ClientSession(connector=guarded_connector(egress)) as session:
            configured = Configured(made.id, "bench", kind.check(settings))
            destination = await kind.open(configured, Tools(session, egress, system_clock, folder))
            connection = DestinationConnection(
                Terms(made.id, source_id, 60.0, made.created_at),
                destination,
                ConfiguredFilter(kind.handles, []),
                reader=SharedReader(log),
                state=state,
                commit=commits.submit,
            )
            seconds = await _until_done(connection, state, events, made.id)
        await commits.close()
        database.dispose()
        log.close()
    return seconds


async def _until_done(
    connection: DestinationConnection, state: SqlDeliveryState, events: int, made_id: DestinationId
) -> float:
    stop = asyncio.Event()
    started = time.perf_counter()
    running = asyncio.create_task(connection.run(stop))
    while (numbers := await asyncio.to_thread(state.numbers, made_id)).delivered < events:  # noqa: ASYNC110 (as a user does)
        await asyncio.sleep(0.02)
    seconds = time.perf_counter() - started
    assert numbers.status.received == events
    stop.set()
    await running
    return seconds


async def _bare(url: str, requests: int, body: bytes) -> float:
    left = iter(range(requests))
    started = time.perf_counter()
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:

        async def post() -> None:
            for _ in left:
                async with session.post(url, data=body) as answer:
                    await answer.read()

        await asyncio.gather(*(post() for _ in range(MAX_AT_ONCE)))
    return time.perf_counter() - started


@asynccontextmanager
async def serving(answer_s: float) -> AsyncIterator[str]:
    command = [sys.executable, "-m", "benchmarks.deliveries", "--sink", str(answer_s)]
    server = await asyncio.create_subprocess_exec(*command, stdout=subprocess.PIPE)
    assert server.stdout is not None
    port = int(await server.stdout.readline())
    yield f"http://127.0.0.1:{port}/"
    server.terminate()
    await server.wait()


async def _sink(answer_s: float) -> None:
    """Answers 200 to whatever it is sent, after so many seconds."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError):  # the client is done
            while head := await reader.readuntil(b"\r\n\r\n"):
                length = next(line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:"))
                await reader.readexactly(int(length.partition(b":")[2]))
                await asyncio.sleep(answer_s)
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")

    server = await asyncio.start_server(serve, "127.0.0.1", 0, limit=1 << 20)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    main()
