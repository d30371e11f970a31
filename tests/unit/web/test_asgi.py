import asyncio
import json
from collections.abc import MutableMapping
from typing import Any

import pytest

from tifo.kernel.errors import TooLarge
from tifo.web.asgi import ClientDisconnected, HttpResponse, header_of, raw_path, read_body, respond


class Client:
    """Sends these messages to an application, one at each `receive`."""

    def __init__(self, *messages: MutableMapping[str, Any]) -> None:
        self.messages = list(messages)

    async def receive(self) -> MutableMapping[str, Any]:
        await asyncio.sleep(0)
        return self.messages.pop(0)


def part(body: bytes, *, more: bool) -> MutableMapping[str, Any]:
    return {"type": "http.request", "body": body, "more_body": more}


async def test_a_body_in_several_parts_is_read_whole_and_in_order() -> None:
    client = Client(part(b"one", more=True), part(b"", more=True), part(b"two", more=False))
    assert await read_body(client.receive, 6) == b"onetwo"


async def test_a_request_without_a_body_has_an_empty_one() -> None:
    assert await read_body(Client({"type": "http.request"}).receive, 0) == b""


async def test_a_body_beyond_the_limit_is_refused_before_the_rest_of_it_is_read() -> None:
    client = Client(part(b"1234", more=True), part(b"5", more=True), part(b"6", more=False))
    with pytest.raises(TooLarge, match="larger than 4 bytes") as caught:
        await read_body(client.receive, 4)
    assert caught.value.code == "payload_too_large"
    assert client.messages == [part(b"6", more=False)]


async def test_a_body_of_exactly_the_limit_is_accepted() -> None:
    assert await read_body(Client(part(b"1234", more=False)).receive, 4) == b"1234"


async def test_a_client_that_goes_away_before_the_end_of_its_body_has_sent_none() -> None:
    client = Client(part(b"half", more=True), {"type": "http.disconnect"})
    with pytest.raises(ClientDisconnected) as caught:
        await read_body(client.receive, 100)
    assert caught.value.code == "client_disconnected"


async def test_an_answer_has_its_length_and_both_its_own_and_the_applications_headers() -> None:
    sent: list[MutableMapping[str, Any]] = []

    async def send(message: MutableMapping[str, Any]) -> None:
        await asyncio.sleep(0)
        sent.append(message)

    body = json.dumps({"name": "Zoë"}).encode()
    await respond(send, HttpResponse(429, body, [(b"retry-after", b"1")]), [(b"cache-control", b"no-store")])
    start, rest = sent
    assert (start["type"], start["status"]) == ("http.response.start", 429)
    assert dict(start["headers"]) == {
        b"content-type": b"application/json",
        b"content-length": str(len(body)).encode(),
        b"retry-after": b"1",
        b"cache-control": b"no-store",
    }
    assert rest == {"type": "http.response.body", "body": body}


@pytest.mark.parametrize(
    ("scope", "path"),
    [
        ({"path": "/a/b", "raw_path": b"/a%2Fb"}, "/a%2Fb"),
        ({"path": "/a/b", "raw_path": b"/a%2Fb?q=1"}, "/a%2Fb"),
        ({"path": "/a/b", "raw_path": None}, "/a/b"),
        ({"path": "/a/b"}, "/a/b"),
    ],
)
def test_a_path_keeps_its_encoded_slashes_where_the_server_knows_them(scope: dict[str, Any], path: str) -> None:
    assert raw_path(scope) == path


def test_a_header_is_found_by_its_name_and_missing_ones_are_none() -> None:
    scope = {"headers": [(b"host", b"example.com"), (b"x-other", b"1")]}
    assert header_of(scope, b"host") == "example.com"
    assert header_of(scope, b"origin") is None
