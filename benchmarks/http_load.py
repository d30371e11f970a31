"""A load generator that costs little: raw HTTP/1.1 over kept-alive connections, requests prepared beforehand."""

import asyncio
import resource
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

import uvloop


@dataclass
class Result:
    requests: int = 0
    failures: int = 0
    seconds: float = 0.0
    latencies: list[float] = field(default_factory=list)

    @property
    def per_second(self) -> float:
        return self.requests / self.seconds

    def percentile_ms(self, share: float) -> float:
        ordered = sorted(self.latencies)
        return 1000 * ordered[min(len(ordered) - 1, int(share * len(ordered)))]


class _Connection(asyncio.Protocol):
    """Sends the next request as soon as the answer to the last one is complete."""

    def __init__(self, next_request: Callable[[], bytes | None], result: Result, ok: bytes) -> None:
        self.next_request = next_request
        self.result = result
        self.ok = ok
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.buffer = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)  # uvloop's is one but in name
        self._send()

    def _send(self) -> None:
        request = self.next_request()
        if request is None:
            self.transport.close()
            return
        self.sent = time.perf_counter()
        self.transport.write(request)

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        head, found, body = self.buffer.partition(b"\r\n\r\n")
        if not found:
            return
        length = int(head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0])
        if len(body) < length:
            return
        self.buffer = b""
        self.result.latencies.append(time.perf_counter() - self.sent)
        self.result.requests += 1
        self.result.failures += not head.startswith(self.ok)
        self._send()

    def connection_lost(self, _error: Exception | None) -> None:
        if not self.done.done():
            self.done.set_result(None)


def drive(
    port: int, make: Callable[[int], bytes], *, seconds: float, connections: int = 32, ok: bytes = b"HTTP/1.1 200"
) -> Result:
    """`make(n)` gives the n-th request. Runs for about so many seconds."""

    async def run() -> Result:
        result, number = Result(), 0
        started = time.perf_counter()

        def next_request() -> bytes | None:
            nonlocal number
            number += 1
            return make(number) if time.perf_counter() - started < seconds else None

        loop = asyncio.get_running_loop()
        made = [
            await loop.create_connection(lambda: _Connection(next_request, result, ok), "127.0.0.1", port)
            for _ in range(connections)
        ]
        await asyncio.gather(*(protocol.done for _, protocol in made))
        result.seconds = time.perf_counter() - started
        return result

    return uvloop.run(run())


def request(path: str, body: bytes, headers: str = "") -> bytes:
    head = (
        f"POST {path} HTTP/1.1\r\nHost: t\r\nContent-Type: application/json\r\n{headers}Content-Length: {len(body)}\r\n"
    )
    return head.encode() + b"\r\n" + body


def get(path: str, headers: str = "") -> bytes:
    return f"GET {path} HTTP/1.1\r\nHost: t\r\n{headers}\r\n".encode()


def peak_mb(pid: int) -> float:
    """Peak resident memory of a process, where the system tells; else of all finished children."""
    status = Path(f"/proc/{pid}/status")
    if status.exists():
        line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
        return int(line.split()[1]) / 1024
    return resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024


def report(what: str, rate: float, unit: str, *, result: Result | None = None, bare: float | None = None) -> None:
    parts = [f"{what:<34} {rate:>10,.0f} {unit}/s"]
    if result is not None:
        parts.append(f"p50 {result.percentile_ms(0.5):.1f} ms  p99 {result.percentile_ms(0.99):.1f} ms")
        if result.failures:
            parts.append(f"{result.failures} FAILED")
    if bare is not None:
        parts.append(f"{rate / bare:.0%} of the bare limit")
    print("   ".join(parts), flush=True)
