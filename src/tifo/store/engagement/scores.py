"""Ranks any number of fans: stores scores in order, and a tree that counts them.

A rank is one more than the number of greater scores. Counting them row by row takes time in proportion to their
number, so the tree stores counts: at level 0 for each score, at level 1 for each range of 64 scores, and so on up to
the greatest possible balance. The greater scores are then a few ranges of siblings, one at each level, however many
fans there are. Descending the tree finds the score at a place. All is written in the transaction that moves the
balances.
"""

import secrets
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import (
    BigInteger,
    Connection,
    Integer,
    and_,
    bindparam,
    cast,
    func,
    literal,
    literal_column,
    select,
    union_all,
)

from tifo.engagement.leaderboards import Places, Standing
from tifo.engagement.model import Definition, Fan, Game, Leaderboard, is_live
from tifo.engagement.ports import Decision, Page
from tifo.kernel.errors import NotFound
from tifo.kernel.ids import ClientId, LeaderboardId, ProfileId, RewardItemId
from tifo.store.engagement import rows as r
from tifo.store.sql.bulk import Bulk, Lookup, Row, upsert_rows
from tifo.store.sql.database import Database
from tifo.store.sql.tables import engagement as t

_OWN_SHARD = secrets.randbelow(16)
"""This process's shard of the counts. Processes that write seldom have the same, so they seldom wait for one another's
rows. SQLite has one writer at a time and needs one shard.
"""
BITS = 6
LEVELS = 9
"""The tree's levels: 64⁹ = 2⁵⁴ is more than the greatest balance."""
_DIGIT = (1 << BITS) - 1
_FIRST_SHARD = 0
_NODE = ("board_id", "level", "prefix", "shard")


def open_boards(connection: Connection, game: Game, defined: Iterable[Definition]) -> None:
    """Opens and closes boards if leaderboards were defined.

    Call it before balances are written: a board that opens is filled from the earlier ones.
    """
    if any(isinstance(each, Leaderboard) for each in defined):
        _open_and_close(connection, game)


def write_scores(
    connection: Connection, game: Game, decisions: Iterable[Decision], before: Mapping[ProfileId, Fan]
) -> None:
    if not game.ranked_items:
        return
    moved = {
        (each.reward_item_id, each.profile_id): each.balance
        for decision in decisions
        for each in decision.transactions
        if each.reward_item_id in game.ranked_items
    }
    if moved:
        rows = [{"board_id": i, "profile_id": p, "score": balance} for (i, p), balance in sorted(moved.items())]
        upsert_rows(connection, t.scores, rows)
        _count(connection, moved, before)


def _count(
    connection: Connection, moved: Mapping[tuple[RewardItemId, ProfileId], int], before: Mapping[ProfileId, Fan]
) -> None:
    changes: Counter[tuple[str, int, int]] = Counter()
    for (item_id, profile_id), balance in moved.items():
        fan = before.get(profile_id)
        old = None if fan is None else fan.balances.get(item_id)
        for level in range(LEVELS):
            gained = balance >> BITS * level
            lost = None if old is None else old >> BITS * level
            # All levels above have the same prefix too: a small change touches few counts.
            if gained == lost:
                break
            changes[item_id, level, gained] += 1
            if lost is not None:
                changes[item_id, level, lost] -= 1
    shard = _OWN_SHARD if connection.dialect.name == "postgresql" else 0
    # In one order, so that two writers that touch the same rows wait for one another instead of deadlocking.
    counts: list[Row] = [
        {"board_id": board, "level": level, "prefix": prefix, "shard": shard, "count": change}
        for (board, level, prefix), change in sorted(changes.items())
        if change
    ]
    upsert_rows(connection, t.score_counts, counts, adding=["count"])
    # Only a count that was lowered can have become zero; without this, scores that nobody has any more would pile up.
    _DROP_EMPTY.run(connection, [row for row in counts if row["count"] < 0])


def _open_and_close(connection: Connection, game: Game) -> None:
    """Brings the boards to what the game's leaderboards need. Opening one copies all balances of its item."""
    wanted: dict[str, RewardItemId] = {item: item for item in game.ranked_items}
    wanted |= {each.id: each.reward_item_id for each in game.leaderboards.values() if each.is_locked}
    client_id = game.application.id
    there = set(connection.execute(select(t.boards.c.id).where(t.boards.c.client_id == client_id)).scalars())
    for board_id in sorted(there - set(wanted)):
        for table, column in ((t.boards, t.boards.c.id), (t.scores, t.scores.c.board_id), _COUNTS_OF):
            connection.execute(table.delete().where(column == board_id))
    for board_id in sorted(set(wanted) - there):
        connection.execute(
            t.boards.insert(), {"id": board_id, "client_id": client_id, "reward_item_id": wanted[board_id]}
        )
        _fill(connection, board_id, wanted[board_id])


def _fill(connection: Connection, board_id: str, item_id: RewardItemId) -> None:
    balances, scores, counts = t.balances.c, t.scores.c, t.score_counts.c
    held = select(literal(board_id), balances.profile_id, balances.balance).where(balances.reward_item_id == item_id)
    connection.execute(t.scores.insert().from_select(["board_id", "profile_id", "score"], held))
    columns = [*_NODE, "count"]
    each = (
        select(literal(board_id), literal(0), scores.score, literal(_FIRST_SHARD), func.count())
        .where(scores.board_id == board_id)
        .group_by(scores.score)
    )
    connection.execute(t.score_counts.insert().from_select(columns, each))
    for level in range(1, LEVELS):
        # PostgreSQL shifts a BIGINT by an INTEGER only.
        prefix = counts.prefix.bitwise_rshift(literal_column(str(BITS), Integer))
        # PostgreSQL's sum of BIGINT is NUMERIC.
        total = cast(func.sum(counts.count), BigInteger)
        above = select(literal(board_id), literal(level), prefix, literal(_FIRST_SHARD), total)
        below = and_(counts.board_id == board_id, counts.level == level - 1)
        connection.execute(t.score_counts.insert().from_select(columns, above.where(below).group_by(prefix)))


_COUNTS_OF = (t.score_counts, t.score_counts.c.board_id)
_DROP_EMPTY = Bulk(
    lambda *_: t.score_counts.delete().where(
        *(t.score_counts.c[name] == bindparam(name) for name in _NODE), t.score_counts.c.count == literal_column("0")
    )
)


def _greater() -> Any:
    """Counts the scores greater than `score`: at each level, the siblings to the right."""
    c = t.score_counts.c
    parts = [
        select(c.count).where(
            c.board_id == bindparam("board_id"),
            c.level == level,
            c.prefix > bindparam(f"after_{level}", type_=BigInteger),
            c.prefix <= bindparam(f"upto_{level}", type_=BigInteger),
        )
        for level in range(LEVELS)
    ]
    counted = union_all(*parts).subquery()
    return select(cast(func.coalesce(func.sum(counted.c.count), 0), BigInteger))


_GREATER = _greater()
_CHILDREN = (
    select(t.score_counts.c.prefix, cast(func.sum(t.score_counts.c.count), BigInteger))
    .where(
        t.score_counts.c.board_id == bindparam("board_id"),
        t.score_counts.c.level == bindparam("level"),
        t.score_counts.c.prefix.between(bindparam("first"), bindparam("last")),
    )
    .group_by(t.score_counts.c.prefix)
    .order_by(t.score_counts.c.prefix.desc())
)
_COUNT = select(cast(func.coalesce(func.sum(t.score_counts.c.count), 0), BigInteger)).where(
    t.score_counts.c.board_id == bindparam("board_id"), t.score_counts.c.level == LEVELS - 1
)
_SCORES = Lookup(
    lambda given: select(t.scores.c.profile_id, t.scores.c.score).where(
        t.scores.c.board_id == bindparam("board_id"), given.among(t.scores.c.profile_id)
    )
)
_IN_ORDER = (
    select(t.scores.c.profile_id, t.scores.c.score)
    .where(t.scores.c.board_id == bindparam("board_id"), t.scores.c.score <= bindparam("score"))
    .order_by(t.scores.c.score.desc(), t.scores.c.profile_id)
    .limit(bindparam("size"))
    .offset(bindparam("skipped"))
)
_OWNER = select(t.definitions.c.client_id, t.definitions.c.body).where(t.definitions.c.id == bindparam("id"))


class SqlStandings:
    """Implements `engagement.ports.Standings`."""

    _database: Database

    def client_of_leaderboard(self, leaderboard_id: LeaderboardId) -> ClientId:
        with self._database.reading() as connection:
            row = connection.execute(_OWNER, {"id": leaderboard_id}).first()
        found = None if row is None else r.decode_definition(row.body)
        if row is None or not isinstance(found, Leaderboard) or not is_live(found):
            raise NotFound(f"There is no leaderboard {leaderboard_id!r:.100}.", field="leaderboard_id")
        return ClientId(row.client_id)

    def standings(self, leaderboard: Leaderboard, *, page: int = 1, size: int = 20) -> Page[Standing]:
        board_id, offset = _board_of(leaderboard), (page - 1) * size
        with self._database.reading() as connection:
            count: int = connection.execute(_COUNT, {"board_id": board_id}).scalar_one()
            if offset >= count:
                return Page(count=count, results=[], number=page, size=size)
            score, skipped = _score_at(connection, board_id, offset)
            asked = {"board_id": board_id, "score": score, "skipped": skipped, "size": size}
            rows = connection.execute(_IN_ORDER, asked).all()
        found: list[Standing] = []
        for place, row in enumerate(rows, start=offset + 1):
            shared = found[-1].rank if found and found[-1].score == row.score else None
            # The page may begin among equal scores: they share the rank of the first of them.
            first = offset - skipped + 1 if not found else place
            found.append(Standing(ProfileId(row.profile_id), row.score, shared or first))
        return Page(count=count, results=found, number=page, size=size)

    def standings_of(self, leaderboard: Leaderboard, profile_ids: Sequence[ProfileId]) -> Places:
        board_id = _board_of(leaderboard)
        with self._database.reading() as connection:
            rows = _SCORES.rows(connection, board_id=board_id, ids=set(profile_ids))
            greater = {score: _greater_than(connection, board_id, score) for score in {row.score for row in rows}}
            count: int = connection.execute(_COUNT, {"board_id": board_id}).scalar_one()
        found = [Standing(ProfileId(row.profile_id), row.score, greater[row.score] + 1) for row in rows]
        return Places(sorted(found, key=lambda each: (each.rank, each.profile_id)), count)


def _board_of(leaderboard: Leaderboard) -> str:
    return leaderboard.id if leaderboard.is_locked else leaderboard.reward_item_id


def _greater_than(connection: Connection, board_id: str, score: int) -> int:
    ranges: dict[str, Any] = {"board_id": board_id}
    for level in range(LEVELS):
        prefix = score >> BITS * level
        ranges |= {f"after_{level}": prefix, f"upto_{level}": prefix | _DIGIT}
    count: int = connection.execute(_GREATER, ranges).scalar_one()
    return count


def _score_at(connection: Connection, board_id: str, offset: int) -> tuple[int, int]:
    """Returns the score at a place (from 0), and how many fans with the same score come before it."""
    parent = 0
    for level in reversed(range(LEVELS)):
        first = parent << BITS
        children = {"board_id": board_id, "level": level, "first": first, "last": first | _DIGIT}
        for prefix, count in connection.execute(_CHILDREN, children):
            if offset < count:
                parent = prefix
                break
            offset -= count
        else:
            raise NotFound("Invalid page.")
    return parent, offset
