"""The client against a server of plain sockets, which says what no well-behaved one would."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime

import pytest

from tifo.egress.answers import HttpAnswer
from tifo.egress.http import Fetched, HttpRequest, fetch, open_guarded_session, open_session, send
from tifo.egress.rules import read_allowed
from tifo.kernel.errors import Transient

NOW = datetime(2026, 11, 24, 10, tzinfo=UTC)
Talk = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


def says(text: str) -> Talk:
    async def talk(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(text.replace("\n", "\r\n").encode())
        await writer.drain()

    return talk


async def hangs(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
    await reader.read()  # until the other end goes away


async def hangs_after_its_status(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf")
    await reader.read()


@asynccontextmanager
async def serving(talk: Talk) -> AsyncIterator[str]:
    talks: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        talks.add(asyncio.current_task())  # type: ignore[arg-type]
        try:
            await reader.readuntil(b"\r\n\r\n")
            await talk(reader, writer)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()
            with contextlib.suppress(ConnectionError):
                await writer.wait_closed()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/hook"
        async with asyncio.timeout(5):
            await asyncio.gather(*talks)


async def sent(talk: Talk, *, timeout_s: float = 5.0, answer_bytes: int = 4_096) -> HttpAnswer:
    async with serving(talk) as url, open_session() as session:
        request = HttpRequest(url=url, body=b"{}", headers={}, timeout_s=timeout_s, answer_bytes=answer_bytes)
        return await send(session, request, lambda: NOW)


async def fetched(talk: Talk, *, timeout_s: float = 5.0, limit_bytes: int = 100) -> Fetched:
    async with serving(talk) as url, open_session() as session:
        return await fetch(session, url, {}, timeout_s=timeout_s, limit_bytes=limit_bytes)


async def test_an_answer_has_its_status_its_words_and_how_long_to_wait() -> None:
    answer = await sent(says("HTTP/1.1 503 Later\nRetry-After: 7\nContent-Length: 4\n\nbusy"))
    assert answer == HttpAnswer(503, "busy", 7.0, reason="Later")
    assert str(answer) == "503: busy"
    assert not answer.is_success


async def test_no_more_of_the_body_is_read_than_was_asked_for() -> None:
    answer = await sent(says("HTTP/1.1 200 OK\nContent-Length: 8\n\nabcdefgh"), answer_bytes=3)
    assert (answer.status, answer.text, answer.failure) == (200, "abc", "")


async def test_a_redirect_is_not_followed_and_its_address_is_known() -> None:
    answer = await sent(says("HTTP/1.1 307 Elsewhere\nLocation: http://10.0.0.1/\nContent-Length: 0\n\n"))
    assert (answer.status, answer.location) == (307, "http://10.0.0.1/")


async def test_silence_is_an_answer_without_a_status() -> None:
    answer = await sent(hangs, timeout_s=0.1)
    assert answer == HttpAnswer(0, "No answer within 0.1 s.", failure="ETIMEDOUT")
    assert str(answer) == "No answer within 0.1 s."


@pytest.mark.parametrize(
    ("talk", "failure"),
    [
        (hangs_after_its_status, "ETIMEDOUT"),
        (says("HTTP/1.1 200 OK\nContent-Length: 10\n\nhalf"), "ECONNRESET"),
    ],
)
async def test_a_body_that_does_not_end_leaves_the_status_and_says_what_broke_it(talk: Talk, failure: str) -> None:
    answer = await sent(talk, timeout_s=0.3)
    assert (answer.status, answer.text[:7], answer.failure) == (200, "half […", failure)


async def test_a_guarded_session_reaches_no_private_address() -> None:
    async with serving(says("HTTP/1.1 200 OK\n\n")) as url, open_guarded_session(read_allowed("")) as session:
        answer = await send(session, HttpRequest(url=url, body=b"", headers={}), lambda: NOW)
        assert (answer.status, answer.failure) == (0, "EACCES")
        with pytest.raises(Transient, match="TIFO_EGRESS_ALLOW"):
            await fetch(session, url, {}, timeout_s=5.0, limit_bytes=10)


async def test_a_name_that_cannot_be_encoded_is_a_failure_like_any_other() -> None:
    async with open_session() as session:
        answer = await send(session, HttpRequest(url=f"http://{'a' * 70}.example/", body=b"", headers={}), lambda: NOW)
    assert answer.status == 0
    assert answer.failure


async def test_a_document_is_fetched_whole_with_its_status() -> None:
    assert await fetched(says("HTTP/1.1 404 No\nContent-Length: 4\n\nnone")) == Fetched(404, b"none")


async def test_a_redirect_to_a_private_address_is_judged_like_the_first_address() -> None:
    async with serving(says("HTTP/1.1 200 OK\nContent-Length: 6\n\nsecret")) as inner:
        redirect = says(
            f"HTTP/1.1 302 Found\nLocation: {inner.replace('127.0.0.1', '127.0.0.2')}\nContent-Length: 0\n\n"
        )
        async with serving(redirect) as url, open_guarded_session(read_allowed("127.0.0.1")) as session:
            with pytest.raises(Transient, match=r"127\.0\.0\.2 is no public address"):
                await fetch(session, url, {}, timeout_s=5.0, limit_bytes=100)


@pytest.mark.parametrize(
    ("talk", "words"),
    [
        (hangs, "No answer within"),
        (says("HTTP/1.1 200 OK\nContent-Length: 10\n\nhalf"), "ClientPayloadError"),
        (says(f"HTTP/1.1 200 OK\nContent-Length: 101\n\n{'x' * 101}"), "more than 100 bytes"),
    ],
)
async def test_a_document_that_does_not_come_whole_does_not_come_at_all(talk: Talk, words: str) -> None:
    with pytest.raises(Transient, match=words):
        await fetched(talk, timeout_s=0.3)
