"""Runs the demo from start to verdict. Everything goes through the command line and HTTP, as for a stranger."""

import asyncio
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from tifo.app.cli.output import talk
from tifo.app.demo.local import LocalTifo
from tifo.app.demo.play import PLAYING_AT_ONCE, play, set_up
from tifo.app.demo.script import FanScript, expected_leaders, expected_rows, write_script

SOURCE = "LiveLike_Demo"
LEADERS = 5
_ARRIVES_WITHIN_S = 30.0

_LEADERBOARD = """
    select livelike_profile_id, sum(reward_item_amount)::bigint as points
    from (select livelike_profile_id, reward_item_name, reward_item_amount from {schema}.reward_item_rewarded
          union all
          select livelike_profile_id, reward_item_name, reward_item_amount from {schema}.quest_reward_awarded)
    where reward_item_name = 'Points'
    group by 1 order by points desc, 1 limit {places}
"""
_LATENCY = """
    with arrived as (
        select epoch_ms(finished_at) - epoch_ms("timestamp") as ms
        from {schema}.tracks join _tifo.loads on uuid_ts = started_at and schema_name = '{schema}'
    )
    select count(*)::bigint as n, quantile_cont(ms, 0.5) / 1000 as median_s, quantile_cont(ms, 0.99) / 1000 as p99_s
    from arrived
"""


@dataclass(frozen=True)
class DemoOutcome:
    """Holds what the demo measured. `differences` is empty when everything equals the script."""

    expected: Mapping[str, int]
    rows: Mapping[str, int]
    leaders: list[dict[str, Any]]
    audit: Mapping[str, Any]
    events: int
    events_per_s: float
    median_s: float
    p99_s: float
    seconds: float
    differences: list[str]


def run_demo(*, fans: int, seed: int) -> DemoOutcome:
    """Plays the match on a fresh Tifo, whose folder is deleted afterwards."""
    began = time.monotonic()
    script = write_script(fans, seed)
    with tempfile.TemporaryDirectory(prefix="tifo-demo-") as folder, _progress() as progress:
        tifo = LocalTifo(Path(folder) / "data")
        with tifo.up():
            app = tifo.command("app", "create", "Demo")
            source = tifo.command("source", "create", SOURCE, "--type", "livelike")
            tifo.command("app", "connect", app["client_id"], "--write-key", source["write_key"])
            played_s = _play(tifo, app, script, progress)
            expected = expected_rows(script)
            rows, arrived_s = _wait_for_rows(tifo, source["schema"], expected, progress)
            leaders = tifo.query(_LEADERBOARD.format(schema=source["schema"], places=LEADERS))
            latency = tifo.query(_LATENCY.format(schema=source["schema"]))[0]
            audit = tifo.audit()
    return DemoOutcome(
        expected=expected,
        rows=rows,
        leaders=leaders,
        audit=audit,
        events=sum(rows.values()),
        events_per_s=sum(rows.values()) / (played_s + arrived_s),
        median_s=latency["median_s"],
        p99_s=latency["p99_s"],
        seconds=time.monotonic() - began,
        differences=_differences(script, expected, rows, leaders, audit),
    )


def _differences(
    script: list[FanScript],
    expected: Mapping[str, int],
    rows: Mapping[str, int],
    leaders: list[dict[str, Any]],
    audit: Mapping[str, Any],
) -> list[str]:
    found = [
        f"{table}: {rows.get(table, 0)} rows, expected {count}"
        for table, count in expected.items()
        if rows.get(table, 0) != count
    ]
    best = [leader["points"] for leader in leaders]
    if best != expected_leaders(script, LEADERS):
        found.append(f"leaderboard: {best}, expected {expected_leaders(script, LEADERS)}")
    if not audit["ok"]:
        found.append(f"audit: {audit['problems']}")
    if audit["rows"] != sum(expected.values()):
        found.append(f"audit counts {audit['rows']} rows, expected {sum(expected.values())}")
    return found


def _progress() -> Progress:
    return Progress(
        TextColumn("{task.description:<24}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=talk,
    )


def _play(tifo: LocalTifo, app: Mapping[str, str], script: list[FanScript], progress: Progress) -> float:
    bar = progress.add_task("Fans that have played", total=len(script))

    async def match() -> None:
        connector = aiohttp.TCPConnector(limit=PLAYING_AT_ONCE)
        async with aiohttp.ClientSession(connector=connector) as session:
            game = await set_up(session, f"{tifo.address}/api/v1/", app)
            await play(game, script, lambda: progress.advance(bar))

    began = time.monotonic()
    asyncio.run(match())
    return time.monotonic() - began


def _wait_for_rows(
    tifo: LocalTifo, schema: str, expected: Mapping[str, int], progress: Progress
) -> tuple[dict[str, int], float]:
    """Waits until the six tables hold as many rows as expected, or time is up. Returns the rows by table."""
    bar = progress.add_task("Rows in the warehouse", total=sum(expected.values()))
    began = time.monotonic()
    while True:
        rows = tifo.rows(schema, list(expected))
        progress.update(bar, completed=sum(rows.values()))
        waited = time.monotonic() - began
        if sum(rows.values()) >= sum(expected.values()) or waited > _ARRIVES_WITHIN_S:
            return rows, waited
        time.sleep(0.2)
