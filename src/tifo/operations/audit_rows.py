"""Compares the event log with warehouses, id by id: an event that a warehouse's cursor has passed is a row there.

Counts agree where as many events are lost as came twice; ids do not. An event that is not a row may be among the
discards, be withheld by its own `integrations`, or be of a table that is turned off: then it is not missing.
"""

from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import msgspec

from tifo.delivery.cursors import loaded_cursors, source_position
from tifo.eventlog.ports import Block, EventLog
from tifo.kernel.errors import Transient
from tifo.kernel.ids import Position
from tifo.operations.backend import Backend
from tifo.warehouses.ports import Warehouse
from tifo.warehouses.selected import admitted
from tifo.workspace.model import Source
from tifo.workspace.sync import Selection
from tifo.workspace.warehouses import ConnectedWarehouse, every_warehouse

SHOWN = 5
"""The most ids that a problem names."""
_READ_EVENTS = 10_000
_DISCARDS = "_discards"
_TABLE_OF_TYPE = {
    "track": "tracks",
    "identify": "identifies",
    "page": "pages",
    "screen": "screens",
    "group": "groups",
    "alias": "aliases",
}


class _Logged(msgspec.Struct, rename="camel", gc=False):
    type: str
    message_id: str


class ComparedRows(NamedTuple):
    """What came of comparing one source in one warehouse."""

    compared: int
    """Events whose rows were looked for."""
    problems: Sequence[str]
    notes: Sequence[str]


_logged = msgspec.json.Decoder(_Logged)


def compare_rows(backend: Backend, log: EventLog) -> Iterator[ComparedRows]:
    """Compares every source in every warehouse that takes it, with what the log still holds."""
    for connected in every_warehouse(backend.warehouses.connected()):
        for source in backend.catalog.sources():
            if connected.enabled and connected.takes(source.id):
                yield _compared(backend, log, connected, source)


def _compared(backend: Backend, log: EventLog, connected: ConnectedWarehouse, source: Source) -> ComparedRows:
    selection = backend.catalog.selection_of(source.id, connected.name)
    missing: list[str] = []
    compared = 0
    try:
        warehouse = backend.open_warehouse(connected.name)
        tables = frozenset(warehouse.table_names(source.schema))
        for bodies in _loaded(log, warehouse, source):
            for table, ids in _ids(bodies, connected.name, selection).items():
                compared += len(ids)
                missing += _missing(warehouse, source.schema, tables, table, ids)
    except Transient as error:
        note = f"{source.slug} is not compared with warehouse {connected.name}: {error.message}"
        return ComparedRows(compared, (), (note,))
    if not missing:
        return ComparedRows(compared, (), ())
    shown = ", ".join(missing[:SHOWN])
    problem = (
        f"{len(missing):,} events of {source.slug} are in the event log and not in warehouse {connected.name}: {shown}."
        f" `tifo warehouse resync {connected.name} --source {source.slug}` loads them."
    )
    return ComparedRows(compared, (problem,), ())


def _loaded(log: EventLog, warehouse: Warehouse, source: Source) -> Iterator[bytes]:
    """Yields the source's events up to the warehouse's cursor, many at a time: each time is one question to it."""
    through = source_position(log, source.id, loaded_cursors(warehouse.positions, log))
    after = log.start()
    while after < through:
        blocks = log.read(after, max_events=_READ_EVENTS, source_id=source.id)
        if not blocks:
            return
        yield b"".join(_up_to(block, through) for block in blocks)
        after = blocks[-1].last


def _up_to(block: Block, through: Position) -> bytes:
    """Returns the block's messages up to a position: a load ends with an event, which may stand within a block."""
    size = bisect_right(block.positions, through)
    return block.bodies if size == block.size else b"".join(block.bodies.splitlines(keepends=True)[:size])


def _ids(bodies: bytes, warehouse: str, selection: Selection) -> Mapping[str, list[str]]:
    """Returns the ids of the events that should be rows, by table."""
    wanted, _ = admitted(bodies, [warehouse])
    found: dict[str, list[str]] = {}
    for line in wanted.splitlines():
        try:
            logged = _logged.decode(line)
        except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
            continue  # it has no id to look for: the load has discarded it
        table = _TABLE_OF_TYPE.get(logged.type)
        if table is not None and selection.takes_table(table):
            found.setdefault(table, []).append(logged.message_id)
    return found


def _missing(
    warehouse: Warehouse, schema: str, tables: frozenset[str], table: str, ids: Sequence[str]
) -> Sequence[str]:
    stored = warehouse.stored_ids(schema, table, ids) if table in tables else set()
    missing = [each for each in ids if each not in stored]
    if missing and _DISCARDS in tables:
        discarded = warehouse.stored_ids(schema, _DISCARDS, missing)
        missing = [each for each in missing if each not in discarded]
    # A product that cannot store the character NUL has another one in its place.
    return [each for each in missing if "\0" not in each]
