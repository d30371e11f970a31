"""Audits the state on SQL: proves that balances, ledger and facts agree with one another."""

from collections.abc import Iterator, Mapping, Sequence

from sqlalchemy import text

from tifo.kernel.ids import ClientId, FactId
from tifo.store.engagement.scores import BITS, LEVELS
from tifo.store.sql.database import Database


def _counted(level: int) -> str:
    return f"""
        SELECT board_id || ' {level} ' || prefix FROM (
            SELECT board_id, score >> {BITS * level} AS prefix, 1 AS held, 0 AS counted FROM scores
            UNION ALL SELECT board_id, prefix, 0, count FROM score_counts WHERE level = {level}
        ) AS both_sides_{level} GROUP BY board_id, prefix HAVING sum(held) <> sum(counted)"""


_CHECKS = {
    "balances differ from the sum of their transactions": """
        SELECT profile_id || ' ' || reward_item_id FROM (
            SELECT profile_id, reward_item_id, balance, 0 AS moved FROM balances
            UNION ALL SELECT profile_id, reward_item_id, 0, amount FROM transactions
        ) AS both_sides GROUP BY profile_id, reward_item_id HAVING sum(balance) <> sum(moved)""",
    "balances are negative": "SELECT profile_id || ' ' || reward_item_id FROM balances WHERE balance < 0",
    "transactions do not continue from the one before": """
        SELECT id FROM (
            SELECT id, amount, balance, coalesce(lag(balance) OVER
                (PARTITION BY profile_id, reward_item_id ORDER BY position), 0) AS before FROM transactions
        ) AS steps WHERE balance <> before + amount""",
    "rewards in the ledger have not exactly one event": """
        SELECT id FROM (
            SELECT id, 1 AS paid, 0 AS recorded FROM transactions WHERE kind IN ('reward_table', 'quest')
            UNION ALL SELECT {body} ->> 'reward_item_transaction_id', 0, 1 FROM facts
                WHERE kind IN ('reward_item_rewarded', 'quest_reward_awarded')
        ) AS both_sides GROUP BY id HAVING sum(paid) <> 1 OR sum(recorded) <> 1""",
    "earned badges have not exactly one event": """
        SELECT id FROM (
            SELECT id, 1 AS earned, 0 AS recorded FROM earned_badges
            UNION ALL SELECT {body} ->> 'earned_badge_id', 0, 1 FROM facts WHERE kind = 'badge_rewarded'
        ) AS both_sides GROUP BY id HAVING sum(earned) <> 1 OR sum(recorded) <> 1""",
    "completed user quests have not exactly one event": """
        SELECT id FROM (
            SELECT id, 1 AS done, 0 AS recorded FROM user_quests WHERE completed_at IS NOT NULL
            UNION ALL SELECT {body} ->> 'user_quest_id', 0, 1 FROM facts WHERE kind = 'user_quest_completed'
        ) AS both_sides GROUP BY id HAVING sum(done) <> 1 OR sum(recorded) <> 1""",
    "scores on leaderboards differ from the balances": """
        SELECT board_id || ' ' || profile_id FROM (
            SELECT id AS board_id, profile_id, balance, 0 AS score FROM boards
                JOIN balances USING (reward_item_id) WHERE id = reward_item_id
            UNION ALL SELECT board_id, profile_id, 0, score FROM boards
                JOIN scores ON board_id = id WHERE id = reward_item_id
        ) AS both_sides GROUP BY board_id, profile_id HAVING sum(balance) <> sum(score) OR count(*) <> 2""",
    "counts of scores differ from the scores": " UNION ALL ".join(_counted(level) for level in range(LEVELS)),
}
_SHOWN = 5
_AT_ONCE = 5_000


_FACTS = text("SELECT client_id, count(*) FROM facts GROUP BY client_id")
_FACT_IDS = text(
    "SELECT position, id FROM facts WHERE client_id = :client AND position > :after ORDER BY position LIMIT :limit"
)


class SqlLedgerAudit:
    """Implements `engagement.ports.LedgerAudit`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def problems(self) -> Sequence[str]:
        problems = []
        with self._database.reading() as connection:
            # PostgreSQL's `->>` needs a type that SQLite does not know.
            body = "body" if connection.dialect.name == "sqlite" else "CAST(body AS json)"
            for what, query in _CHECKS.items():
                ids: Sequence[str] = connection.execute(text(query.replace("{body}", body))).scalars().all()
                if ids:
                    problems.append(f"{len(ids)} {what}: {', '.join(map(str, ids[:_SHOWN]))}")
        return problems

    def facts_by_application(self) -> Mapping[ClientId, int]:
        with self._database.reading() as connection:
            return {ClientId(client_id): count for client_id, count in connection.execute(_FACTS).all()}

    def fact_ids(self, client_id: ClientId) -> Iterator[Sequence[FactId]]:
        after = 0
        while True:
            asked = {"client": client_id, "after": after, "limit": _AT_ONCE}
            # A transaction for each page, so that the audit of a large ledger holds no reader open.
            with self._database.reading() as connection:
                rows = connection.execute(_FACT_IDS, asked).all()
            if not rows:
                return
            yield [FactId(row.id) for row in rows]
            after = rows[-1].position
