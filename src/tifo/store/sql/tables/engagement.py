"""Declares engagement's tables: definitions, fans, ledger, facts, tokens, images. A fan's rows carry the profile id."""

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    Index,
    Integer,
    LargeBinary,
    String,
    Table,
    Text,
    UniqueConstraint,
)

from tifo.store.sql.tables.metadata import METADATA, POSITION

applications = Table(
    "applications",
    METADATA,
    Column("id", String, primary_key=True),
    Column("body", Text, nullable=False),
    Column("client_secret", String, nullable=False),
    Column("definitions_version", Integer, nullable=False),
)

definitions = Table(
    "definitions",
    METADATA,
    Column("position", POSITION, primary_key=True, autoincrement=True),
    Column("id", String, nullable=False, unique=True),
    Column("client_id", String, nullable=False, index=True),
    Column("body", Text, nullable=False),
)

tokens = Table(
    "tokens",
    METADATA,
    Column("digest", LargeBinary, primary_key=True),
    Column("client_id", String, index=True),  # None: the organisation's own
    Column("id", String, nullable=False, unique=True),
    Column("name", String, nullable=False),
    Column("created_at", BigInteger, nullable=False),
)

images = Table(
    "images",
    METADATA,
    Column("digest", String, primary_key=True),
    Column("media_type", String, nullable=False),
    Column("content", LargeBinary, nullable=False),
)

profiles = Table(
    "profiles",
    METADATA,
    Column("id", String, primary_key=True),
    Column("client_id", String, nullable=False),
    Column("custom_id", String),
    Column("nickname", String, nullable=False),
    Column("custom_data", Text),
    Column("attributes", Text, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("version", BigInteger, nullable=False, server_default="0"),
    # NULLs differ from one another: any number of fans have no custom id.
    UniqueConstraint("client_id", "custom_id"),
)
"""`version` rises with each commit that changes anything of the fan. So an engine knows whether a fan that it remembers
is up to date.
"""

balances = Table(
    "balances",
    METADATA,
    Column("profile_id", String, primary_key=True),
    Column("reward_item_id", String, primary_key=True),
    Column("balance", BigInteger, nullable=False),
    # The rules never make a negative balance; if they did, the database would refuse the commit.
    CheckConstraint("balance >= 0"),
    # Without a rowid, SQLite stores the row in the key's own tree: one look-up instead of two.
    sqlite_with_rowid=False,
)

boards = Table(
    "boards",
    METADATA,
    Column("id", String, primary_key=True),
    Column("client_id", String, nullable=False, index=True),
    Column("reward_item_id", String, nullable=False),
)
"""Boards that fans are ranked on: one for an item of open leaderboards (with the item's id), one for each locked
leaderboard (with its id).
"""

scores = Table(
    "scores",
    METADATA,
    Column("board_id", String, primary_key=True),
    Column("profile_id", String, primary_key=True),
    Column("score", BigInteger, nullable=False),
    sqlite_with_rowid=False,
)
Index("scores_in_order", scores.c.board_id, scores.c.score.desc(), scores.c.profile_id)

score_counts = Table(
    "score_counts",
    METADATA,
    Column("board_id", String, primary_key=True),
    Column("level", Integer, primary_key=True),
    Column("prefix", BigInteger, primary_key=True),
    Column("shard", Integer, primary_key=True),
    Column("count", BigInteger, nullable=False),
    sqlite_with_rowid=False,
)
"""Counts the scores whose value without its last `level` digits, to the base 64, is `prefix`. The count is the sum of
the shards, of which each writer has one.
"""

transactions = Table(
    "transactions",
    METADATA,
    Column("position", POSITION, primary_key=True, autoincrement=True),
    Column("id", String, nullable=False),
    Column("client_id", String, nullable=False),
    Column("profile_id", String, nullable=False),
    Column("reward_item_id", String, nullable=False),
    Column("amount", BigInteger, nullable=False),
    Column("balance", BigInteger, nullable=False),
    Column("kind", String, nullable=False),
    Column("reward_action_key", String),
    Column("created_at", BigInteger, nullable=False),
    Column("body", Text, nullable=False),
    CheckConstraint("amount <> 0"),
    CheckConstraint("balance >= 0"),
    Index("transactions_by_profile", "profile_id", "position"),
    Index("transactions_by_client", "client_id", "position"),
)

invoked_actions = Table(
    "invoked_actions",
    METADATA,
    Column("position", POSITION, primary_key=True, autoincrement=True),
    Column("client_id", String, nullable=False),
    Column("program_id", String, nullable=False),
    Column("profile_id", String, nullable=False),
    Column("reward_action_key", String, nullable=False),
    Column("code", String),
    Column("created_at", BigInteger, nullable=False),
    Column("body", Text, nullable=False),
    # No lock covers a code that two processes use at once: this key lets one of them commit. NULLs differ from one
    # another, so an action without a code may come any number of times.
    UniqueConstraint("profile_id", "reward_action_key", "code"),
    Index("invoked_actions_by_client", "client_id", "position"),
)

earned_badges = Table(
    "earned_badges",
    METADATA,
    Column("position", POSITION, primary_key=True, autoincrement=True),
    Column("id", String, nullable=False),
    Column("client_id", String, nullable=False),
    Column("profile_id", String, nullable=False),
    Column("badge_id", String, nullable=False),
    Column("awarded_at", BigInteger, nullable=False),
    Column("revoked_at", BigInteger),
    UniqueConstraint("profile_id", "badge_id"),
    Index("earned_badges_by_badge", "badge_id", "position"),
    Index("earned_badges_by_id", "id"),
)

user_quests = Table(
    "user_quests",
    METADATA,
    Column("id", String, primary_key=True),
    Column("client_id", String, nullable=False),
    Column("profile_id", String, nullable=False),
    Column("quest_id", String, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("active_until", BigInteger),
    Column("completed_at", BigInteger),
    Column("rewards_claimed_at", BigInteger),
    UniqueConstraint("profile_id", "quest_id"),
)

user_quest_tasks = Table(
    "user_quest_tasks",
    METADATA,
    Column("id", String, primary_key=True),
    Column("profile_id", String, nullable=False, index=True),
    Column("user_quest_id", String, nullable=False),
    Column("quest_task_id", String, nullable=False),
    Column("ordinal", Integer, nullable=False),
    Column("progress", String, nullable=False),
    Column("completed_at", BigInteger),
)

entry_payments = Table(
    "entry_payments",
    METADATA,
    Column("profile_id", String, primary_key=True),
    Column("entry_id", String, primary_key=True),
    Column("rate_window", BigInteger, nullable=False),
    Column("rate_count", Integer, nullable=False),
    Column("limit_window", BigInteger, nullable=False),
    Column("limit_count", Integer, nullable=False),
    sqlite_with_rowid=False,
)

facts = Table(
    "facts",
    METADATA,
    Column("position", POSITION, primary_key=True, autoincrement=True),
    Column("id", String, nullable=False),
    Column("client_id", String, nullable=False),
    Column("kind", String, nullable=False),
    Column("body", Text, nullable=False),
    Index("facts_by_client", "client_id", "position"),
)

idempotency = Table(
    "idempotency",
    METADATA,
    Column("client_id", String, primary_key=True),
    Column("key", String, primary_key=True),
    Column("digest", LargeBinary, nullable=False),
    Column("answer", Text, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Index("idempotency_by_age", "created_at"),
)

writers = Table(
    "writers",
    METADATA,
    Column("id", String, primary_key=True),
    Column("batch", BigInteger, nullable=False),
    Column("at", BigInteger, nullable=False),
)
"""The last batch that each engine has committed. It shows an engine that lost its connection whether the
commit was done.
"""
