"""Stores alerts on SQL."""

from typing import Any

import msgspec
from sqlalchemy import Connection, delete, insert, select, update

from tifo.leases.ports import Lease
from tifo.store.leases import require_lease
from tifo.store.sql import tables as t
from tifo.store.sql.database import Database
from tifo.store.sql.times import from_micros, to_micros
from tifo.workspace.alerts import Alert, AlertKind, AlertState, name_in_use, no_alert

_A = t.alerts.c
_standing = msgspec.json.Decoder(AlertState)


class SqlAlerts:
    """Implements `workspace.alerts.Alerts`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, alert: Alert) -> Alert:
        with self._database.writing() as connection:
            insert_alert(connection, alert)
        return alert

    def all(self) -> list[tuple[Alert, AlertState]]:
        with self._database.reading() as connection:
            return read_alerts(connection)

    def note(self, alert_id: str, state: AlertState, *, under: Lease | None = None) -> None:
        encoded = msgspec.json.encode(state).decode()
        with self._database.writing() as connection:
            require_lease(connection, under)
            connection.execute(update(t.alerts).where(_A.id == alert_id).values(standing=encoded))

    def remove(self, alert_id: str) -> None:
        with self._database.writing() as connection:
            delete_alert(connection, alert_id)


def read_alerts(connection: Connection) -> list[tuple[Alert, AlertState]]:
    rows = connection.execute(select(t.alerts).order_by(_A.number)).all()
    return [(_read(row), _standing.decode(row.standing)) for row in rows]


def insert_alert(connection: Connection, alert: Alert) -> None:
    row = {"id": alert.id, "standing": "{}", **_values(alert)}
    if connection.execute(select(_A.id).where(_A.name == row["name"])).first() is not None:
        raise name_in_use(alert.name)
    connection.execute(insert(t.alerts), row)


def change_alert(connection: Connection, alert: Alert) -> None:
    connection.execute(update(t.alerts).where(_A.id == alert.id).values(_values(alert)))


def delete_alert(connection: Connection, alert_id: str) -> None:
    if connection.execute(delete(t.alerts).where(_A.id == alert_id)).rowcount == 0:
        raise no_alert(alert_id)


def _values(alert: Alert) -> dict[str, Any]:
    return {
        "name": alert.name.strip(),
        "kind": alert.kind.value,
        "target": alert.target,
        "threshold": alert.threshold,
        "window_s": alert.window_s,
        "quiet_s": alert.quiet_s,
        "url": alert.url,
        "email": alert.email,
        "created_at": 0 if alert.created_at is None else to_micros(alert.created_at),
    }


def _read(row: Any) -> Alert:
    return Alert(
        id=row.id,
        name=row.name,
        kind=AlertKind(row.kind),
        target=row.target,
        threshold=row.threshold,
        window_s=row.window_s,
        quiet_s=row.quiet_s,
        url=row.url,
        email=row.email,
        created_at=from_micros(row.created_at),
    )
