"""The webhook kind against a real server that does what servers do to those who call them."""

import asyncio
import hashlib
import hmac
import ssl
import subprocess
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tifo.destinations.kinds.webhook import Webhook
from tifo.destinations.ports import Configured, Destination, Event, Fate, Outcome, Tools
from tifo.egress.guard import guarded_connector
from tifo.egress.rules import Egress, read_allowed
from tifo.kernel.clock import system_clock
from tifo.kernel.errors import Rejected
from tifo.kernel.ids import Position

Talk = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
EVENTS = [
    Event(Position(n), f"m{n}", "track", "Seen", "ada", 0.0, f'{{"messageId":"m{n}","name":"Zoë"}}'.encode())
    for n in range(3)
]


class Server:
    """Speaks as `talk` says; keeps what it was sent."""

    def __init__(self, talk: Talk) -> None:
        self.talk = talk
        self.requests: list[tuple[dict[str, str], bytes]] = []
        self.url = ""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            lines = [line.partition(": ") for line in head.split("\r\n")[1:] if line]
            headers = {name.lower(): value for name, _, value in lines}
            body = await reader.readexactly(int(headers.get("content-length", "0")))
            self.requests.append((headers, body))
            await self.talk(reader, writer)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()


def says(text: str) -> Talk:
    async def talk(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(text.replace("\n", "\r\n").encode())
        await writer.drain()

    return talk


@asynccontextmanager
async def serving(talk: Talk, context: ssl.SSLContext | None = None) -> AsyncIterator[Server]:
    server = Server(talk)
    listening = await asyncio.start_server(server.serve, "127.0.0.1", 0, ssl=context)
    scheme = "https" if context else "http"
    server.url = f"{scheme}://127.0.0.1:{listening.sockets[0].getsockname()[1]}/hook"
    async with listening:
        yield server


@asynccontextmanager
async def webhook(allowed: str = "127.0.0.0/8", **settings: Any) -> AsyncIterator[Destination]:
    kind = Webhook()
    egress = read_allowed(allowed) if allowed else Egress()
    async with aiohttp.ClientSession(connector=guarded_connector(egress)) as session:
        tools = Tools(session, egress, system_clock, Path())
        yield await kind.open(Configured("id", "hook", kind.check(settings)), tools)


async def outcome(talk: Talk, **settings: Any) -> Outcome:
    async with serving(talk) as server, webhook(url=server.url, **settings) as hook:
        (told,) = await hook.send(EVENTS[:1])
    return told


OK = "HTTP/1.1 200 OK\nContent-Length: 2\n\nok"


async def test_an_event_is_sent_as_it_came_and_signed_over_its_bytes() -> None:
    async with (
        serving(says(OK)) as server,
        webhook(url=server.url, shared_secret="hush", headers={"X-Token": "abc"}) as hook,
    ):
        (told,) = await hook.send(EVENTS[:1])
    ((headers, body),) = server.requests
    assert told.fate is Fate.DELIVERED
    assert body == EVENTS[0].body
    assert headers["x-signature"] == hmac.new(b"hush", body, hashlib.sha1).hexdigest()
    assert (headers["content-type"], headers["x-token"]) == ("application/json", "abc")
    assert told.exchange
    assert "messageId" in told.exchange.request
    assert "abc" not in told.exchange.request
    assert headers["x-signature"] not in told.exchange.request


async def test_a_batch_is_one_array_whose_first_event_is_signed_as_segment_does() -> None:
    async with (
        serving(says(OK)) as server,
        webhook(url=server.url, shared_secret="hush", batch="true", batch_size="3") as hook,
    ):
        assert hook.batching.max_events == 3
        told = await hook.send(EVENTS)
    ((headers, body),) = server.requests
    assert [each.fate for each in told] == [Fate.DELIVERED] * 3
    assert body == b"[" + b",".join(event.body for event in EVENTS) + b"]"
    assert headers["x-signature"] == hmac.new(b"hush", EVENTS[0].body, hashlib.sha1).hexdigest()
    assert headers["x-tifo-signature"] == hmac.new(b"hush", body, hashlib.sha256).hexdigest()


async def test_one_address_that_takes_it_suffices() -> None:
    async with serving(says(OK)) as good, serving(says("HTTP/1.1 500 Oh\nContent-Length: 0\n\n")) as bad:
        async with webhook(url=[bad.url, good.url]) as hook:
            assert (await hook.send(EVENTS[:1]))[0].fate is Fate.DELIVERED
        async with webhook(url=[bad.url, bad.url]) as hook:
            assert (await hook.send(EVENTS[:1]))[0].fate is Fate.RETRY


@pytest.mark.parametrize(
    ("status", "fate"),
    [
        ("200 OK", Fate.DELIVERED),
        ("204 No Content", Fate.DELIVERED),
        ("400 Bad", Fate.FAILED),
        ("401 No", Fate.FAILED),
        ("404 Where", Fate.FAILED),
        ("408 Slow", Fate.RETRY),
        ("410 Gone", Fate.FAILED),
        ("429 Many", Fate.RETRY),
        ("500 Oh", Fate.RETRY),
        ("503 Busy", Fate.RETRY),
    ],
)
async def test_a_status_decides_what_is_final(status: str, fate: Fate) -> None:
    told = await outcome(says(f"HTTP/1.1 {status}\nContent-Length: 0\n\n"))
    assert told.fate is fate
    assert told.code == ("" if fate is Fate.DELIVERED else status[:3])


async def test_what_the_destination_asks_to_wait_is_told() -> None:
    told = await outcome(says("HTTP/1.1 429 Many\nRetry-After: 17\nContent-Length: 0\n\n"))
    assert (told.fate, told.code, told.retry_after_s) == (Fate.RETRY, "429", 17.0)


async def test_a_redirect_is_not_followed_and_says_where_to() -> None:
    told = await outcome(says("HTTP/1.1 302 Found\nLocation: http://10.0.0.1/inside\nContent-Length: 0\n\n"))
    assert (told.fate, told.code) == (Fate.FAILED, "302")
    assert "http://10.0.0.1/inside" in told.detail


async def hangs(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
    await reader.read()  # until the other end goes away


async def trickles(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
    for _number in range(200):
        writer.write(b"x")
        await writer.drain()
        await asyncio.sleep(0.02)


async def resets(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.transport.abort()


@pytest.mark.parametrize(
    ("talk", "code"),
    [
        (hangs, "ETIMEDOUT"),
        (trickles, "ETIMEDOUT"),
        (resets, "ECONNRESET"),
        (says("this is no HTTP\n\n"), "EPROTO"),
        (says("HTTP/1.1 200 OK\nContent-"), "ECONNRESET"),
    ],
)
async def test_what_breaks_on_the_way_is_tried_again_under_its_code(talk: Talk, code: str) -> None:
    told = await outcome(talk, timeout_s=0.4)
    assert (told.fate, told.code) == (Fate.RETRY, code)
    assert told.exchange


async def test_an_answer_that_breaks_off_after_its_status_has_its_status() -> None:
    told = await outcome(says("HTTP/1.1 200 OK\nContent-Length: 100\n\nhalf"))
    assert told.fate is Fate.DELIVERED


async def test_a_server_that_is_not_there_is_told() -> None:
    async with serving(says(OK)) as server:
        url = server.url
    async with webhook(url=url) as hook:
        (told,) = await hook.send(EVENTS[:1])
    assert (told.fate, told.code) == (Fate.RETRY, "ECONNREFUSED")


async def test_a_name_that_is_none_is_told() -> None:
    async with webhook(url="http://no-such-host.invalid/") as hook:
        (told,) = await hook.send(EVENTS[:1])
    assert told.fate is Fate.RETRY
    assert told.code in {"ENOTFOUND", "EAI_AGAIN"}


async def test_a_private_address_is_not_reached_and_the_remedy_is_named() -> None:
    async with serving(says(OK)) as server, webhook(allowed="", url=server.url) as hook:
        (told,) = await hook.send(EVENTS[:1])
    assert (told.fate, told.code, server.requests) == (Fate.RETRY, "EACCES", [])
    assert "egress_allow" in told.detail


@pytest.fixture
def own_certificate(tmp_path: Path) -> ssl.SSLContext:
    key, certificate = tmp_path / "key.pem", tmp_path / "cert.pem"
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", "-subj", "/CN=127.0.0.1"]
    subprocess.run([*command, "-keyout", key, "-out", certificate], check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    return context


async def test_a_certificate_that_nobody_vouches_for_is_refused(own_certificate: ssl.SSLContext) -> None:
    async with serving(says(OK), own_certificate) as server, webhook(url=server.url) as hook:
        (told,) = await hook.send(EVENTS[:1])
    assert (told.fate, told.code) == (Fate.RETRY, "EPROTO")


@pytest.mark.parametrize(
    ("settings", "field"),
    [
        ({"url": "ftp://x"}, "url"),
        ({"url": ",".join(["http://x"] * 6)}, "url"),
        ({"url": "http://x", "headers": {"Host": "y"}}, "headers"),
        ({"url": "http://x", "headers": {"A b": "y"}}, "headers"),
        ({"url": "http://x", "headers": {"A": "y\r\nB: z"}}, "headers"),
        ({"url": "http://x", "batch_size": 4_001}, "batch_size"),
        ({"url": "http://x", "timeout_s": 0}, "timeout_s"),
    ],
)
def test_unusable_settings_are_refused_by_name(settings: dict[str, Any], field: str) -> None:
    with pytest.raises(Rejected) as refused:
        Webhook().check(settings)
    assert refused.value.field == field
