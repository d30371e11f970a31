"""Runs delivery's statements, each method in one transaction; the statements stand in the modules beside this one."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from tifo.delivery.ports import (
    Checkpoint,
    ConnectionStatus,
    DeliveryCursor,
    DeliveryProblem,
    Due,
    Numbers,
    ReplaySelection,
    Series,
    SeriesQuery,
    Undelivered,
)
from tifo.kernel.ids import DestinationId, Position, Shard
from tifo.store.delivery import checkpoints, numbers, undelivered
from tifo.store.sql.database import Database


class SqlDeliveryState:
    """Implements `delivery.ports.DeliveryState` and `DeliveryNumbers`."""

    def __init__(self, database: Database, shard: Shard) -> None:
        self._database = database
        self._shard = shard

    def begin(self, destination_id: DestinationId, start: Position) -> None:
        with self._database.writing() as connection:
            checkpoints.begin(connection, destination_id, self._shard, start)

    def status(self, destination_id: DestinationId) -> ConnectionStatus:
        with self._database.reading() as connection:
            return checkpoints.read_status(connection, destination_id, self._shard)

    def cursors(self) -> list[DeliveryCursor]:
        with self._database.reading() as connection:
            return checkpoints.read_cursors(connection, self._shard)

    def settle(self, changes: Sequence[Checkpoint]) -> list[bool]:
        with self._database.writing() as connection:
            return checkpoints.store(connection, self._shard, changes)

    def due(self, destination_id: DestinationId, now: datetime, *, limit: int, in_order: bool) -> Due:
        with self._database.reading() as connection:
            return undelivered.read_due(connection, destination_id, self._shard, now, limit=limit, in_order=in_order)

    def waiting_by_user(self, destination_id: DestinationId) -> Mapping[str, int]:
        with self._database.reading() as connection:
            return undelivered.waiting_by_user(connection, destination_id, self._shard)

    def of_message(self, message_id: str) -> list[tuple[DestinationId, Undelivered]]:
        with self._database.reading() as connection:
            return undelivered.read_of_message(connection, message_id)

    def redrive(self, destination_id: DestinationId, selection: ReplaySelection, now: datetime) -> int:
        with self._database.writing() as connection:
            checkpoints.require_destination(connection, destination_id)
            return undelivered.redrive(connection, destination_id, selection, now)

    def queue(self, destination_id: DestinationId, events: Sequence[Undelivered]) -> int:
        with self._database.writing() as connection:
            checkpoints.require_destination(connection, destination_id)
            return undelivered.queue(connection, destination_id, self._shard, events)

    def queued(self, destination_id: DestinationId, replay: str) -> int:
        with self._database.reading() as connection:
            return undelivered.count_queued(connection, destination_id, self._shard, replay)

    def expire_dead_letters(self, before: datetime, *, limit: int) -> int:
        with self._database.writing() as connection:
            return undelivered.expire(connection, before, limit)

    def expire_numbers(self, now: datetime) -> None:
        with self._database.writing() as connection:
            numbers.expire(connection, now)

    def numbers(self, destination_id: DestinationId) -> Numbers:
        with self._database.reading() as connection:
            status = checkpoints.read_sum(connection, destination_id)
            return numbers.read_totals(connection, destination_id, status)

    def problems(self, destination_id: DestinationId) -> list[DeliveryProblem]:
        with self._database.reading() as connection:
            return numbers.read_problems(connection, destination_id)

    def series(self, asked: SeriesQuery) -> list[Series]:
        with self._database.reading() as connection:
            checkpoints.require_destination(connection, asked.destination_id)
            return numbers.read_series(connection, asked)
