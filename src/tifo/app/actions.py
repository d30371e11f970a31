"""An application's actions that tracked events trigger, for people and scripts."""

import contextlib
from typing import Any

from tifo.app import compose
from tifo.app.settings import Settings
from tifo.kernel.clock import to_iso
from tifo.kernel.ids import ClientId
from tifo.store.sql.database import Database


def show_actions(settings: Settings, database: Database, client_id: ClientId) -> dict[str, Any] | None:
    """None where the application has none. `behind_events` counts all sources' events that are not looked at yet."""
    state = compose.actions_of(database)
    triggered = [each for each in state.view().triggered if each.client_id == client_id]
    if not triggered:
        return None
    slugs = {source.id: source.slug for source in compose.catalog_of(database).sources()}
    with contextlib.closing(compose.open_log_reader(settings)) as log:
        behind = max(0, log.end() - state.position())
    return {
        "behind_events": behind,
        "actions": [
            {
                "key": each.action.key,
                "source": slugs.get(each.trigger.source_id, each.trigger.source_id),
                "event": each.trigger.event,
            }
            for each in triggered
        ],
        "skipped": [
            {
                "key": skipped.reward_action_key,
                "reason": skipped.reason,
                "count": skipped.total,
                "message_id": skipped.message_id,
                "detail": skipped.detail,
                "at": to_iso(at),
            }
            for skipped, at in state.skipped(client_id)
        ],
    }
