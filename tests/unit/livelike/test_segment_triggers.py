"""Actions that tracked events trigger, as a resource."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tifo.engagement.access import create_application
from tifo.kernel.clock import system_clock
from tifo.kernel.ids import uuid7
from tifo.livelike.app import livelike_app
from tifo.store.engagement.access import SqlAccess
from tifo.store.engagement.engine import SqlEngine
from tifo.store.engagement.queries import SqlQueries
from tifo.store.sql.database import open_sqlite
from tifo.store.workspace.catalog import SqlCatalog
from tifo.workspace.model import SourceType


class Club:
    def __init__(self, http: httpx.AsyncClient, catalog: SqlCatalog, token: str) -> None:
        self.http, self.token = http, token
        self.video = catalog.create_source("Video", SourceType.HTTP)

    async def post(self, **body: Any) -> httpx.Response:
        sent = {"name": "Watch", "key": "watch", "type": "segment", **body}
        headers = {"Authorization": f"Bearer {self.token}"}
        return await self.http.post("/api/v1/reward-actions/", json=sent, headers=headers)


@pytest.fixture
async def club(tmp_path: Path) -> AsyncIterator[Club]:
    database = open_sqlite(tmp_path / "tifo.db")
    made = create_application(SqlAccess(database, system_clock, uuid7), "Club")
    catalog = SqlCatalog(database, system_clock, uuid7)
    own = catalog.create_source("Own", SourceType.LIVELIKE)
    catalog.connect(made.application.id, own.write_key, None)
    engine = SqlEngine(database, system_clock, uuid7)
    app = livelike_app(engine, SqlQueries(database), public_url="https://x.example", catalog=catalog)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://tifo") as http:  # type: ignore[arg-type]
        yield Club(http, catalog, made.producer_token)
    await engine.close()
    database.dispose()


async def test_a_segment_action_names_its_source_by_slug_or_id_and_is_shown_as_it_is_kept(club: Club) -> None:
    condition = {"property": "video.seconds", "operator": ">=", "value": 60}
    for key, name in (("a", "video"), ("b", club.video.id)):
        made = await club.post(key=key, segment={"source": name, "event": "Watched", "properties": [condition]})
        assert made.status_code == 201, made.text
        assert made.json()["type"] == "segment"
        assert made.json()["segment"] == {
            "source": club.video.id,
            "event": "Watched",
            "properties": [condition],
            "program_id": None,
            "create_profiles": False,
        }


@pytest.mark.parametrize(
    ("body", "status", "named"),
    [
        ({}, 400, "segment"),
        ({"type": "custom", "segment": {"source": "video", "event": "E"}}, 400, "segment"),
        ({"type": "other"}, 400, "type"),
        ({"segment": {"source": "own", "event": "E"}}, 400, "could trigger itself"),
        ({"segment": {"source": "nowhere", "event": "E"}}, 404, "nowhere"),
        ({"segment": {"source": "video"}}, 400, "event"),
        ({"segment": {"source": "video", "event": "E", "program_id": "none"}}, 404, "program"),
        ({"segment": {"source": "video", "event": "E", "properties": [{"property": "a", "operator": "~"}]}}, 400, "~"),
        ({"segment": {"source": "video", "event": "E", "properties": [{"property": "a", "operator": ">"}]}}, 400, ">"),
    ],
)
async def test_bad_input_is_refused_by_name(club: Club, body: dict[str, Any], status: int, named: str) -> None:
    answer = await club.post(**body)
    assert answer.status_code == status, answer.text
    assert named in answer.text


async def test_an_action_without_a_segment_is_shown_without_one(club: Club) -> None:
    made = await club.post(type="custom")
    assert made.json()["type"] == "custom"
    assert "segment" not in made.json()
