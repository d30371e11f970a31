"""`tifo audit`: the proof that ledger = events = warehouse rows.

Three counts of the same things. `ledger`: the facts that the state holds, each written in the transaction of the change
that it tells of, and checked against ledger, badges and quests. `events`: those of them that are in the event log or
beyond it. `rows`: those that are rows in the warehouse. What is still on its way is waited for; what is then missing,
doubled, or without its counterpart is a problem.
"""

import contextlib
import time
from typing import Any

import msgspec

from tifo.app import compose
from tifo.app.settings import Settings
from tifo.eventlog.ports import EventLog
from tifo.kernel.ids import ClientId, FactId, Position
from tifo.store.engagement.audit import fact_ids, facts_by_application, state_problems
from tifo.store.sql.database import Database
from tifo.warehouses.naming import STANDARD_TABLES
from tifo.warehouses.ports import Warehouse
from tifo.workspace.model import Source
from tifo.workspace.warehouses import BUILT_IN

PATIENCE_S = 10.0
_POLL_S = 0.25
_READ_EVENTS = 10_000
_SHOWN = 5
_NOT_TRACKED = (STANDARD_TABLES - {"tracks"}) | {"_discards"}


class _MessageId(msgspec.Struct, rename="camel"):
    message_id: str


_message_id = msgspec.json.Decoder(_MessageId)


def run_audit(settings: Settings) -> dict[str, Any]:
    """`{"ok", "ledger", "events", "rows", "problems", "notes"}`. Waits up to `PATIENCE_S` for what is on its way.

    A source of which `tracks` is turned off by choice cannot be compared: a note says so, and nothing of it is counted.
    """
    database = compose.open_state(settings)
    deadline = time.monotonic() + PATIENCE_S
    while True:
        verdict = _verdict(settings, database)
        if verdict["ok"] or time.monotonic() > deadline:
            return verdict
        time.sleep(_POLL_S)


def _verdict(settings: Settings, database: Database) -> dict[str, Any]:
    catalog = compose.catalog_of(database)
    sources = {key: source for source in catalog.sources() for key in source.write_keys}
    connections = {connection.client_id: connection for connection in catalog.connections()}
    problems = state_problems(database)
    ledger = events = rows = 0
    notes = []
    warehouse = compose.open_warehouse(settings)
    with contextlib.closing(compose.open_log_reader(settings)) as log:
        for client_id, count in facts_by_application(database).items():
            connection = connections.get(client_id)
            source = None if connection is None else sources.get(connection.write_key)
            if source is not None and not catalog.selection_of(source.id, BUILT_IN).takes_table("tracks"):
                notes.append(f"{count} events of {source.slug} are not compared: its table tracks is turned off")
                continue
            ledger += count
            if connection is None:
                problems.append(f"{count} events wait: application {client_id} is not connected (tifo app connect)")
            elif connection.endpoint is not None:
                problems.append(
                    f"{count} events of application {client_id} went elsewhere: only Tifo's own are audited"
                )
            elif source is None:
                problems.append(f"{count} events wait: application {client_id} has a write key that no source has")
            else:
                in_log, in_warehouse, found = _follow(database, client_id, source, log, warehouse)
                events += in_log
                rows += in_warehouse
                problems += found
    return {
        "ok": not problems,
        "ledger": ledger,
        "events": events,
        "rows": rows,
        "problems": problems,
        "notes": notes,
    }


def _follow(
    database: Database, client_id: ClientId, source: Source, log: EventLog, warehouse: Warehouse
) -> tuple[int, int, list[str]]:
    """How many of the application's facts are in the log (or past it), and in the warehouse; and what is wrong."""
    tables = [table for table in _tables(warehouse, source.schema) if table not in _NOT_TRACKED]
    after = warehouse.positions().get(source.id)
    logged = _logged(log, after.position if after else Position(0), source)
    events = rows = 0
    missing: list[str] = []
    for ids in fact_ids(database, client_id):
        stored = _stored(warehouse, source.schema, "tracks", ids) if "tracks" in tables else set()
        events += sum(each in stored or each in logged for each in ids)
        rows += len(stored)
        missing += [each for each in ids if each not in stored]
    problems = []
    if missing:
        problems.append(f"{len(missing)} events are not in {source.schema}: {', '.join(missing[:_SHOWN])}")
    return events, rows, problems + _doubled(warehouse, source.schema, tables)


def _tables(warehouse: Warehouse, schema: str) -> list[str]:
    return list(warehouse.tables(schema))


def _logged(log: EventLog, after: Position, source: Source) -> set[str]:
    """Message ids of the source that the loader has not come to."""
    found: set[str] = set()
    while blocks := log.read(after, max_events=_READ_EVENTS, source_id=source.id):
        for block in blocks:
            found.update(message.message_id for message in _message_id.decode_lines(block.bodies))
        after = Position(blocks[-1].first + blocks[-1].size - 1)
    return found


def _stored(warehouse: Warehouse, schema: str, table: str, ids: list[FactId]) -> set[str]:
    wanted = ", ".join(f"'{each}'" for each in ids)  # ids are UUIDs of our own making
    rows = warehouse.query(f'SELECT id FROM "{schema}"."{table}" WHERE id IN ({wanted})')
    return {str(row["id"]) for row in rows}


def _doubled(warehouse: Warehouse, schema: str, tables: list[str]) -> list[str]:
    """Every event is one row in `tracks`, and one in the table of its event."""
    problems = []
    totals: dict[str, int] = {}
    for table in tables:
        query = f'SELECT count(*)::BIGINT AS n, count(DISTINCT id)::BIGINT AS ids FROM "{schema}"."{table}"'
        [row] = warehouse.query(query)
        totals[table] = int(str(row["n"]))
        if row["n"] != row["ids"]:
            problems.append(f"{schema}.{table} has {row['n']} rows of {row['ids']} events")
    of_events = sum(count for table, count in totals.items() if table != "tracks")
    if totals.get("tracks", 0) != of_events:
        problems.append(f"{schema}.tracks has {totals.get('tracks', 0)} rows, its events' tables have {of_events}")
    return problems
