"""The tables of the state. Every row of a fan's carries the profile id; times are microseconds since 1970, UTC."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Float,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
)

METADATA = MetaData()
POSITION = BigInteger().with_variant(Integer, "sqlite")
"""SQLite counts rows up in a column of this very type only."""

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

workspace_tokens = Table(
    "workspace_tokens",
    METADATA,
    Column("digest", LargeBinary, primary_key=True),
    Column("id", String, nullable=False, unique=True),
    Column("name", String, nullable=False),
    Column("role", String, nullable=False),
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
    UniqueConstraint("client_id", "custom_id"),
)
"""The version rises with each commit that changes anything of the fan's: by it an engine knows whether what it
remembers of her still holds.
"""

balances = Table(
    "balances",
    METADATA,
    Column("profile_id", String, primary_key=True),
    Column("reward_item_id", String, primary_key=True),
    Column("balance", BigInteger, nullable=False),
    CheckConstraint("balance >= 0"),
    sqlite_with_rowid=False,
)

boards = Table(
    "boards",
    METADATA,
    Column("id", String, primary_key=True),
    Column("client_id", String, nullable=False, index=True),
    Column("reward_item_id", String, nullable=False),
)
"""What fans are ranked on: an item of open leaderboards (the board has the item's id), or one locked leaderboard."""

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
"""How many scores there are whose value without its last `level` digits, to the base 64, is `prefix`: the sum of the
shards, of which each writer has one.
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

relay_cursors = Table(
    "relay_cursors",
    METADATA,
    Column("client_id", String, primary_key=True),
    Column("position", BigInteger, nullable=False),
)

relay_lines = Table(
    "relay_lines",
    METADATA,
    Column("client_id", String, primary_key=True),
    Column("last_sent", String),
    Column("last_sent_at", BigInteger),
    Column("refused_in_a_row", Integer, nullable=False),
    Column("held", Boolean),
    Column("since", BigInteger),
    Column("tried_at", BigInteger),
    Column("attempts", Integer),
    Column("error", Text),
)

set_aside_facts = Table(
    "set_aside_facts",
    METADATA,
    Column("position", BigInteger, primary_key=True, autoincrement=False),
    Column("client_id", String, nullable=False, index=True),
    Column("fact_id", String, nullable=False, unique=True),
    Column("status", Integer, nullable=False),
    Column("answer", Text, nullable=False),
    Column("at", BigInteger, nullable=False),
    Column("resend_number", BigInteger),
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

sources = Table(
    "sources",
    METADATA,
    Column("position", POSITION, primary_key=True, autoincrement=True),
    Column("id", String, nullable=False, unique=True),
    Column("name", String, nullable=False),
    Column("slug", String, nullable=False, unique=True),
    Column("schema", String, nullable=False, unique=True),
    Column("type", String, nullable=False),
    Column("enabled", Boolean, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("deleted_at", BigInteger),
)

write_keys = Table(
    "write_keys",
    METADATA,
    Column("number", POSITION, primary_key=True, autoincrement=True),
    Column("key", String, nullable=False, unique=True),
    Column("source_id", String, nullable=False, index=True),
    Column("created_at", BigInteger, nullable=False),
)

selections = Table(
    "selections",
    METADATA,
    Column("source_id", String, primary_key=True),
    Column("warehouse", String, primary_key=True),
    Column("off", Text, nullable=False),
)
"""What is turned off by source and warehouse: a `Selection`."""

webhook_intakes = Table(
    "webhook_intakes",
    METADATA,
    Column("source_id", String, primary_key=True),
    Column("client_secret", String, nullable=False),
    Column("signed_form", String, nullable=False),
    Column("api", String),
    Column("token", String),
)

webhooks_in = Table(
    "webhooks_in",
    METADATA,
    Column("number", POSITION, primary_key=True, autoincrement=True),
    Column("source_id", String, nullable=False),
    Column("webhook_id", String, nullable=False),
    Column("event", String, nullable=False),
    Column("body", LargeBinary, nullable=False),
    Column("received_at", BigInteger, nullable=False),
    Column("state", String, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("reason", Text),
    Column("next_at", BigInteger),
    UniqueConstraint("source_id", "webhook_id"),
    Index("webhooks_in_by_state", "source_id", "state", "number"),
)

webhook_subscribers = Table(
    "webhook_subscribers",
    METADATA,
    Column("number", POSITION, primary_key=True, autoincrement=True),
    Column("id", String, nullable=False, unique=True),
    Column("client_id", String, nullable=False, index=True),
    Column("url", String, nullable=False),
    Column("events", Text, nullable=False),
    Column("secret", String),
    Column("created_at", BigInteger, nullable=False),
    Column("position", BigInteger, nullable=False),
    Column("delivered", BigInteger, nullable=False),
    Column("last_delivered", String),
    Column("last_delivered_at", BigInteger),
    Column("failed_in_a_row", Integer, nullable=False),
)

late_webhooks = Table(
    "late_webhooks",
    METADATA,
    Column("subscriber_id", String, primary_key=True),
    Column("position", BigInteger, primary_key=True, autoincrement=False),
    Column("fact_id", String, nullable=False),
    Column("profile_id", String, nullable=False),
    Column("event", String, nullable=False),
    Column("state", String, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("first_at", BigInteger),
    Column("tried_at", BigInteger),
    Column("next_at", BigInteger),
    Column("status", Integer),
    Column("answer", Text),
    Index("late_webhooks_by_profile", "subscriber_id", "state", "profile_id", "position"),
)

action_cursor = Table(
    "action_cursor",
    METADATA,
    Column("number", POSITION, primary_key=True, autoincrement=False),
    Column("position", BigInteger, nullable=False),
)

action_skips = Table(
    "action_skips",
    METADATA,
    Column("client_id", String, primary_key=True),
    Column("reward_action_key", String, primary_key=True),
    Column("reason", String, primary_key=True),
    Column("total", BigInteger, nullable=False),
    Column("message_id", String, nullable=False),
    Column("detail", Text, nullable=False),
    Column("at", BigInteger, nullable=False),
)

connections = Table(
    "connections",
    METADATA,
    Column("client_id", String, primary_key=True),
    Column("write_key", String, nullable=False),
    Column("endpoint", String),
)

writers = Table(
    "writers",
    METADATA,
    Column("id", String, primary_key=True),
    Column("batch", BigInteger, nullable=False),
    Column("at", BigInteger, nullable=False),
)
"""The last batch that each engine has committed: so it learns what became of a commit whose answer was lost."""

warehouses = Table(
    "warehouses",
    METADATA,
    Column("name", String, primary_key=True),
    Column("kind", String, nullable=False),
    Column("url", String, nullable=False),
    Column("sources", Text),
    Column("enabled", Boolean, nullable=False),
    Column("created_at", BigInteger, nullable=False),
)

warehouse_syncs = Table(
    "warehouse_syncs",
    METADATA,
    Column("number", POSITION, primary_key=True, autoincrement=True),
    Column("warehouse", String, nullable=False),
    Column("source_id", String),
    Column("status", String, nullable=False),
    Column("started_at", BigInteger, nullable=False),
    Column("finished_at", BigInteger, nullable=False),
    Column("events", BigInteger, nullable=False),
    Column("rows", Text, nullable=False),
    Column("duplicates", BigInteger, nullable=False),
    Column("discarded", BigInteger, nullable=False),
    Column("notices", Text, nullable=False),
    Column("error", Text),
    Column("left_out", Text, nullable=False),
    Index("warehouse_syncs_by_warehouse", "warehouse", "number"),
)

ingest_seen = Table(
    "ingest_seen",
    METADATA,
    Column("source_id", String, primary_key=True),
    Column("code", String, primary_key=True),
    Column("total", BigInteger, nullable=False),
)
"""The log's totals, as they were when they were last spread over time."""

ingest_counts = Table(
    "ingest_counts",
    METADATA,
    Column("source_id", String, primary_key=True),
    Column("code", String, primary_key=True),
    Column("grain", String, primary_key=True),
    Column("at", BigInteger, primary_key=True, autoincrement=False),
    Column("total", BigInteger, nullable=False),
)

warehouse_loads = Table(
    "warehouse_loads",
    METADATA,
    Column("warehouse", String, primary_key=True),
    Column("source_id", String, primary_key=True),
    Column("position", BigInteger, nullable=False),
    Column("events", BigInteger, nullable=False),
    Column("withheld", BigInteger, nullable=False),
    Column("failed", BigInteger, nullable=False),
)

warehouse_latencies = Table(
    "warehouse_latencies",
    METADATA,
    Column("warehouse", String, primary_key=True),
    Column("source_id", String, primary_key=True),
    Column("bucket", Integer, primary_key=True, autoincrement=False),
    Column("total", BigInteger, nullable=False),
)

destinations = Table(
    "destinations",
    METADATA,
    Column("number", POSITION, primary_key=True, autoincrement=True),
    Column("id", String, nullable=False, unique=True),
    Column("name", String, nullable=False),
    Column("kind", String, nullable=False),
    Column("source_id", String, nullable=False, index=True),
    Column("settings", Text, nullable=False),
    Column("secrets", Text, nullable=False),
    Column("mappings", Text, nullable=False),
    Column("filters", Text, nullable=False),
    Column("choice", Text, nullable=False),
    Column("enabled", Boolean, nullable=False),
    Column("retry_for_s", BigInteger, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("version", BigInteger, nullable=False),
    UniqueConstraint("source_id", "name"),
)
"""`settings` without the secret ones, which stand encrypted in `secrets`."""

alerts = Table(
    "alerts",
    METADATA,
    Column("number", POSITION, primary_key=True, autoincrement=True),
    Column("id", String, nullable=False, unique=True),
    Column("name", String, nullable=False, unique=True),
    Column("kind", String, nullable=False),
    Column("target", String, nullable=False),
    Column("threshold", Float, nullable=False),
    Column("window_s", Float, nullable=False),
    Column("quiet_s", Float, nullable=False),
    Column("url", String, nullable=False),
    Column("email", String, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("standing", Text, nullable=False),
)

delivery_cursors = Table(
    "delivery_cursors",
    METADATA,
    Column("destination_id", String, primary_key=True),
    Column("start", BigInteger, nullable=False),
    Column("position", BigInteger, nullable=False),
    Column("received", BigInteger, nullable=False),
    Column("forgotten", BigInteger, nullable=False),
    Column("dead_since", BigInteger),
    Column("dead_reason", Text, nullable=False),
)

undelivered = Table(
    "undelivered",
    METADATA,
    Column("destination_id", String, primary_key=True),
    Column("position", BigInteger, primary_key=True, autoincrement=False),
    Column("replay", String, primary_key=True),
    Column("state", String, nullable=False),
    Column("message_id", String, nullable=False, index=True),
    Column("type", String, nullable=False),
    Column("name", String, nullable=False),
    Column("user", String, nullable=False),
    Column("received_at", BigInteger, nullable=False),
    Column("body", LargeBinary, nullable=False),
    Column("left", LargeBinary),
    Column("first_at", BigInteger, nullable=False),
    Column("tried_at", BigInteger, nullable=False),
    Column("next_at", BigInteger),
    Column("attempts", Integer, nullable=False),
    Column("history", Text, nullable=False),
    Column("code", String, nullable=False),
    Column("detail", Text, nullable=False),
    Column("exchange", Text),
    Index("undelivered_by_time", "destination_id", "state", "next_at"),
    Index("undelivered_by_user", "destination_id", "state", "user", "position"),
    Index("undelivered_by_age", "state", "tried_at"),
)

delivery_counts = Table(
    "delivery_counts",
    METADATA,
    Column("destination_id", String, primary_key=True),
    Column("grain", String, primary_key=True),
    Column("at", BigInteger, primary_key=True, autoincrement=False),
    Column("type", String, primary_key=True),
    Column("name", String, primary_key=True),
    Column("result", String, primary_key=True),
    Column("code", String, primary_key=True),
    Column("total", BigInteger, nullable=False),
    Index("delivery_counts_by_age", "grain", "at"),
)
"""By minute, by hour, and all together (`grain`); `at` is the minute or hour since 1970, or 0."""

delivery_latencies = Table(
    "delivery_latencies",
    METADATA,
    Column("destination_id", String, primary_key=True),
    Column("grain", String, primary_key=True),
    Column("at", BigInteger, primary_key=True, autoincrement=False),
    Column("bucket", Integer, primary_key=True, autoincrement=False),
    Column("total", BigInteger, nullable=False),
    Index("delivery_latencies_by_age", "grain", "at"),
)

delivery_samples = Table(
    "delivery_samples",
    METADATA,
    Column("destination_id", String, primary_key=True),
    Column("result", String, primary_key=True),
    Column("code", String, primary_key=True),
    Column("message_id", String, nullable=False),
    Column("at", BigInteger, nullable=False),
    Column("received", LargeBinary, nullable=False),
    Column("detail", Text, nullable=False),
    Column("exchange", Text),
)

tracking_plans = Table(
    "tracking_plans",
    METADATA,
    Column("number", POSITION, primary_key=True, autoincrement=True),
    Column("id", String, nullable=False, unique=True),
    Column("name", String, nullable=False),
    Column("description", Text, nullable=False),
    Column("type", String, nullable=False),
    Column("rules", Text, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("updated_at", BigInteger, nullable=False),
)

plan_connections = Table(
    "plan_connections",
    METADATA,
    Column("source_id", String, primary_key=True),
    Column("plan_id", String),  # None: to no plan, also where the source's kind comes with one
)

schema_controls = Table(
    "schema_controls",
    METADATA,
    Column("source_id", String, primary_key=True),
    Column("controls", Text, nullable=False),
)

violations = Table(
    "violations",
    METADATA,
    Column("source_id", String, primary_key=True),
    Column("plan_id", String, primary_key=True),
    Column("bucket", BigInteger, primary_key=True, autoincrement=False),
    Column("type", String, primary_key=True),
    Column("name", String, primary_key=True),
    Column("violation", String, primary_key=True),
    Column("field", String, primary_key=True),
    Column("total", BigInteger, nullable=False),
    Column("blocked", BigInteger, nullable=False),
    Column("omitted", BigInteger, nullable=False),
    Column("description", Text, nullable=False),
    Column("message_id", String, nullable=False),
    Column("sample", LargeBinary, nullable=False),
    Column("at", BigInteger, nullable=False),
    Index("violations_by_age", "bucket"),
)
