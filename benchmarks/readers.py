"""Readers beside the loader of a DuckDB warehouse: refused opens, how old their data is, and what publishing writes.

    uv run python -m benchmarks.readers [--megabytes 5 1000] [--seconds 20]

One event is loaded each quarter of a second. Meanwhile a program opens the warehouse again and again. `one file` reads
the file that is loaded and publishes nothing, as before decision 15; `a copy` reads the published one, while another
program holds a copy open all the time. At the end stand two ways to make the copy of the whole.
"""

import argparse
import contextlib
import itertools
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import duckdb

from tifo.kernel.errors import Transient
from tifo.kernel.ids import Position, Shard
from tifo.warehouses.drivers.copying import copy_file
from tifo.warehouses.drivers.duckdb import DuckdbWarehouse
from tifo.warehouses.drivers.published import PublishedFile
from tifo.warehouses.messages import convert
from tifo.warehouses.ports import Load

_LOAD_EVERY_S, _OPEN_EVERY_S = 0.25, 0.05
_FILL = "INSERT INTO filler SELECT uuid()::text, uuid()::text, random(), i FROM range(500000) t(i)"
SHARD = Shard("bench")
_AT = "2026-11-24T10:00:00.000Z"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--megabytes", type=int, nargs="+", default=[5, 1_000])
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--load", help=argparse.SUPPRESS)
    parser.add_argument("--unpublished", action="store_true", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.load:
        if asked.unpublished:
            PublishedFile.publish_if_due = lambda *_, **__: None  # type: ignore[method-assign]
        _load_until(Path(asked.load), asked.seconds)
        return
    for megabytes in asked.megabytes:
        with tempfile.TemporaryDirectory() as name:
            path = Path(name) / "warehouse.duckdb"
            working = _filled(path, megabytes)
            print(f"\n{working.stat().st_size / 1e6:,.0f} MB")
            _measured("one file", path, working, asked.seconds)
            with duckdb.connect(str(path), read_only=True):
                _measured("a copy", path, path, asked.seconds)
            _copies(working, Path(name))


def _filled(path: Path, megabytes: int) -> Path:
    warehouse = DuckdbWarehouse(path)
    warehouse.load([_event(0)])
    working = path.with_name("warehouse.loading") / path.name
    with duckdb.connect(working) as connection:
        connection.execute("CREATE TABLE filler (id text, other text, value double, n bigint)")
        while working.stat().st_size < megabytes * 1_000_000:
            connection.execute(_FILL if megabytes > 50 else _FILL.replace("500000", "20000"))
            connection.execute("CHECKPOINT")
    DuckdbWarehouse(path).publish()
    return working


def _event(number: int) -> Load:
    body = {"type": "track", "messageId": f"m{time.time_ns()}", "userId": "fan", "event": "Goal", "context": {}}
    times = {"timestamp": _AT, "originalTimestamp": _AT, "receivedAt": _AT}
    line = json.dumps({**body, **times, "properties": {"sent": time.time()}}).encode() + b"\n"
    return Load("one", "one", Position(number), Position(number + 1), convert(line).tables, shard=SHARD)


def _load_until(path: Path, seconds: float) -> None:
    """Loads as the role does, in a process of its own, and prints what that took."""
    warehouse = DuckdbWarehouse(path)
    end_s = time.monotonic() + seconds
    loads = failed = 0
    written = _written_bytes()
    while time.monotonic() < end_s:
        try:
            warehouse.load([_event(warehouse.committed_positions(SHARD)["one"].position)])
            loads += 1
        except Transient:
            failed += 1
        pause_s = time.monotonic() + _LOAD_EVERY_S
        while time.monotonic() < pause_s:
            warehouse.publish()
            time.sleep(0.05)
    print(json.dumps({"loads": loads, "failed": failed, "written": _written_bytes() - written}))


def _written_bytes() -> int:
    """Returns what this process had the kernel write, where Linux counts it."""
    with contextlib.suppress(OSError):
        lines = Path("/proc/self/io").read_text().splitlines()
        return int(next(line for line in lines if line.startswith("write_bytes")).split()[1])
    return 0


def _measured(name: str, path: Path, read: Path, seconds: float) -> None:
    command = [sys.executable, "-m", "benchmarks.readers", "--load", str(path), "--seconds", str(seconds)]
    if read != path:
        command.append("--unpublished")
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as loader:
        opens, refused, ages = _read_until(loader, read)
        output, _ = loader.communicate()
    told = json.loads(output)
    p50, p99 = (sorted(ages)[int(len(ages) * share)] if ages else float("nan") for share in (0.5, 0.99))
    print(
        f"{name:<10} opens {opens}, refused {refused}; age of the newest event p50 {p50:.2f} s, p99 {p99:.2f} s;"
        f" loads {told['loads']}, failed {told['failed']}; written {told['written'] / 1e6 / seconds:,.1f} MB/s"
    )


def _read_until(loader: "subprocess.Popen[str]", path: Path) -> tuple[int, int, Sequence[float]]:
    refused = 0
    ages = []
    for opens in itertools.count(1):
        try:
            # Another process each time, as users' programs are: DuckDB shares one opened file within a process.
            done = subprocess.run([sys.executable, "-c", _READ, str(path)], check=False, capture_output=True, text=True)
            if done.returncode:
                refused += 1
            else:
                ages.append(time.time() - float(done.stdout))
        finally:
            time.sleep(_OPEN_EVERY_S)
        if loader.poll() is not None:
            return opens, refused, ages[10:]
    raise AssertionError


_READ = """
import duckdb, sys
connection = duckdb.connect(sys.argv[1], read_only=True)
print(connection.execute("SELECT max(sent) FROM one.goal").fetchone()[0])
"""


def _copies(working: Path, folder: Path) -> None:
    with _timed("copy of the file"):
        shared = copy_file(working, folder / "copied.duckdb")
    print(f"  its blocks are shared: {shared}")
    with _timed("COPY FROM DATABASE"), duckdb.connect() as connection:
        connection.execute(f"ATTACH '{working}' AS loaded (READ_ONLY)")
        connection.execute(f"ATTACH '{folder / 'rewritten.duckdb'}' AS rewritten")
        connection.execute("COPY FROM DATABASE loaded TO rewritten")


@contextlib.contextmanager
def _timed(name: str) -> Iterator[None]:
    started = time.perf_counter()
    yield
    print(f"{name:<20} {time.perf_counter() - started:.2f} s")


if __name__ == "__main__":
    main()
