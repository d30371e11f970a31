"""What the commands about webhooks do."""

from typing import Any

from tifo.api.webhooks import ROOT
from tifo.app import compose
from tifo.app.settings import Settings
from tifo.kernel.clock import system_clock, to_iso
from tifo.kernel.errors import NotFound, Rejected
from tifo.source.inbox import Intake
from tifo.source.webhooks_in import SignedForm
from tifo.store.database import Database
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


def _source(database: Database, name: str) -> Source:
    for source in compose.catalog_of(database).sources():
        if name in {source.slug, source.id}:
            return source
    raise NotFound(f"There is no source {name!r:.100}. See tifo source list.", field="source")
