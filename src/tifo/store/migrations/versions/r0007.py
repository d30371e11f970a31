"""the log that every position is of."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "log_notices",
        sa.Column("number", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("shard", sa.String(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("number"),
    )
    op.create_table(
        "logs",
        sa.Column("shard", sa.String(), nullable=False),
        sa.Column("host", sa.String(), nullable=False),
        sa.Column("path", sa.String(), nullable=False),
        sa.Column("seen_at", sa.BigInteger(), nullable=False),
        sa.Column("complete_since", sa.BigInteger(), nullable=True),
        sa.Column("backlog", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("shard"),
    )
    # SQLite changes no primary key, so the tables are made anew on every database. Rows that are there get an empty
    # shard, until the log opens that they are of.
    for remake in (
        _action_cursor,
        _delivery_cursors,
        _ingest_seen,
        _undelivered,
        _warehouse_latencies,
        _warehouse_loads,
    ):
        remake()


def _remade(name: str, kept: str, *columns: sa.schema.SchemaItem, indexes: tuple[tuple[str, ...], ...] = ()) -> None:
    """Makes the table anew with the columns, and puts back what it held of those in `kept`."""
    op.execute(f"CREATE TABLE {name}_before AS SELECT * FROM {name}")
    op.drop_table(name)
    op.create_table(name, *columns)
    for index, *parts in indexes:
        op.create_index(index, name, parts)
    op.execute(f"INSERT INTO {name} (shard, {kept}) SELECT '', {kept} FROM {name}_before")
    op.drop_table(f"{name}_before")


def _action_cursor() -> None:
    _remade(
        "action_cursor",
        "position",
        sa.Column("shard", sa.String(), nullable=False),
        sa.Column("position", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("shard"),
    )


def _delivery_cursors() -> None:
    _remade(
        "delivery_cursors",
        "destination_id, start, position, received, forgotten, dead_since, dead_reason",
        sa.Column("destination_id", sa.String(), nullable=False),
        sa.Column("shard", sa.String(), nullable=False),
        sa.Column("start", sa.BigInteger(), nullable=False),
        sa.Column("position", sa.BigInteger(), nullable=False),
        sa.Column("received", sa.BigInteger(), nullable=False),
        sa.Column("forgotten", sa.BigInteger(), nullable=False),
        sa.Column("dead_since", sa.BigInteger(), nullable=True),
        sa.Column("dead_reason", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("destination_id", "shard"),
    )


def _ingest_seen() -> None:
    _remade(
        "ingest_seen",
        "source_id, code, total",
        sa.Column("shard", sa.String(), nullable=False),
        sa.Column("source_id", sa.String(), nullable=False),
        sa.Column("code", sa.String(), nullable=False),
        sa.Column("total", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("shard", "source_id", "code"),
    )


def _undelivered() -> None:
    _remade(
        "undelivered",
        'destination_id, position, replay, state, message_id, type, name, "user", received_at, body, "left", first_at,'
        " tried_at, next_at, attempts, history, code, detail, exchange",
        sa.Column("destination_id", sa.String(), nullable=False),
        sa.Column("shard", sa.String(), nullable=False),
        sa.Column("position", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("replay", sa.String(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("message_id", sa.String(), nullable=False),
        sa.Column("type", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("user", sa.String(), nullable=False),
        sa.Column("received_at", sa.BigInteger(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.Column("left", sa.LargeBinary(), nullable=True),
        sa.Column("first_at", sa.BigInteger(), nullable=False),
        sa.Column("tried_at", sa.BigInteger(), nullable=False),
        sa.Column("next_at", sa.BigInteger(), nullable=True),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("history", sa.Text(), nullable=False),
        sa.Column("code", sa.String(), nullable=False),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.Column("exchange", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("destination_id", "shard", "position", "replay"),
        indexes=(
            ("ix_undelivered_message_id", "message_id"),
            ("undelivered_by_time", "destination_id", "state", "next_at"),
            ("undelivered_by_user", "destination_id", "state", "user", "position"),
            ("undelivered_by_age", "state", "tried_at"),
        ),
    )


def _warehouse_latencies() -> None:
    _remade(
        "warehouse_latencies",
        "warehouse, source_id, bucket, total",
        sa.Column("warehouse", sa.String(), nullable=False),
        sa.Column("source_id", sa.String(), nullable=False),
        sa.Column("shard", sa.String(), nullable=False),
        sa.Column("bucket", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("total", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("warehouse", "source_id", "shard", "bucket"),
    )


def _warehouse_loads() -> None:
    _remade(
        "warehouse_loads",
        "warehouse, source_id, position, events, withheld, failed",
        sa.Column("warehouse", sa.String(), nullable=False),
        sa.Column("source_id", sa.String(), nullable=False),
        sa.Column("shard", sa.String(), nullable=False),
        sa.Column("position", sa.BigInteger(), nullable=False),
        sa.Column("events", sa.BigInteger(), nullable=False),
        sa.Column("withheld", sa.BigInteger(), nullable=False),
        sa.Column("failed", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("warehouse", "source_id", "shard"),
    )
