"""Declares the workspace's tables: sources, write keys, warehouses, destinations, tracking plans, alerts and tokens."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Float,
    Index,
    Integer,
    LargeBinary,
    String,
    Table,
    Text,
    UniqueConstraint,
)

from tifo.store.sql.tables.metadata import METADATA, POSITION

workspace_tokens = Table(
    "workspace_tokens",
    METADATA,
    Column("digest", LargeBinary, primary_key=True),
    Column("id", String, nullable=False, unique=True),
    Column("name", String, nullable=False),
    Column("role", String, nullable=False),
    Column("created_at", BigInteger, nullable=False),
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
"""The tables and columns turned off for a source and warehouse: a `Selection`."""

connections = Table(
    "connections",
    METADATA,
    Column("client_id", String, primary_key=True),
    Column("write_key", String, nullable=False),
    Column("endpoint", String),
)

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

warehouse_loads = Table(
    "warehouse_loads",
    METADATA,
    Column("warehouse", String, primary_key=True),
    Column("source_id", String, primary_key=True),
    Column("shard", String, primary_key=True),
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
    Column("shard", String, primary_key=True),
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
"""`settings` has no secret ones; they are encrypted in `secrets`."""

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
