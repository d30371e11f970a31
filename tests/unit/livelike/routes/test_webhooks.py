"""Webhook subscribers as a resource, on the real outbox."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tifo.engagement.access import create_application
from tifo.kernel.clock import system_clock
from tifo.kernel.ids import uuid7
from tifo.livelike.app import livelike_app
from tifo.source.webhooks.outgoing import ALL_EVENTS
from tifo.store.engagement.access import SqlAccess
from tifo.store.engagement.engine import SqlEngine
from tifo.store.engagement.queries import SqlQueries
from tifo.store.source.webhooks_out import SqlWebhookOutbox
from tifo.store.sql.database import open_sqlite


class Club:
    def __init__(self, http: httpx.AsyncClient, token: str, others: str, client_id: str) -> None:
        self.http, self.token, self.others, self.client_id = http, token, others, client_id

    async def call(self, method: str, path: str, body: Any = None, token: str | None = None) -> httpx.Response:
        headers = {"Authorization": f"Bearer {token or self.token}"}
        return await self.http.request(method, f"/api/v1/{path}", json=body, headers=headers)


@pytest.fixture
async def club(tmp_path: Path) -> AsyncIterator[Club]:
    database = open_sqlite(tmp_path / "tifo.db")
    made, other = (create_application(SqlAccess(database, system_clock, uuid7), name) for name in ("Club", "Other"))
    engine = SqlEngine(database, system_clock, uuid7)
    outbox = SqlWebhookOutbox(database, system_clock, uuid7)
    app = livelike_app(engine, SqlQueries(database), public_url="https://x.example", outbox=outbox)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://tifo") as http:  # type: ignore[arg-type]
        yield Club(http, made.producer_token, other.producer_token, made.application.id)
    await engine.close()
    database.dispose()


async def test_a_producer_makes_reads_lists_and_deletes_a_subscriber(club: Club) -> None:
    answer = await club.call("POST", "webhooks/", {"target_url": "https://example.com/hook", "secret": "s" * 16})
    assert answer.status_code == 201, answer.text
    made = answer.json()
    assert made["events"] == list(ALL_EVENTS)
    assert made["url"] == f"https://x.example/api/v1/webhooks/{made['id']}/"
    assert "s" * 16 not in answer.text
    [listed] = (await club.call("GET", f"webhooks/?client_id={club.client_id}")).json()["results"]
    assert listed == made
    shown = (await club.call("GET", f"webhooks/{made['id']}/")).json()
    assert shown["deliveries"]["delivered"] == shown["deliveries"]["waiting"] == 0
    assert (await club.call("GET", f"webhooks/{made['id']}/attempts/")).json()["results"] == []
    assert (await club.call("DELETE", f"webhooks/{made['id']}/")).status_code == 204
    assert (await club.call("GET", f"webhooks/{made['id']}/")).status_code == 404


async def test_a_webhook_is_its_own_applications_business(club: Club) -> None:
    made = (await club.call("POST", "webhooks/", {"target_url": "https://example.com/hook"})).json()
    for method, path in (("GET", ""), ("DELETE", ""), ("GET", "attempts/")):
        answer = await club.call(method, f"webhooks/{made['id']}/{path}", token=club.others)
        assert answer.status_code == 404, (method, path)
    assert (await club.call("GET", "webhooks/", token=club.others)).json()["results"] == []
    assert (await club.call("GET", f"webhooks/?client_id={club.client_id}", token=club.others)).status_code == 403
    fan = (await club.http.post(f"/api/v1/applications/{club.client_id}/profile/")).json()
    assert (await club.call("GET", "webhooks/", token=fan["access_token"])).status_code == 403


@pytest.mark.parametrize(
    ("body", "named"),
    [
        ({"target_url": "ftp://x"}, "target_url"),
        ({"target_url": "https://u:p@x"}, "target_url"),
        ({}, "target_url"),
        ({"target_url": "https://x.example", "events": ["comment-created"]}, "comment-created"),
        ({"target_url": "https://x.example", "secret": "short"}, "secret"),
    ],
)
async def test_bad_input_is_refused_by_name(club: Club, body: dict[str, Any], named: str) -> None:
    answer = await club.call("POST", "webhooks/", body)
    assert answer.status_code == 400
    assert named in answer.text
