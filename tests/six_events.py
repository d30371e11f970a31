"""One message of each of the six events, with every property that events.yaml names."""

from pathlib import Path
from typing import Any

import yaml

import tifo.source

_AT = "2026-11-25T10:00:00.000Z"
_SAID = {"badge_title": "Super Fan", "reward_item_name": "Points", "quest_name": "Match day"}


def _value(name: str, kind: str) -> Any:
    return 5 if kind == "number" else _SAID.get(name, f"{name.replace('_', '-')}-1")


def _message(event: str, told: dict[str, Any]) -> dict[str, Any]:
    properties = {name: _value(name, each["type"]) for name, each in told["properties"].items()}
    times = dict.fromkeys(("timestamp", "originalTimestamp", "sentAt", "receivedAt"), _AT)
    return {
        "type": "track",
        "event": event,
        "messageId": f"0193a5f0-0000-7000-8000-{event.lower().replace(' ', '-')}",
        "userId": "ada",
        "anonymousId": "profile-1",
        "properties": properties,
        "context": {"library": {"name": "tifo", "version": "0.1.0"}},
        "integrations": {},
        "version": 2,
        **times,
    }


_TABLE = yaml.safe_load((Path(tifo.source.__file__).parent / "events.yaml").read_text())
SIX_EVENTS = [_message(event, told) for event, told in _TABLE["events"].items()]
