"""Declares delivery's tables: cursors, undelivered events, counts and latencies."""

from sqlalchemy import BigInteger, Column, Index, Integer, LargeBinary, String, Table, Text

from tifo.store.sql.tables.metadata import METADATA, POSITION

ingest_seen = Table(
    "ingest_seen",
    METADATA,
    Column("shard", String, primary_key=True),
    Column("source_id", String, primary_key=True),
    Column("code", String, primary_key=True),
    Column("total", BigInteger, nullable=False),
)
"""Each log's totals at its last note; what they grew by since is the next note's."""

ingest_counts = Table(
    "ingest_counts",
    METADATA,
    Column("source_id", String, primary_key=True),
    Column("code", String, primary_key=True),
    Column("grain", String, primary_key=True),
    Column("at", BigInteger, primary_key=True, autoincrement=False),
    Column("total", BigInteger, nullable=False),
)

delivery_cursors = Table(
    "delivery_cursors",
    METADATA,
    Column("destination_id", String, primary_key=True),
    Column("shard", String, primary_key=True),
    Column("start", BigInteger, nullable=False),
    Column("position", BigInteger, nullable=False),
    Column("received", BigInteger, nullable=False),
    # Failed events that expired; stored names stay as they were.
    Column("forgotten", BigInteger, nullable=False),
    Column("dead_since", BigInteger),
    Column("dead_reason", Text, nullable=False),
)

undelivered = Table(
    "undelivered",
    METADATA,
    Column("destination_id", String, primary_key=True),
    Column("shard", String, primary_key=True),
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

logs = Table(
    "logs",
    METADATA,
    Column("shard", String, primary_key=True),
    Column("host", String, nullable=False),
    Column("path", String, nullable=False),
    Column("seen_at", BigInteger, nullable=False),
    # NULL where the log holds every event that it ever had.
    Column("complete_since", BigInteger),
    Column("backlog", Text, nullable=False),
)
"""Every log that a node has opened on this state; `backlog` counts what is behind each reader, as JSON."""

log_notices = Table(
    "log_notices",
    METADATA,
    Column("number", POSITION, primary_key=True, autoincrement=True),
    Column("shard", String, nullable=False),
    Column("at", BigInteger, nullable=False),
    Column("text", Text, nullable=False),
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
"""Counts by minute, by hour, and in total (`grain`); `at` is the minute or hour since 1970, or 0."""

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
