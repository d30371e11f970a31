"""Gives a copied state to a copied log: what the original still has to do is not done a second time."""

from sqlalchemy import delete, func, insert, select, update

from tifo.kernel.ids import LogPosition, Shard
from tifo.store.delivery.checkpoints import cursor_row
from tifo.store.sql import tables as t
from tifo.store.sql.bulk import upsert_each
from tifo.store.sql.database import Database


def begin_fork(database: Database, start: LogPosition) -> None:
    """Begins every reader of the log at `start`, its end: what the log holds by now is the original's to deliver.

    Warehouses are not begun: they are loaded with the whole log, and a row that the original loaded stays once, by its
    id.
    """
    with database.writing() as connection:
        ids = connection.execute(select(t.destinations.c.id)).scalars().all()
        upsert_each(connection, t.delivery_cursors, [cursor_row(each, start) for each in ids])
        upsert_each(connection, t.action_cursor, [{"shard": start.shard, "position": start.position}])


def leave_to_original(database: Database, original: Shard, fork: Shard) -> None:
    """Drops, from a state that was copied with the log, what waits to be sent: the original sends it.

    Facts, webhooks and events that wait are in the original's state too. Totals of what was delivered stay.
    """
    with database.writing() as connection:
        connection.execute(delete(t.undelivered).where(t.undelivered.c.shard == original))
        connection.execute(delete(t.action_cursor).where(t.action_cursor.c.shard == original))
        connection.execute(delete(t.logs).where(t.logs.c.shard == original))
        # The log's own totals go on in the copy. Those of loads begin anew, as the copy is loaded whole.
        connection.execute(update(t.ingest_seen).where(t.ingest_seen.c.shard == original).values(shard=fork))
        for table in (t.warehouse_loads, t.warehouse_latencies):
            connection.execute(delete(table).where(table.c.shard == original))
        newest = dict(
            connection.execute(
                select(t.facts.c.client_id, func.max(t.facts.c.position)).group_by(t.facts.c.client_id)
            ).all()
        )
        connection.execute(delete(t.relay_cursors))
        rows = [{"client_id": client_id, "position": position} for client_id, position in newest.items()]
        if rows:
            connection.execute(insert(t.relay_cursors), rows)
        connection.execute(update(t.set_aside_facts).values(resend_number=None))
        connection.execute(delete(t.late_webhooks))
        connection.execute(delete(t.webhooks_in).where(t.webhooks_in.c.state == "waiting"))
        for client_id, position in newest.items():
            subscribers = t.webhook_subscribers
            connection.execute(
                update(subscribers).where(subscribers.c.client_id == client_id).values(position=position)
            )
