"""Reads and writes applications and webhooks on SQL, as parts of the workspace."""

import json
from collections.abc import Sequence
from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy import Connection, delete, func, insert, select, update

from tifo.engagement.model import Application, Program
from tifo.kernel.ids import ClientId, NewId, ProgramId, SourceId
from tifo.store.engagement import rows as r
from tifo.store.engagement.access import insert_application
from tifo.store.sql import tables as t
from tifo.store.sql.times import to_micros
from tifo.workspace.engagement import ConnectedApplication, IncomingWebhooks, WebhookSubscription

_S = t.webhook_subscribers.c


def read_applications(connection: Connection) -> list[ConnectedApplication]:
    found = connection.execute(select(t.connections)).all()
    sends_to = {row.client_id: (row.write_key, row.endpoint) for row in found}
    subscriptions: dict[str, list[WebhookSubscription]] = {}
    for row in connection.execute(select(t.webhook_subscribers).order_by(_S.number)):
        subscriptions.setdefault(row.client_id, []).append(_subscription(row))
    rows = connection.execute(select(t.applications).order_by(t.applications.c.id)).all()
    return [_application(row, sends_to.get(row.id), subscriptions.get(row.id, [])) for row in rows]


def read_incoming(connection: Connection) -> dict[SourceId, IncomingWebhooks]:
    return {
        SourceId(row.source_id): IncomingWebhooks(
            source_id=SourceId(row.source_id),
            client_secret=row.client_secret,
            signed_form=row.signed_form,
            api=row.api,
            token=row.token,
        )
        for row in connection.execute(select(t.webhook_intakes).order_by(t.webhook_intakes.c.source_id))
    }


def make_application(
    connection: Connection, client_id: ClientId, name: str, client_secret: str, *, at: datetime, new_id: NewId
) -> None:
    program = Program(id=ProgramId(new_id()), name="Default", created_at=at)
    application = Application(id=client_id, name=name, default_program_id=program.id, created_at=at)
    insert_application(connection, application, program, client_secret)


def change_application(connection: Connection, client_id: ClientId, name: str, client_secret: str) -> None:
    c = t.applications.c
    body = connection.execute(select(c.body).where(c.id == client_id)).scalar_one()
    changed = msgspec.structs.replace(msgspec.json.decode(body, type=Application), name=name)
    # The version tells every process that remembers the game to read it again.
    values = {"body": r.body(changed), "client_secret": client_secret, "definitions_version": c.definitions_version + 1}
    connection.execute(update(t.applications).where(c.id == client_id).values(values))


def put_webhooks(
    connection: Connection,
    client_id: ClientId,
    webhooks: Sequence[WebhookSubscription],
    *,
    at: datetime,
    new_id: NewId,
) -> None:
    wanted = list(webhooks)
    for row in connection.execute(select(t.webhook_subscribers).where(_S.client_id == client_id)).all():
        place = (row.url, set(json.loads(row.events)))
        same = next((each for each in wanted if (each.url, set(each.events)) == place), None)
        if same is None:
            connection.execute(delete(t.late_webhooks).where(t.late_webhooks.c.subscriber_id == row.id))
            connection.execute(delete(t.webhook_subscribers).where(_S.id == row.id))
        else:
            wanted.remove(same)
            connection.execute(update(t.webhook_subscribers).where(_S.id == row.id).values(secret=same.secret))
    end = select(func.coalesce(func.max(t.facts.c.position), 0)).where(t.facts.c.client_id == client_id)
    position = connection.execute(end).scalar_one()  # a new subscriber gets what happens from now on
    for each in wanted:
        values = {
            "id": new_id(),
            "client_id": client_id,
            "url": each.url,
            "events": json.dumps(each.events),
            "secret": each.secret,
            "created_at": to_micros(at),
            "delivered": 0,
            "failed_in_a_row": 0,
            "position": position,
        }
        connection.execute(insert(t.webhook_subscribers), values)


def put_incoming(connection: Connection, incoming: IncomingWebhooks) -> None:
    c = t.webhook_intakes.c
    connection.execute(delete(t.webhook_intakes).where(c.source_id == incoming.source_id))
    row = {
        "source_id": incoming.source_id,
        "client_secret": incoming.client_secret,
        "signed_form": incoming.signed_form,
        "api": incoming.api,
        "token": incoming.token,
    }
    connection.execute(insert(t.webhook_intakes), row)


def _application(
    row: Any, sends_to: tuple[str, str | None] | None, webhooks: Sequence[WebhookSubscription]
) -> ConnectedApplication:
    key, endpoint = sends_to or (None, None)
    return ConnectedApplication(
        id=ClientId(row.id),
        name=msgspec.json.decode(row.body, type=Application).name,
        client_secret=row.client_secret,
        write_key=key,
        endpoint=endpoint,
        webhooks=tuple(webhooks),
    )


def _subscription(row: Any) -> WebhookSubscription:
    return WebhookSubscription(url=row.url, events=tuple(json.loads(row.events)), secret=row.secret)
