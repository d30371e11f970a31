"""The state on a full disk: commands are put off whole, what was answered stays, and play goes on without a restart."""

import sqlite3
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import event

from tifo.engagement.access import create_application
from tifo.engagement.ports import NewApplication, TransactionFilter
from tifo.kernel.clock import system_clock
from tifo.kernel.errors import Transient
from tifo.kernel.ids import FactId, ProfileId, uuid7
from tifo.livelike.app import livelike_app
from tifo.store.engagement.access import SqlAccess
from tifo.store.engagement.audit import SqlLedgerAudit
from tifo.store.engagement.engine import SqlEngine
from tifo.store.engagement.queries import SqlQueries
from tifo.store.source.facts import SqlFactFeed
from tifo.store.sql.database import Database, open_sqlite

FullDisk = Callable[[int], AbstractContextManager[None]]
Full = Callable[[], AbstractContextManager[None]]


class Club:
    """A club that pays 5 points a vote, over HTTP."""

    def __init__(self, database: Database, http: Any, made: NewApplication) -> None:
        self.database, self.http, self.made = database, http, made
        self.queries = SqlQueries(database)
        self.client_id = made.application.id

    async def post(self, path: str, body: Any, **headers: str) -> Any:
        headers = {"Authorization": f"Bearer {self.made.producer_token}", **headers}
        return await self.http.post(f"/api/v1/{path}", json={"client_id": self.client_id, **body}, headers=headers)

    async def set_up(self) -> None:
        self.points = (await self.post("reward-items/", {"name": "Points"})).json()["id"]
        await self.post("reward-actions/", {"name": "Vote", "key": "vote"})
        entry = {"reward_item_id": self.points, "reward_item_amount": 5, "action": "vote"}
        await self.post("reward-tables/", {"name": "Match", "entries": [entry]})
        fan = await self.post(f"profile-by-custom-id/{self.client_id}/fan-1/", {})
        self.fan = ProfileId(fan.json()["id"])

    async def vote(self, code: str) -> Any:
        program_id = self.made.application.default_program_id
        body = {"program_id": program_id, "profile_id": self.fan, "reward_action_key": "vote", "code": code}
        return await self.post("invoked-actions/", {**body, "attributes": [{"key": "why", "value": "x" * 2_000}]})

    def paid(self) -> tuple[int, int, int]:
        """Balance, ledger transactions and facts."""
        balances = self.queries.fan(self.client_id, self.fan).balances
        transactions = self.queries.transactions(self.client_id, TransactionFilter(profile_ids=(self.fan,))).count
        return sum(balances.values()), transactions, len(SqlFactFeed(self.database).pending(self.client_id, 10_000))


@pytest.fixture
async def club(tmp_path: Path) -> AsyncIterator[Club]:
    database = open_sqlite(tmp_path / "tifo.db")
    made = create_application(SqlAccess(database, system_clock, uuid7), "Club")
    engine = SqlEngine(database, system_clock, uuid7)
    app = livelike_app(engine, SqlQueries(database), public_url="https://x.example")
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://tifo") as http:  # type: ignore[arg-type]
        club = Club(database, http, made)
        await club.set_up()
        yield club
    assert SqlLedgerAudit(database).problems() == []
    await engine.close()
    database.dispose()


@pytest.fixture(params=["SQLite is told so", "the system refuses"])
def full(request: pytest.FixtureRequest, club: Club, tmp_path: Path, full_disk: FullDisk) -> Full:
    """A little more, and the disk is full."""
    if request.param == "the system refuses":
        sizes = [file.stat().st_size for file in tmp_path.glob("tifo.db*")]
        return lambda: full_disk(max(sizes) + 400_000)
    limit = [0]

    def tell(connection: sqlite3.Connection, *_: object) -> None:
        connection.execute(f"PRAGMA max_page_count = {limit[0]}")

    @contextmanager
    def told() -> Iterator[None]:
        with club.database.reading() as connection:
            limit[0] = int(connection.exec_driver_sql("PRAGMA page_count").scalar_one()) + 25
        event.listen(club.database.engine, "checkout", tell)
        try:
            yield
        finally:
            limit[0] = 2**30

    return told


async def test_a_full_disk_is_503_with_nothing_half_written_and_play_goes_on_when_there_is_space(
    club: Club, full: Full
) -> None:
    with full():
        accepted = 0
        while (answer := await club.vote(f"code-{accepted}")).status_code == 201:
            accepted += 1
            assert accepted < 1_000, "the disk was never full"
        assert accepted > 3
        for _ in range(3):
            answer = await club.vote(f"code-{accepted}")
            assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
            assert answer.json().keys() == {"detail"}
        assert club.paid() == (5 * accepted, accepted, accepted), "reading goes on meanwhile"
        balances = await club.http.get(
            f"/api/v1/profiles/{club.fan}/reward-item-balances/",
            headers={"Authorization": f"Bearer {club.made.producer_token}"},
        )
        assert balances.status_code == 200
    assert (await club.vote(f"code-{accepted}")).status_code == 201, "the code was not used up"
    assert (await club.vote(f"code-{accepted}")).status_code == 409
    assert club.paid() == (5 * accepted + 5, accepted + 1, accepted + 1)


async def test_a_definition_or_key_that_found_no_space_is_unknown_until_it_is_sent_again(
    club: Club, full: Full
) -> None:
    description, made = "x" * 4_000, Counter[int]()
    with full():
        for number in range(100):
            body = {"name": f"Badge {number}", "description": description}
            answer = await club.post("badges/", body, **{"Idempotency-Key": f"key-{number}"})
            made[answer.status_code] += 1
        assert made.keys() == {201, 503}
        assert len(club.queries.game(club.client_id).badges) == made[201]
    again = [
        await club.post(
            "badges/", {"name": f"Badge {number}", "description": description}, **{"Idempotency-Key": f"key-{number}"}
        )
        for number in range(100)
    ]
    assert {answer.status_code for answer in again} == {201}
    badges = club.queries.game(club.client_id).badges.values()
    assert sorted(badge.name for badge in badges) == sorted(f"Badge {number}" for number in range(100))


async def test_a_fact_stays_in_line_where_there_is_no_space_to_note_that_it_was_sent(
    club: Club, full_disk: FullDisk
) -> None:
    for number in range(3):
        await club.vote(f"code-{number}")
    feed = SqlFactFeed(club.database)
    ids = [FactId(fact.id) for fact in feed.pending(club.client_id, 10)]
    with full_disk(4_096):
        with pytest.raises(Transient):
            feed.advance(club.client_id, ids[:1], system_clock())
        with pytest.raises(Transient):
            feed.dead_letter(club.client_id, ids[0], 400, "no", system_clock())
        assert [fact.id for fact in feed.pending(club.client_id, 10)] == ids
        assert feed.waiting() == {club.client_id}
        assert feed.dead_letters(club.client_id) == []
    feed.advance(club.client_id, ids[:2], system_clock())
    assert [fact.id for fact in feed.pending(club.client_id, 10)] == ids[2:]
