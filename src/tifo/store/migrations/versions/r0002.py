"""destinations and their deliveries."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "delivery_counts",
        sa.Column("destination_id", sa.String(), nullable=False),
        sa.Column("grain", sa.String(), nullable=False),
        sa.Column("at", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("type", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("result", sa.String(), nullable=False),
        sa.Column("code", sa.String(), nullable=False),
        sa.Column("total", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("destination_id", "grain", "at", "type", "name", "result", "code"),
    )
    with op.batch_alter_table("delivery_counts", schema=None) as batch_op:
        batch_op.create_index("delivery_counts_by_age", ["grain", "at"], unique=False)

    op.create_table(
        "delivery_cursors",
        sa.Column("destination_id", sa.String(), nullable=False),
        sa.Column("start", sa.BigInteger(), nullable=False),
        sa.Column("position", sa.BigInteger(), nullable=False),
        sa.Column("received", sa.BigInteger(), nullable=False),
        sa.Column("forgotten", sa.BigInteger(), nullable=False),
        sa.Column("dead_since", sa.BigInteger(), nullable=True),
        sa.Column("dead_reason", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("destination_id"),
    )
    op.create_table(
        "delivery_latencies",
        sa.Column("destination_id", sa.String(), nullable=False),
        sa.Column("grain", sa.String(), nullable=False),
        sa.Column("at", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("bucket", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("total", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("destination_id", "grain", "at", "bucket"),
    )
    with op.batch_alter_table("delivery_latencies", schema=None) as batch_op:
        batch_op.create_index("delivery_latencies_by_age", ["grain", "at"], unique=False)

    op.create_table(
        "delivery_samples",
        sa.Column("destination_id", sa.String(), nullable=False),
        sa.Column("result", sa.String(), nullable=False),
        sa.Column("code", sa.String(), nullable=False),
        sa.Column("message_id", sa.String(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("received", sa.LargeBinary(), nullable=False),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.Column("exchange", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("destination_id", "result", "code"),
    )
    op.create_table(
        "destinations",
        sa.Column("number", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("source_id", sa.String(), nullable=False),
        sa.Column("settings", sa.Text(), nullable=False),
        sa.Column("secrets", sa.Text(), nullable=False),
        sa.Column("mappings", sa.Text(), nullable=False),
        sa.Column("filters", sa.Text(), nullable=False),
        sa.Column("choice", sa.Text(), nullable=False),
        sa.Column("enabled", sa.Boolean(), nullable=False),
        sa.Column("retry_for_s", sa.BigInteger(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("number"),
        sa.UniqueConstraint("id"),
        sa.UniqueConstraint("source_id", "name"),
    )
    with op.batch_alter_table("destinations", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_destinations_source_id"), ["source_id"], unique=False)

    op.create_table(
        "undelivered",
        sa.Column("destination_id", sa.String(), nullable=False),
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
        sa.PrimaryKeyConstraint("destination_id", "position", "replay"),
    )
    with op.batch_alter_table("undelivered", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_undelivered_message_id"), ["message_id"], unique=False)
        batch_op.create_index("undelivered_by_age", ["state", "tried_at"], unique=False)
        batch_op.create_index("undelivered_by_time", ["destination_id", "state", "next_at"], unique=False)
        batch_op.create_index("undelivered_by_user", ["destination_id", "state", "user", "position"], unique=False)
