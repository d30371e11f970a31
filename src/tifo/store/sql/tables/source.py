"""Declares the LiveLike Source's tables: the relay's cursors, webhooks in and out, and Segment actions."""

from sqlalchemy import BigInteger, Boolean, Column, Index, Integer, LargeBinary, String, Table, Text, UniqueConstraint

from tifo.store.sql.tables.metadata import METADATA, POSITION

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

# The relay's dead letters; stored names stay as they were.
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
    Column("shard", String, primary_key=True),
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
