"""From the answer 200 to a row that can be queried: events at a steady rate into a real `tifo up`.

    uv run python -m benchmarks.lag [--rate 5000] [--seconds 20]

Batches of 100 are posted at their times by one client. The warehouse is asked again and again for the newest row,
as a dashboard would: what it shows has arrived.
"""

import argparse
import asyncio
import base64
import json
import tempfile
import time
from bisect import bisect_right
from collections.abc import Sequence
from pathlib import Path

import aiohttp

from tifo.app import compose
from tifo.app.demo.local import LocalTifo
from tifo.app.settings import load_settings
from tifo.kernel.errors import Rejected, Transient
from tifo.warehouses.ports import Warehouse
from tifo.workspace.warehouses import BUILT_IN

BATCH = 100
_LOOK_S = 0.05
_PATIENCE_S = 20.0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rate", type=int, default=5_000)
    parser.add_argument("--seconds", type=float, default=20)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        tifo = LocalTifo(Path(name) / "data")
        key = tifo.command("source", "create", "Bench", "--type", "http")["write_key"]
        with tifo.up():
            acknowledged, seen = asyncio.run(_run(tifo, key, asked.rate, asked.seconds))
    lags = sorted(_lags(acknowledged, seen))
    told = " ".join(f"p{share} {lags[int(len(lags) * share / 100)]:.2f} s" for share in (50, 95, 99))
    sent_s = acknowledged[-1] - acknowledged[0]
    print(f"{len(acknowledged) * BATCH / sent_s:,.0f} events/s for {sent_s:.0f} s; 200 → queryable row: {told}")


async def _run(tifo: LocalTifo, key: str, rate: int, seconds: float) -> tuple[list[float], list[tuple[float, int]]]:
    """When each batch was acknowledged; and when the warehouse showed how many batches."""
    total = int(rate * seconds / BATCH)
    acknowledged: list[float] = []
    warehouse = compose.OpenedBackend(load_settings({"data": tifo.data})).open_warehouse(BUILT_IN)
    watching = asyncio.create_task(asyncio.to_thread(_watch, warehouse, total))
    headers = {"Authorization": f"Basic {base64.b64encode(f'{key}:'.encode()).decode()}"}
    began = time.monotonic()
    async with aiohttp.ClientSession(headers=headers) as session:
        for number in range(total):
            await asyncio.sleep(max(0.0, began + number * BATCH / rate - time.monotonic()))
            async with session.post(f"{tifo.address}/v1/batch", data=_batch(number)) as answer:
                assert answer.status == 200
            acknowledged.append(time.monotonic())
    return acknowledged, await watching


def _watch(warehouse: Warehouse, total: int) -> list[tuple[float, int]]:
    seen: list[tuple[float, int]] = []
    deadline = time.monotonic() + _PATIENCE_S
    while not seen or seen[-1][1] < total:
        try:
            (row,) = warehouse.query("SELECT max(batch) + 1 AS batches FROM bench.tick")
            seen.append((time.monotonic(), int(str(row["batches"]))))
            deadline = time.monotonic() + _PATIENCE_S
        except (Rejected, Transient):  # it is not made yet, or being loaded
            assert time.monotonic() < deadline, "nothing arrives"
        time.sleep(_LOOK_S)
    return seen


def _lags(acknowledged: Sequence[float], seen: Sequence[tuple[float, int]]) -> list[float]:
    shown = [batches for _, batches in seen]
    return [max(0.0, seen[bisect_right(shown, number)][0] - at) for number, at in enumerate(acknowledged)]


def _batch(number: int) -> bytes:
    events = [
        {"type": "track", "event": "Tick", "userId": f"fan-{place}", "properties": {"batch": number, "place": place}}
        for place in range(BATCH)
    ]
    return json.dumps({"batch": events}).encode()


if __name__ == "__main__":
    main()
