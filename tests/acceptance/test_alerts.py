"""Alerts of a real `tifo up`: told by webhook and by mail, once, and called off."""

import asyncio
import json
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from tests.commands import command
from tifo.app.demo.local import LocalTifo
from tifo.app.settings import Settings
from tifo.kernel.errors import Rejected

WITHIN_S = 60.0
Call = Callable[..., Any]


class Listener:
    """A webhook that is told, and a destination whose answer a test sets."""

    def __init__(self) -> None:
        self.told: list[dict[str, Any]] = []
        self.status = 200
        listener = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                if self.path == "/alert":
                    listener.told.append(body)
                self.send_response(200 if self.path == "/alert" else listener.status)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                """Nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


class Post:
    """A mail server: enough of SMTP for one client."""

    def __init__(self) -> None:
        self.mails: list[str] = []
        self.port = 0
        self._ready = threading.Event()
        threading.Thread(target=lambda: asyncio.run(self._serve()), daemon=True).start()
        assert self._ready.wait(10)

    async def _serve(self) -> None:
        server = await asyncio.start_server(self._talk, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        self._ready.set()
        await server.serve_forever()

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 post\r\n")
        while line := await reader.readline():
            verb = line.strip().upper()
            if verb == b"DATA":
                writer.write(b"354 go on\r\n")
                self.mails.append((await reader.readuntil(b"\r\n.\r\n")).decode())
            writer.write(b"221 bye\r\n" if verb == b"QUIT" else b"250 ok\r\n")
            if verb == b"QUIT":
                break
        writer.close()


@pytest.fixture
def listener() -> Iterator[Listener]:
    listener = Listener()
    yield listener
    listener.close()


def until(told: Callable[[], Any], wanted: Any) -> None:
    deadline = time.monotonic() + WITHIN_S
    while (found := told()) != wanted:
        assert time.monotonic() < deadline, (found, wanted)
        time.sleep(0.1)


def test_a_dead_destination_is_told_once_and_called_off(tmp_path: Path, call: Call, listener: Listener) -> None:
    post = Post()
    variables = {
        "TIFO_EGRESS_ALLOW": "127.0.0.0/8",
        "TIFO_ALERT_LOOK_S": "0.3",
        "TIFO_SMTP_URL": f"smtp://127.0.0.1:{post.port}",
        "TIFO_SMTP_FROM": "tifo@example.com",
    }
    tifo = LocalTifo(tmp_path / "data", variables)
    settings = Settings(data=tifo.data, smtp_url=variables["TIFO_SMTP_URL"])
    key = command(settings, "source", "create", "shop", "--type", "http")["write_key"]
    crm_at = ["--set", f"url={listener.url}/crm"]
    command(settings, "destination", "add", "webhook", "--source", "shop", "--name", "crm", *crm_at)
    asked = ["--kind", "delivery-rate", "--of", "crm", "--threshold", "95", "--window", "1h"]
    tifo.command("alert", "add", "CRM", *asked, "--url", f"{listener.url}/alert", "--email", "ops@example.com")
    late = ["--kind", "warehouse", "--of", "duckdb", "--threshold", "3600"]
    tifo.command("alert", "add", "Loads", *late, "--url", f"{listener.url}/alert")
    assert tifo.command("alert", "test", "CRM")["told"].endswith("ops@example.com")
    assert listener.told.pop()["state"] == "test"
    assert "Subject: Tifo: CRM is test" in post.mails.pop()
    with tifo.up():
        listener.status = 503

        def send(*ids: str) -> None:
            batch = [{"type": "track", "event": "Seen", "userId": "ada", "messageId": each} for each in ids]
            assert call("POST", f"{tifo.address}/v1/batch", {"batch": batch}, write_key=key).status == 200

        send(*(f"m{number}" for number in range(20)))
        until(lambda: [each["state"] for each in listener.told], ["firing"])
        assert listener.told[0]["alert"] == "CRM"
        assert "wait" in listener.told[0]["reason"]
        until(lambda: len(post.mails), 1)
        (crm, loads) = tifo.command("alert", "list")
        assert (crm["state"], loads["state"]) == ("firing", "ok")
        listener.status = 200
        until(lambda: [each["state"] for each in listener.told], ["firing", "resolved"])
        until(lambda: len(post.mails), 2)
    assert "To: ops@example.com" in post.mails[0]
    assert "state: firing" in post.mails[0]


def test_what_cannot_be_watched_is_refused(tmp_path: Path) -> None:
    settings = Settings(data=tmp_path / "data")
    command(settings, "source", "create", "shop", "--type", "http")

    def add(name: str, kind: str, of: str, *more: str) -> Any:
        asked = ["--threshold", "50", "--window", "1h", "--quiet", "1h", "--url", "https://a", *more]
        return command(settings, "alert", "add", name, "--kind", kind, "--of", of, *asked)

    with pytest.raises(Rejected, match="Known are delivery-rate, volume, warehouse"):
        add("A", "mood", "shop")
    with pytest.raises(Rejected, match="smtp_url"):
        add("A", "volume", "shop", "--email", "a@b")
    assert add("A", "volume", "shop")["kind"] == "volume"
    with pytest.raises(Rejected, match="Known are duckdb"):
        add("B", "warehouse", "snowflake")
