"""Where fans stand on a leaderboard: as a plain sort of their balances says, after whatever happened."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.conftest import NewState
from tifo.engagement import commands as c
from tifo.engagement.access import Access, create_application
from tifo.engagement.leaderboards import Places, Standing, ranked
from tifo.engagement.memory import InMemoryAccess, InMemoryEngine, InMemoryLedgerAudit, InMemoryQueries, InMemoryState
from tifo.engagement.model import Leaderboard
from tifo.engagement.ports import LedgerAudit, Queries
from tifo.kernel.clock import system_clock
from tifo.kernel.errors import NotFound
from tifo.kernel.ids import ClientId, ProfileId, RewardItemId, uuid7
from tifo.store.engagement.access import SqlAccess
from tifo.store.engagement.audit import SqlLedgerAudit
from tifo.store.engagement.engine import SqlEngine
from tifo.store.engagement.queries import SqlQueries
from tifo.store.sql.database import Database, open_sqlite


class Club:
    """An application with one reward item and some fans."""

    def __init__(self, database: Database | None) -> None:
        """None: in memory."""
        self.database = database
        memory = InMemoryState()
        access: Access = InMemoryAccess(memory) if database is None else SqlAccess(database, system_clock, uuid7)
        self.engine = InMemoryEngine(memory) if database is None else SqlEngine(database, system_clock, uuid7)
        self.queries: Queries = InMemoryQueries(memory) if database is None else SqlQueries(database)
        self.audit: LedgerAudit = InMemoryLedgerAudit(memory) if database is None else SqlLedgerAudit(database)
        self.client_id: ClientId = create_application(access, "Club").application.id
        self.expected: dict[ProfileId, int] = {}
        self.fans: list[ProfileId] = []

    async def do(self, command: type[Any], **fields: Any) -> Any:
        return await self.engine.handle(command(client_id=self.client_id, **fields))

    async def begin(self, fans: int) -> None:
        self.item: RewardItemId = (await self.do(c.CreateRewardItem, name="Points")).id
        made = await asyncio.gather(*(self.do(c.CreateProfile) for _ in range(fans)))
        self.fans = [profile.id for profile in made]

    async def leaderboard(self, **fields: Any) -> Leaderboard:
        made: Leaderboard = await self.do(c.CreateLeaderboard, name="Best", reward_item_id=self.item, **fields)
        return made

    async def move(self, fan: ProfileId, amount: int) -> None:
        """Down to 0 at most."""
        amount = max(amount, -self.expected.get(fan, 0))
        if amount:
            kind = c.Credit if amount > 0 else c.Debit
            await self.do(kind, profile_id=fan, reward_item_id=self.item, reward_item_amount=abs(amount))
            self.expected[fan] = self.expected.get(fan, 0) + amount

    def all(self, board: Leaderboard, size: int) -> list[Standing]:
        found: list[Standing] = []
        for page in range(1, 1_000):
            rows = self.queries.standings(board, page=page, size=size)
            assert rows.count == self.queries.standings_of(board, []).total
            found += rows.results
            if page * size >= rows.count:
                return found
        raise AssertionError("the list does not end")

    def check(self, board: Leaderboard, size: int = 3) -> None:
        wanted = ranked(self.expected)
        assert self.all(board, size) == wanted
        assert list(self.queries.standings_of(board, self.fans).standings) == wanted
        assert self.audit.problems() == []


@pytest.fixture(params=["memory", "sqlite", "postgres"])
async def club(request: pytest.FixtureRequest, new_state: NewState) -> AsyncIterator[Club]:
    made = Club(None if request.param == "memory" else new_state(request.param))
    await made.begin(12)
    yield made
    await made.engine.close()


amounts = st.one_of(
    st.integers(-70, 70), st.sampled_from([1, -1, 63, 64, 4_095, 4_096, 2**30, -(2**30), 2**48, -(2**53)])
)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(moves=st.lists(st.tuples(st.integers(0, 11), amounts), max_size=40), begins=st.integers(0, 20))
def test_ranks_and_pages_are_those_of_a_plain_sort_after_any_moves(
    moves: list[tuple[int, int]], begins: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    async def play() -> None:
        database = open_sqlite(tmp_path_factory.mktemp("state") / "state.db")
        club = Club(database)
        await club.begin(12)
        board = None
        for number, (fan, amount) in enumerate(moves):
            if number == begins:
                board = await club.leaderboard()
            await club.move(club.fans[fan], amount)
        board = board or await club.leaderboard()
        club.check(board)
        await club.engine.close()
        database.dispose()

    asyncio.run(play())


async def test_equal_scores_share_a_rank_and_the_next_rank_leaves_out_as_many(club: Club) -> None:
    board = await club.leaderboard()
    for fan, amount in zip(club.fans, (5, 9, 5, 1), strict=False):
        await club.move(fan, amount)
    ranks = [each.rank for each in club.queries.standings(board).results]
    assert ranks == [1, 2, 2, 4]
    second_page = club.queries.standings(board, page=2, size=2).results
    assert [each.rank for each in second_page] == [2, 4]


@pytest.mark.concurrency
async def test_many_moves_at_once_are_all_counted(club: Club) -> None:
    board = await club.leaderboard()
    await asyncio.gather(
        *(club.move(fan, 1 + number) for number, fan in enumerate(club.fans)),
    )
    first, second = club.fans[:2]
    sent = {"profile_id": first, "recipient_profile_id": second, "reward_item_id": club.item, "reward_item_amount": 1}
    await club.do(c.Transfer, **sent)
    club.expected[first] -= 1
    club.expected[second] += 1
    club.check(board)


async def test_a_fan_who_spent_all_stays_on_the_leaderboard_and_one_who_never_had_any_is_not_on_it(club: Club) -> None:
    board = await club.leaderboard()
    await club.move(club.fans[0], 5)
    await club.move(club.fans[0], -5)
    assert club.queries.standings_of(board, club.fans) == Places([Standing(club.fans[0], 0, 1)], 1)


async def test_a_locked_leaderboard_shows_what_it_held_and_an_unlocked_one_what_is(club: Club) -> None:
    board, other = await club.leaderboard(), await club.leaderboard()
    for number, fan in enumerate(club.fans):
        await club.move(fan, number + 1)
    then = ranked(club.expected)
    locked = await club.do(c.UpdateLeaderboard, leaderboard_id=board.id, is_locked=True)
    await club.move(club.fans[0], 100)
    assert club.all(locked, 5) == then
    club.check(other)
    await club.do(c.Archive, kind="leaderboard", id=other.id)
    await club.move(club.fans[1], 50)
    assert club.all(locked, 5) == then
    club.check(await club.do(c.UpdateLeaderboard, leaderboard_id=board.id, is_locked=False))


async def test_a_deleted_leaderboard_leaves_nothing_behind(club: Club) -> None:
    board = await club.leaderboard()
    await club.move(club.fans[0], 5)
    await club.do(c.Archive, kind="leaderboard", id=board.id)
    assert club.queries.standings_of(board, []).total == 0
    with pytest.raises(NotFound, match="no leaderboard"):
        club.queries.client_of_leaderboard(board.id)
    with pytest.raises(NotFound, match="no leaderboard"):
        await club.do(c.Archive, kind="leaderboard", id=board.id)


async def test_the_audit_tells_scores_and_counts_that_are_wrong(club: Club) -> None:
    if club.database is None:
        pytest.skip("memory keeps no scores beside the balances")
    await club.leaderboard()
    await club.move(club.fans[0], 5)
    with club.database.writing() as connection:
        connection.exec_driver_sql("UPDATE scores SET score = 6")
    problems = club.audit.problems()
    assert [each.split(": ")[0] for each in problems] == [
        "1 scores on leaderboards differ from the balances",
        "2 counts of scores differ from the scores",
    ]
