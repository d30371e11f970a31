"""What the commands about webhooks do."""

from collections.abc import Sequence
from typing import Any

from tifo.api.webhooks import ROOT
from tifo.app import compose
from tifo.app.settings import Settings
from tifo.kernel.clock import system_clock, to_iso
from tifo.kernel.errors import NotFound, Rejected
from tifo.kernel.ids import ClientId
from tifo.livelike.routes.webhooks import attempts_of
from tifo.source.webhooks.inbox import Intake
from tifo.source.webhooks.incoming import SignedForm
from tifo.source.webhooks.outbox import Subscriber
from tifo.store.source.webhooks_out import SqlWebhookOutbox
from tifo.store.sql.database import Database
from tifo.workspace.model import Source
from tifo.workspace.rules import checked_address

_SHOWN = 100


def take(
    settings: Settings, source: str, *, secret: str, api: str | None, token: str | None, signed: str
) -> dict[str, Any]:
    database = compose.open_state(settings)
    found = _source(database, source)
    if not secret:
        raise Rejected("The secret is empty. Give the client secret of the LiveLike application.", field="secret")
    address = None if api is None else checked_address(api, "api")
    compose.inbox_of(database).configure(Intake(found.id, secret, SignedForm(signed), address, token))
    return {"source": found.slug, "path": f"{ROOT}{found.slug}", "api": address}


def status(settings: Settings, source: str) -> dict[str, Any]:
    database = compose.open_state(settings)
    found, inbox = _source(database, source), compose.inbox_of(database)
    held = [
        {
            "id": each.webhook_id,
            "event": each.event,
            "state": each.state.value,
            "received_at": to_iso(each.received_at),
            "attempts": each.attempts,
            "reason": each.reason,
            "next_at": None if each.next_at is None else to_iso(each.next_at),
        }
        for each in inbox.held(found.id, _SHOWN)
    ]
    return {**{state.value: count for state, count in inbox.counts(found.id).items()}, "held": held}


def retry(settings: Settings, source: str) -> dict[str, Any]:
    database = compose.open_state(settings)
    return {"tried_again": compose.inbox_of(database).retry(_source(database, source).id, system_clock())}


def add(settings: Settings, client_id: str, url: str, events: Sequence[str], secret: str | None) -> dict[str, Any]:
    if secret == "":
        raise Rejected("The secret is empty. Leave it out to sign with the client secret.", field="secret")
    return _shown(_outbox(settings).subscribe(ClientId(client_id), url, events, secret))


def subscribers(settings: Settings, client_id: str) -> list[dict[str, Any]]:
    return [_shown(each) for each in _outbox(settings).subscribers(ClientId(client_id))]


def remove(settings: Settings, client_id: str, subscriber_id: str) -> dict[str, Any]:
    _outbox(settings).unsubscribe(ClientId(client_id), subscriber_id)
    return {"removed": subscriber_id}


def deliveries(settings: Settings, client_id: str, subscriber_id: str) -> dict[str, Any]:
    outbox = _outbox(settings)
    report = outbox.report(ClientId(client_id), subscriber_id)
    late = outbox.late(ClientId(client_id), subscriber_id, _SHOWN)
    last = None if report.last_delivered_at is None else to_iso(report.last_delivered_at)
    return {**report._asdict(), "last_delivered_at": last, "late": [attempts_of(each) for each in late]}


def send_again(settings: Settings, client_id: str, subscriber_id: str) -> dict[str, Any]:
    return {"tried_again": _outbox(settings).retry(ClientId(client_id), subscriber_id)}


def _outbox(settings: Settings) -> SqlWebhookOutbox:
    return compose.outbox_of(compose.open_state(settings))


def _shown(subscriber: Subscriber) -> dict[str, Any]:
    return {
        "id": subscriber.id,
        "url": subscriber.url,
        "events": list(subscriber.events),
        "created_at": to_iso(subscriber.created_at),
    }


def _source(database: Database, name: str) -> Source:
    for source in compose.catalog_of(database).sources():
        if name in {source.slug, source.id}:
            return source
    raise NotFound(f"There is no source {name!r:.100}. See tifo source list.", field="source")
