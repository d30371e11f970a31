"""Forwards events to another pipeline with Segment's Tracking API: Segment, RudderStack, another Tifo.

An event keeps its message id, by which the other side drops duplicates, its fields and its corrected `timestamp`.
"""

import base64
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

import msgspec

from tifo.destinations.http import send
from tifo.destinations.kinds.base import OwnKind
from tifo.destinations.ports import Batching, Configured, Event, Outcome, Setting, Settings, SettingType, Tools
from tifo.destinations.settings import checked
from tifo.egress.http import HttpRequest
from tifo.kernel.clock import to_iso
from tifo.kernel.errors import Rejected

SEGMENT = "https://api.segment.io"
# The other side sets `receivedAt`. By `sentAt` and `originalTimestamp` it would correct the time a second time; the
# batch's own `sentAt` says when we sent it.
_LEFT_OUT = ("receivedAt", "sentAt", "originalTimestamp")
# Segment accepts 500 KB in a request, and RudderStack not less.
_BATCHING = Batching(max_events=100, max_bytes=400_000)
_read = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_write = msgspec.json.Encoder().encode


class Forwarder(OwnKind):
    """Describes the kind `segment`, and opens its destinations."""

    id = "segment"
    name = "Segment"
    description = "Sends events to Segment, RudderStack, another Tifo: any that has /v1/batch."
    settings = (
        Setting(
            "write_key",
            SettingType.SECRET,
            "Write key",
            "The write key of the source on the other side.",
            required=True,
        ),
        Setting("endpoint", SettingType.TEXT, "Endpoint", "The other side's address, without /v1.", default=SEGMENT),
        Setting("timeout_s", SettingType.NUMBER, "Timeout", "Seconds to wait for an answer.", default=10.0),
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
    """Forwards to one source of the other side."""

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
        """Closes nothing: the session belongs to the role."""


def _forwarded(body: bytes) -> Mapping[str, msgspec.Raw]:
    message = _read(body)
    for name in _LEFT_OUT:
        message.pop(name, None)
    return message
