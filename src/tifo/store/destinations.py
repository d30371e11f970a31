"""Connected destinations on SQL, their secrets encrypted."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import msgspec
from sqlalchemy import Connection, delete, insert, select, update

from tifo.kernel.clock import Clock
from tifo.kernel.errors import Conflict, NotFound, Rejected
from tifo.kernel.ids import DestinationId, NewId, Position, SourceId
from tifo.kernel.json import JsonObject
from tifo.store import tables as t
from tifo.store.database import Database, from_micros, to_micros
from tifo.store.vault import Vault
from tifo.workspace.destinations import RETRY_FOR_S, ConnectedDestination, DestinationChange

MAX_NAME = 200
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
        start: Position,
        secret: Collection[str] = (),
        mappings: Sequence[JsonObject] = (),
        enabled: bool = True,
    ) -> ConnectedDestination:
        made_id = DestinationId(self._new_id())
        row = {
            "id": made_id,
            "name": _checked_name(name),
            "kind": kind,
            "source_id": source_id,
            **self._settings(settings, secret),
            "mappings": _encode(mappings),
            "filters": "[]",
            "choice": "{}",
            "enabled": enabled,
            "retry_for_s": int(RETRY_FOR_S),
            "created_at": to_micros(self._clock()),
            "version": 1,
        }
        with self._database.writing() as connection:
            _check_source(connection, source_id)
            _check_free(connection, source_id, name, but=made_id)
            connection.execute(insert(t.destinations), row)
            cursor = {"destination_id": made_id, "start": start, "position": start, "received": 0, "forgotten": 0}
            connection.execute(insert(t.delivery_cursors), {**cursor, "dead_reason": ""})
            return self._read(_row(connection, made_id))

    def all(self) -> list[ConnectedDestination]:
        with self._database.reading() as connection:
            rows = connection.execute(select(t.destinations).order_by(_D.number)).all()
        return [self._read(row) for row in rows]

    def change(
        self, destination_id: DestinationId, change: DestinationChange, *, secret: Collection[str] = ()
    ) -> ConnectedDestination:
        values: dict[str, Any] = {"version": _D.version + 1}
        values |= {} if change.name is None else {"name": _checked_name(change.name)}
        values |= {} if change.enabled is None else {"enabled": change.enabled}
        values |= {} if change.settings is None else self._settings(change.settings, secret)
        values |= {} if change.retry_for_s is None else {"retry_for_s": int(change.retry_for_s)}
        for field in ("mappings", "filters", "choice"):
            told = getattr(change, field)
            values |= {} if told is None else {field: _encode(told)}
        with self._database.writing() as connection:
            now = _row(connection, destination_id)
            if change.version not in {None, now.version}:
                raise Conflict("Somebody else has just changed the destination. Look at it again, then change it.")
            if change.name is not None:
                _check_free(connection, SourceId(now.source_id), change.name, but=destination_id)
            connection.execute(update(t.destinations).where(_D.id == destination_id).values(values))
            return self._read(_row(connection, destination_id))

    def remove(self, destination_id: DestinationId) -> None:
        with self._database.writing() as connection:
            _row(connection, destination_id)
            connection.execute(delete(t.destinations).where(_D.id == destination_id))
            for table in _OF_A_DESTINATION:
                connection.execute(delete(table).where(table.c.destination_id == destination_id))

    def _settings(self, settings: Mapping[str, Any], secret: Collection[str]) -> dict[str, str]:
        hidden = {name: value for name, value in settings.items() if name in secret and value not in (None, "")}
        shown = {name: value for name, value in settings.items() if name not in hidden}
        return {"settings": _encode(shown), "secrets": self._vault.encrypt(_encode(hidden)) if hidden else ""}

    def _read(self, row: Any) -> ConnectedDestination:
        hidden = msgspec.json.decode(self._vault.decrypt(row.secrets)) if row.secrets else {}
        return ConnectedDestination(
            DestinationId(row.id),
            row.name,
            row.kind,
            SourceId(row.source_id),
            {**msgspec.json.decode(row.settings), **hidden},
            from_micros(row.created_at),
            row.enabled,
            tuple(msgspec.json.decode(row.mappings)),
            tuple(msgspec.json.decode(row.filters)),
            msgspec.json.decode(row.choice),
            float(row.retry_for_s),
            row.version,
        )


def _encode(value: object) -> str:
    return msgspec.json.encode(value).decode()


def _checked_name(name: str) -> str:
    if not name.strip() or len(name) > MAX_NAME or not name.isprintable():
        raise Rejected(f"name {name!r:.250} must be 1 to {MAX_NAME} printable characters.", field="name")
    return name.strip()


def _check_source(connection: Connection, source_id: SourceId) -> None:
    known = select(t.sources.c.id).where(t.sources.c.id == source_id, t.sources.c.deleted_at.is_(None))
    if connection.execute(known).first() is None:
        raise NotFound(f"There is no source {source_id!r:.100}. See `tifo source list`.", field="source")


def _check_free(connection: Connection, source_id: SourceId, name: str, *, but: DestinationId) -> None:
    same = select(_D.id).where(_D.source_id == source_id, _D.name == name.strip(), _D.id != but)
    if connection.execute(same).first() is not None:
        raise Conflict(f"The source has a destination named {name!r:.250} already. Give another name.", field="name")


def _row(connection: Connection, destination_id: DestinationId) -> Any:
    row = connection.execute(select(t.destinations).where(_D.id == destination_id)).first()
    if row is None:
        raise NotFound(
            f"There is no destination {destination_id!r:.100}. See `tifo destination list`.", field="destination"
        )
    return row
