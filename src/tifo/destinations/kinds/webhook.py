"""Sends each event, or a JSON array of events, to up to five addresses, signed as Segment signs.

Events are sent as the log holds them, without decoding.
"""

import asyncio
import hmac
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

from tifo.destinations.http import send
from tifo.destinations.kinds.base import OwnKind
from tifo.destinations.ports import (
    Batching,
    Configured,
    Event,
    Fate,
    Outcome,
    Setting,
    Settings,
    SettingType,
    Tools,
)
from tifo.destinations.settings import checked
from tifo.egress.http import HttpRequest
from tifo.kernel.errors import Rejected

# Segment's webhooks: up to 5 addresses, of which one that accepts is enough; up to 4,000 events in a batch; 5 s.
MAX_URLS = 5
MAX_BATCH = 4_000
MAX_BATCH_BYTES = 4 << 20
_METHODS = ("POST", "PUT", "PATCH")
_OURS = frozenset(("content-type", "content-length", "host", "x-signature", "x-tifo-signature", "transfer-encoding"))


class Webhook(OwnKind):
    """Describes the kind `webhook`, and opens its destinations."""

    id = "webhook"
    name = "Webhooks"
    description = "Sends every event, as it came in, to an address of yours."
    settings = (
        Setting(
            "url",
            SettingType.LIST,
            "Address",
            "Up to 5 addresses, separated by commas. One that accepts the event is enough.",
            required=True,
        ),
        Setting("shared_secret", SettingType.SECRET, "Shared secret", "Signs each request (X-Signature)."),
        Setting(
            "headers", SettingType.MAP, "Headers", "Sent with each request, such as `Authorization: …`.", secret=True
        ),
        Setting("method", SettingType.CHOICE, "Method", "The request's method.", default="POST", choices=_METHODS),
        Setting("batch", SettingType.BOOLEAN, "Batch", "Sends a JSON array of events in one request.", default=False),
        Setting(
            "batch_size", SettingType.INTEGER, "Batch size", f"Events in a batch, up to {MAX_BATCH:,}.", default=1_000
        ),
        Setting("timeout_s", SettingType.NUMBER, "Timeout", "Seconds to wait for an answer.", default=5.0),
        Setting(
            "ordered", SettingType.BOOLEAN, "In order", "Sends one user's events one after the other.", default=False
        ),
    )

    def check(self, settings: Settings) -> dict[str, Any]:
        value = checked(self.settings, settings)
        _check_urls(value["url"])
        _check_headers(value["headers"] or {})
        for name, lowest, highest in (("batch_size", 1, MAX_BATCH), ("timeout_s", 0.1, 60)):
            if not lowest <= value[name] <= highest:
                raise Rejected(f"{name} is {value[name]}. Give {lowest} to {highest:,}.", field=name)
        return value

    async def open(self, configured: Configured, tools: Tools) -> "_Webhook":
        return _Webhook(configured.settings, tools)


def _check_urls(urls: Sequence[str]) -> None:
    if not urls or len(urls) > MAX_URLS:
        raise Rejected(f"url has {len(urls)} addresses. Give 1 to {MAX_URLS}.", field="url")
    for url in urls:
        parts = urlsplit(url)
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            raise Rejected(f"url {url!r:.200} is no address. Give one such as https://example.com/hook.", field="url")


def _check_headers(headers: Mapping[str, str]) -> None:
    for name, value in headers.items():
        if name.lower() in _OURS:
            raise Rejected(f"headers has {name:.80}, which Tifo sets. Leave it out.", field="headers")
        if not name.isascii() or not name.replace("-", "").replace("_", "").isalnum() or not value.isprintable():
            raise Rejected(
                f"headers has {name!r:.80}, which is no header. Give lines such as `X-Team: fans`.", field="headers"
            )


class _Webhook:
    """Posts to the addresses of one destination."""

    def __init__(self, settings: Settings, tools: Tools) -> None:
        self._settings = settings
        self._tools = tools
        self._secret = (settings.get("shared_secret") or "").encode()
        self._base = {"Content-Type": "application/json", "User-Agent": "Tifo", **(settings.get("headers") or {})}
        size = settings["batch_size"] if settings["batch"] else 1
        self.batching = Batching(size, MAX_BATCH_BYTES)
        self.ordered = bool(settings["ordered"])

    async def send(self, events: Sequence[Event]) -> Sequence[Outcome]:
        body = events[0].body
        if self._settings["batch"]:
            body = b"[" + b",".join(event.body for event in events) + b"]"
        headers = {**self._base, **self._signatures(events[0].body, body)}
        outcomes = await asyncio.gather(*(self._post(url, body, headers) for url in self._settings["url"]))
        delivered = [outcome for outcome in outcomes if outcome.fate is Fate.DELIVERED]
        retried = [outcome for outcome in outcomes if outcome.fate is Fate.RETRY]
        # One address that accepted suffices: a retry would send the event to that address a second time.
        return [(delivered or retried or outcomes)[0]] * len(events)

    async def close(self) -> None:
        """Closes nothing: the session belongs to the role."""

    def _signatures(self, first: bytes, body: bytes) -> dict[str, str]:
        if not self._secret:
            return {}
        # Segment signs the first event of a batch only, so X-Signature does too. Ours: X-Tifo-Signature is over the
        # whole body.
        signatures = {"X-Signature": hmac.new(self._secret, first, "sha1").hexdigest()}
        if body is not first:
            signatures["X-Tifo-Signature"] = hmac.new(self._secret, body, "sha256").hexdigest()
        return signatures

    async def _post(self, url: str, body: bytes, headers: Mapping[str, str]) -> Outcome:
        request = HttpRequest(
            method=self._settings["method"],
            url=url,
            body=body,
            headers=headers,
            timeout_s=self._settings["timeout_s"],
        )
        return await send(self._tools.session, request, self._tools.clock)
