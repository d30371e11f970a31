"""Stores connected destinations on SQL, their secrets encrypted."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import msgspec
from sqlalchemy import Connection, delete, insert, select, update

from tifo.kernel.clock import Clock
from tifo.kernel.ids import BEFORE_EVERY_LOG, DestinationId, LogPosition, NewId, SourceId
from tifo.kernel.json import JsonObject
from tifo.store.delivery.checkpoints import cursor_row
from tifo.store.sql import tables as t
from tifo.store.sql.database import Database
from tifo.store.sql.times import from_micros, to_micros
from tifo.store.workspace.catalog import has_source
from tifo.store.workspace.vault import Vault
from tifo.workspace.destinations import (
    ConnectedDestination,
    DestinationChange,
    check_version,
    checked_destination_name,
    destination_name_in_use,
    no_destination,
)
from tifo.workspace.rules import no_source

_D = t.destinations.c
_OF_A_DESTINATION = (
    t.delivery_cursors,
    t.undelivered,
    t.delivery_counts,
    t.delivery_latencies,
    t.delivery_samples,
)


class SqlDestinations:
    """Implements `workspace.destinations.Destinations`."""

    def __init__(self, database: Database, clock: Clock, new_id: NewId, vault: Vault) -> None:
        self._database = database
        self._clock = clock
        self._new_id = new_id
        self._vault = vault

    def add(
        self,
        kind: str,
        name: str,
        source_id: SourceId,
        settings: Mapping[str, Any],
        *,
        start: LogPosition,
        secret: Collection[str] = (),
        mappings: Sequence[JsonObject] = (),
        enabled: bool = True,
    ) -> ConnectedDestination:
        made = ConnectedDestination(
            id=DestinationId(self._new_id()),
            name=name,
            kind=kind,
            source_id=source_id,
            settings=settings,
            created_at=self._clock(),
            enabled=enabled,
            mappings=tuple(mappings),
        )
        with self._database.writing() as connection:
            insert_destination(connection, self._vault, made, start=start, secret=secret)
            return read_one(connection, self._vault, made.id)

    def all(self) -> list[ConnectedDestination]:
        with self._database.reading() as connection:
            return read_destinations(connection, self._vault)

    def change(
        self, destination_id: DestinationId, change: DestinationChange, *, secret: Collection[str] = ()
    ) -> ConnectedDestination:
        with self._database.writing() as connection:
            change_destination(connection, self._vault, destination_id, change, secret=secret)
            return read_one(connection, self._vault, destination_id)

    def remove(self, destination_id: DestinationId) -> None:
        with self._database.writing() as connection:
            delete_destination(connection, destination_id)


def read_destinations(connection: Connection, vault: Vault) -> list[ConnectedDestination]:
    """Returns destinations in the order in which they were made."""
    return [_read(vault, row) for row in connection.execute(select(t.destinations).order_by(_D.number)).all()]


def read_one(connection: Connection, vault: Vault, destination_id: DestinationId) -> ConnectedDestination:
    return _read(vault, _row(connection, destination_id))


def insert_destination(
    connection: Connection, vault: Vault, made: ConnectedDestination, *, start: LogPosition, secret: Collection[str]
) -> None:
    row = {
        "id": made.id,
        "name": checked_destination_name(made.name),
        "kind": made.kind,
        "source_id": made.source_id,
        **_settings(vault, made.settings, secret),
        "mappings": _encode(made.mappings),
        "filters": _encode(made.filters),
        "choice": _encode(made.choice),
        "enabled": made.enabled,
        "retry_for_s": int(made.retry_for_s),
        "created_at": to_micros(made.created_at),
        "version": 1,
    }
    if not has_source(connection, made.source_id):
        raise no_source(made.source_id)
    _check_free(connection, made.source_id, made.name, but=made.id)
    connection.execute(insert(t.destinations), row)
    # In the same transaction: a deliverer that finds the destination finds its cursor.
    # A log that is not made yet has no place to begin at: its deliverer begins with its first event.
    if start != BEFORE_EVERY_LOG:
        connection.execute(insert(t.delivery_cursors), cursor_row(made.id, start))


def change_destination(
    connection: Connection,
    vault: Vault,
    destination_id: DestinationId,
    change: DestinationChange,
    *,
    secret: Collection[str],
) -> None:
    # The deliverer makes a connection anew once its destination's version has risen.
    values: dict[str, Any] = {"version": _D.version + 1}
    values |= {} if change.name is None else {"name": checked_destination_name(change.name)}
    values |= {} if change.enabled is None else {"enabled": change.enabled}
    values |= {} if change.settings is None else _settings(vault, change.settings, secret)
    values |= {} if change.retry_for_s is None else {"retry_for_s": int(change.retry_for_s)}
    for field in ("mappings", "filters", "choice"):
        value = getattr(change, field)
        values |= {} if value is None else {field: _encode(value)}
    now = _row(connection, destination_id)
    check_version(change, now.version)
    if change.name is not None:
        _check_free(connection, SourceId(now.source_id), change.name, but=destination_id)
    connection.execute(update(t.destinations).where(_D.id == destination_id).values(values))


def delete_destination(connection: Connection, destination_id: DestinationId) -> None:
    _row(connection, destination_id)
    connection.execute(delete(t.destinations).where(_D.id == destination_id))
    # Cursors and numbers go with it: nobody can see them any more, and ids do not come again.
    for table in _OF_A_DESTINATION:
        connection.execute(delete(table).where(table.c.destination_id == destination_id))


def _settings(vault: Vault, settings: Mapping[str, Any], secret: Collection[str]) -> dict[str, str]:
    hidden = {name: value for name, value in settings.items() if name in secret and value not in (None, "")}
    shown = {name: value for name, value in settings.items() if name not in hidden}
    return {"settings": _encode(shown), "secrets": vault.encrypt(_encode(hidden)) if hidden else ""}


def _read(vault: Vault, row: Any) -> ConnectedDestination:
    hidden = msgspec.json.decode(vault.decrypt(row.secrets)) if row.secrets else {}
    return ConnectedDestination(
        id=DestinationId(row.id),
        name=row.name,
        kind=row.kind,
        source_id=SourceId(row.source_id),
        settings={**msgspec.json.decode(row.settings), **hidden},
        created_at=from_micros(row.created_at),
        enabled=row.enabled,
        mappings=tuple(msgspec.json.decode(row.mappings)),
        filters=tuple(msgspec.json.decode(row.filters)),
        choice=msgspec.json.decode(row.choice),
        retry_for_s=float(row.retry_for_s),
        version=row.version,
    )


def _encode(value: object) -> str:
    return msgspec.json.encode(value).decode()


def _check_free(connection: Connection, source_id: SourceId, name: str, *, but: DestinationId) -> None:
    same = select(_D.id).where(_D.source_id == source_id, _D.name == name.strip(), _D.id != but)
    if connection.execute(same).first() is not None:
        raise destination_name_in_use(name)


def _row(connection: Connection, destination_id: DestinationId) -> Any:
    row = connection.execute(select(t.destinations).where(_D.id == destination_id)).first()
    if row is None:
        raise no_destination(destination_id)
    return row
