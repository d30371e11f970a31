"""Runs the revisions for Alembic: everything happens in the transaction that `store.schema` has begun."""

from alembic import context

from tifo.store.sql.tables import METADATA

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=METADATA,
    compare_type=True,
    render_as_batch=True,  # SQLite changes a table by making it anew
)
context.run_migrations()
