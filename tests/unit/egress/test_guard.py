"""A real server on the loopback address, and one that redirects to it."""

import socket
from collections.abc import AsyncIterator
from dataclasses import dataclass

import aiohttp
import pytest
from aiohttp import web
from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.test_utils import TestServer

from tifo.egress.guard import guarded_connector
from tifo.egress.rules import read_allowed


@dataclass
class Inner:
    """The metadata service, so to speak: nothing that is configured may reach it."""

    port: int = 0
    asked: int = 0

    async def answer(self, _: web.Request) -> web.Response:
        self.asked += 1
        return web.Response(text="secret")


@pytest.fixture
async def inner() -> AsyncIterator[Inner]:
    made = Inner()
    app = web.Application()
    app.router.add_route("*", "/{rest:.*}", made.answer)
    server = TestServer(app)
    await server.start_server()
    made.port = server.port or 0
    yield made
    await server.close()


async def ask(url: str, allowed: str, resolver: AbstractResolver | None = None) -> str:
    connector = guarded_connector(read_allowed(allowed))
    if resolver is not None:
        connector._resolver = resolver
    async with aiohttp.ClientSession(connector=connector) as session, session.get(url) as response:
        return await response.text()


async def test_a_literal_loopback_address_is_refused_before_anything_is_sent(inner: Inner) -> None:
    with pytest.raises(aiohttp.ClientConnectorError, match=r"TIFO_EGRESS_ALLOW=127\.0\.0\.1"):
        await ask(f"http://127.0.0.1:{inner.port}/", "")
    assert inner.asked == 0


async def test_an_allowed_network_is_reached(inner: Inner) -> None:
    assert await ask(f"http://127.0.0.1:{inner.port}/", "127.0.0.0/8") == "secret"


class _Rebinding(AbstractResolver):
    """A name that resolves to whatever is asked for."""

    def __init__(self, address: str) -> None:
        self.address = address

    async def resolve(
        self,
        host: str,
        port: int = 0,
        family: socket.AddressFamily = socket.AF_UNSPEC,  # noqa: ARG002 (the base class gives it)
    ) -> list[ResolveResult]:
        return [ResolveResult(hostname=host, host=self.address, port=port, family=socket.AF_INET, proto=6, flags=0)]

    async def close(self) -> None:
        return


async def test_a_name_is_judged_by_what_it_resolves_to(inner: Inner) -> None:
    url = f"http://innocent.example:{inner.port}/"
    with pytest.raises(aiohttp.ClientConnectorError, match="no public address"):
        await ask(url, "", _Rebinding("127.0.0.1"))
    assert await ask(url, "127.0.0.1", _Rebinding("127.0.0.1")) == "secret"


async def test_a_redirect_is_judged_again(inner: Inner) -> None:
    async def away(_: web.Request) -> web.Response:
        raise web.HTTPFound(f"http://127.0.0.2:{inner.port}/latest/meta-data")

    app = web.Application()
    app.router.add_get("/", away)
    server = TestServer(app)
    await server.start_server()
    try:
        with pytest.raises(aiohttp.ClientConnectorError, match=r"127\.0\.0\.2 is no public address"):
            await ask(f"http://127.0.0.1:{server.port}/", "127.0.0.1")
    finally:
        await server.close()
    assert inner.asked == 0
