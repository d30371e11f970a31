"""Many destinations of one source, through a real `tifo up`: isolation, fan-out, and how soon the first attempt comes.

    uv run python -m benchmarks.fanout [--seconds 20] [--only first|isolation|fanout]

`first`: one webhook, 200 events a second, from receipt to its answer. `isolation`: eight webhooks that are well, alone
and beside one that refuses connections and one that takes 20 s to answer: what the eight get and how soon, as ratios.
`fanout`: 2,000 events a second to 20 webhooks in batches, with the memory of the role that delivers.
"""

import argparse
import asyncio
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import aiohttp
import psutil

from benchmarks.deliveries import serving
from tifo.app import compose
from tifo.app.demo.local import LocalTifo
from tifo.app.settings import Settings
from tifo.operations import delivery, destinations, sources
from tifo.operations.delivery import ConnectionTotals

_SLOW_S = 20.0
_BATCH = 20
_DRAIN_S = 60.0


class Seen(NamedTuple):
    seconds: float
    """Until everything that was sent is delivered to those that are well."""
    rows: Sequence[ConnectionTotals]
    peak_mb: float


class Wanted(NamedTuple):
    events_a_second: int
    seconds: float
    well: int
    batch: bool = False
    dead: int = 0
    slow: int = 0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--only", choices=("first", "isolation", "fanout"))
    asked = parser.parse_args()
    if asked.only in {None, "first"}:
        seen = asyncio.run(_run(Wanted(200, asked.seconds, 1)))
        _told("first attempt, 200 events/s", seen)
    if asked.only in {None, "isolation"}:
        alone = asyncio.run(_run(Wanted(100, asked.seconds, 8)))
        _told("8 webhooks alone, 100 events/s each", alone)
        beside = asyncio.run(_run(Wanted(100, asked.seconds, 8, dead=1, slow=1)))
        _told("  beside a dead and a slow one", beside)
        print(f"{'  ratio of the time for all':<40}{alone.seconds / beside.seconds:>9.2f}")
        print(f"{'  ratio of p95':<40}{_latency(alone, 'p95') / _latency(beside, 'p95'):>9.2f}")
    if asked.only in {None, "fanout"}:
        seen = asyncio.run(_run(Wanted(2_000, asked.seconds, 20, batch=True)))
        _told("20 webhooks, 2,000 events/s each", seen)


def _told(what: str, seen: Seen) -> None:
    delivered = sum(row.delivered for row in _well(seen))
    p50, p95, p99 = (_latency(seen, name) for name in ("p50", "p95", "p99"))
    print(
        f"{what:<40}{delivered / seen.seconds:>9,.0f} deliveries/s   p50 {p50:,.0f}  p95 {p95:,.0f}  p99 {p99:,.0f} ms"
        f"   {seen.peak_mb:,.0f} MB"
    )


def _well(seen: Seen) -> list[ConnectionTotals]:
    return [row for row in seen.rows if row.name.startswith("well")]


def _latency(seen: Seen, name: str) -> float:
    """Of the worst of those that are well."""
    return max(row.latency_ms[name] or 0.0 for row in _well(seen))


async def _run(wanted: Wanted) -> Seen:
    async with serving(0.01) as quick, serving(_SLOW_S) as slow:
        with tempfile.TemporaryDirectory() as name:
            tifo = LocalTifo(Path(name) / "data", {"TIFO_EGRESS_ALLOW": "127.0.0.1"})
            settings = Settings(data=tifo.data)
            with compose.opened(settings) as backend:
                key = sources.create(backend, "bench", "http").write_key
                for kind, count, url in (
                    ("well", wanted.well, quick),
                    ("dead", wanted.dead, "http://127.0.0.1:9/"),
                    ("slow", wanted.slow, slow),
                ):
                    for number in range(count):
                        asked = {"url": url, "batch": wanted.batch, "timeout_s": 30}
                        destinations.add(backend, "webhook", "bench", asked, name=f"{kind}-{number}")
            with tifo.up("--flush-s", "5") as process:
                return await _measured(wanted, tifo, settings, key, process.pid)


async def _measured(wanted: Wanted, tifo: LocalTifo, settings: Settings, key: str, pid: int) -> Seen:
    role = next(
        child for child in psutil.Process(pid).children(recursive=True) if "deliverer" in " ".join(child.cmdline())
    )
    started = time.perf_counter()
    peak = 0.0
    events = int(wanted.events_a_second * wanted.seconds)
    async with aiohttp.ClientSession() as session:
        for first in range(0, events, _BATCH):
            batch = [_event(number) for number in range(first, first + _BATCH)]
            async with session.post(f"{tifo.address}/v1/batch", json={"batch": batch, "writeKey": key}) as answer:
                assert answer.status == 200
            peak = max(peak, role.memory_info().rss / 2**20)
            late = first / wanted.events_a_second - (time.perf_counter() - started)
            await asyncio.sleep(max(0.0, late))
    deadline = time.perf_counter() + _DRAIN_S
    with compose.opened(settings) as backend:
        while True:
            rows = await asyncio.to_thread(delivery.overview, backend)
            peak = max(peak, role.memory_info().rss / 2**20)
            if all(row.delivered == events for row in rows if row.name.startswith("well")):
                return Seen(time.perf_counter() - started, rows, peak)
            assert time.perf_counter() < deadline, rows
            await asyncio.sleep(0.05)


def _event(number: int) -> dict[str, Any]:
    return {"type": "track", "event": "Reward Item Rewarded", "userId": f"u{number % 997}", "properties": {"n": number}}


if __name__ == "__main__":
    main()
