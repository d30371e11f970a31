from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from tifo.app.notify import OutsideNotifier
from tifo.operations.notifying import notice_of
from tifo.workspace.alerts import Alert, AlertKind, AlertState

NOW = datetime(2026, 11, 24, 10, tzinfo=UTC)


class Listener:
    """A webhook that keeps what it gets."""

    def __init__(self) -> None:
        self.got: list[Any] = []
        self.status = 200
        self.url = ""

    async def answer(self, request: web.Request) -> web.Response:
        self.got.append(await request.json())
        return web.Response(status=self.status, text="no")


@pytest.fixture
async def listener() -> AsyncIterator[Listener]:
    listener = Listener()
    app = web.Application()
    app.router.add_post("/alerts", listener.answer)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    host, port = runner.addresses[0][:2]
    listener.url = f"http://{host}:{port}/alerts"
    yield listener
    await runner.cleanup()


async def notify(url: str, email: str = "", smtp_url: str = "") -> str:
    alert = Alert(
        id="a1",
        name="CRM",
        kind=AlertKind.DELIVERY_RATE,
        target="d1",
        threshold=95.0,
        window_s=3_600.0,
        quiet_s=3_600.0,
        url=url,
        email=email,
    )
    state = AlertState(pending="firing", value=50.0, reason="5 failed")
    async with aiohttp.ClientSession() as session:
        notifier = OutsideNotifier(session, lambda: NOW, smtp_url=smtp_url, smtp_from="")
        return await notifier.notify(alert, notice_of(alert, state, NOW))


async def test_a_webhook_gets_the_notice_as_json(listener: Listener) -> None:
    assert await notify(listener.url) == ""
    assert listener.got == [
        {
            "alert": "CRM",
            "kind": "delivery-rate",
            "state": "firing",
            "target": "d1",
            "value": 50.0,
            "threshold": 95.0,
            "reason": "5 failed",
            "at": "2026-11-24T10:00:00.000Z",
        }
    ]


async def test_a_webhook_that_refuses_is_a_problem(listener: Listener) -> None:
    listener.status = 500
    assert await notify(listener.url) == f"{listener.url} answered 500 no"


@pytest.mark.parametrize(
    ("smtp_url", "reason"), [("", "smtp_url"), ("smtp://127.0.0.1:1", "refused"), ("smtps://127.0.0.1:1", "refused")]
)
async def test_mail_that_does_not_go_out_stops_no_webhook(listener: Listener, smtp_url: str, reason: str) -> None:
    problem = await notify(listener.url, "ops@example.com", smtp_url)
    assert problem.startswith("No mail to ops@example.com: ")
    assert reason in problem
    assert len(listener.got) == 1
