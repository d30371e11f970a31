"""Composes the document of everything that the api role serves."""

from collections.abc import Callable
from typing import Any

from tifo.api.described.operators import operators_part
from tifo.api.described.tracking import tracking_part
from tifo.api.described.webhooks import webhooks_part
from tifo.api.management.document import management_part
from tifo.livelike.app import livelike_part
from tifo.web.openapi.parts import document

_ABOUT = """Tifo rewards fans and streams every achievement as an event.

The **Tracking API** receives events with a source's write key. The **LiveLike API** has profiles, rewards, badges,
quests and leaderboards, with tokens of fans and of producers. The **Management API** changes the workspace, with tokens
of the workspace."""


def api_document(is_served: Callable[[str], bool]) -> dict[str, Any]:
    """`is_served` says whether a page for operators is served at an address."""
    parts = (tracking_part(), livelike_part(), management_part(), webhooks_part(), operators_part(is_served))
    return document(parts, title="Tifo", about=_ABOUT)
