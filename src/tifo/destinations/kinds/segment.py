"""Forwarder: events go on to another pipeline that speaks Segment's Tracking API: Segment, RudderStack, another Tifo.

Each keeps its message id (by which the other side knows one that is sent again), its fields and its corrected
`timestamp`. What the other side makes itself is left out: `receivedAt`, and the client's `sentAt` and
`originalTimestamp`, by which it would correct the time a second time; the batch says when we sent it.
"""

import base64
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

import msgspec

from tifo.destinations.http import send
from tifo.destinations.ports import Batching, Configured, Event, Outcome, Setting, Settings, SettingType, Tools
from tifo.destinations.settings import checked
from tifo.egress.http import HttpRequest
from tifo.kernel.clock import to_iso
from tifo.kernel.errors import Rejected

SEGMENT = "https://api.segment.io"
_LEFT_OUT = ("receivedAt", "sentAt", "originalTimestamp")
_BATCHING = Batching(max_events=100, max_bytes=400_000)
"""Segment takes 500 KB in a request, RudderStack's events have no less."""
_read = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_write = msgspec.json.Encoder().encode


class Forwarder:
    """The kind."""

    id = "segment"
    name = "Segment"
    description = "Segment, RudderStack, or another Tifo: whatever takes events at /v1/batch."
    handles = frozenset(("track", "identify", "page", "screen", "group", "alias"))
    local = False
    actions = presets = automatic = ()
    settings = (
        Setting("write_key", SettingType.SECRET, "Write key", "Of the source over there.", required=True),
        Setting("endpoint", SettingType.TEXT, "Endpoint", "Its address, without /v1.", default=SEGMENT),
        Setting("timeout_s", SettingType.NUMBER, "Timeout", "Seconds until an answer is given up.", default=10.0),
    )

    def check(self, settings: Settings) -> dict[str, Any]:
        value = checked(self.settings, settings)
        parts = urlsplit(value["endpoint"])
        if parts.scheme not in {"http", "https"} or not parts.hostname or parts.path.strip("/"):
            raise Rejected(
                f"endpoint {value['endpoint']!r:.200} is no address without a path. Give one such as {SEGMENT}.",
                field="endpoint",
            )
        if not 0.1 <= value["timeout_s"] <= 60:  # noqa: PLR2004 (as the message says)
            raise Rejected(f"timeout_s is {value['timeout_s']}. Give 0.1 to 60.", field="timeout_s")
        return value

    async def open(self, configured: Configured, tools: Tools) -> "_Forwarder":
        return _Forwarder(configured.settings, tools)


class _Forwarder:
    """One that is set up."""

    batching = _BATCHING
    ordered = True

    def __init__(self, settings: Settings, tools: Tools) -> None:
        self._tools = tools
        self._timeout_s = settings["timeout_s"]
        self._address = f"{settings['endpoint'].rstrip('/')}/v1/batch"
        credentials = base64.b64encode(f"{settings['write_key']}:".encode()).decode()
        self._headers = {
            "Authorization": f"Basic {credentials}",
            "Content-Type": "application/json",
            "User-Agent": "Tifo",
        }

    async def send(self, events: Sequence[Event]) -> Sequence[Outcome]:
        batch = {"batch": [_forwarded(event.body) for event in events], "sentAt": to_iso(self._tools.clock())}
        request = HttpRequest(url=self._address, body=_write(batch), headers=self._headers, timeout_s=self._timeout_s)
        return [await send(self._tools.session, request, self._tools.clock)] * len(events)

    async def close(self) -> None:
        """The session is the role's."""


def _forwarded(body: bytes) -> Mapping[str, msgspec.Raw]:
    message = _read(body)
    for name in _LEFT_OUT:
        message.pop(name, None)
    return message
