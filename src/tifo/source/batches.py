"""Encodes facts as messages, cuts them into batches within Segment's limits, and posts a batch to `/v1/batch`."""

import base64
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from importlib.metadata import version
from typing import NamedTuple

import aiohttp
import msgspec

from tifo.egress.answers import HttpAnswer
from tifo.egress.http import HttpRequest, send
from tifo.engagement.facts import AnyFact
from tifo.kernel.clock import Clock, system_clock, to_iso
from tifo.kernel.ids import FactId
from tifo.kernel.json import JsonObject
from tifo.source.events import track_message

TIMEOUT_S = 30.0
_ANSWER_BYTES = 2_048
_LIBRARY = {"name": "tifo", "version": version("tifo")}
_ENVELOPE_ROOM = 1_000
"""Bytes reserved for `sentAt` and the write key, which stand beside the messages."""


@dataclass(frozen=True)
class Limits:
    """Limits the batches that are sent. Segment accepts events of 32 KB, and batches of 500 KB and 2,500 events."""

    event_bytes: int = 32 * 1024
    # The smaller reading of 500 KB: an endpoint may count 1,000 bytes or 1,024.
    batch_bytes: int = 500_000
    batch_events: int = 500


class EncodedFact(NamedTuple):
    fact_id: FactId
    body: bytes


def encode(fact: AnyFact, context: JsonObject | None = None) -> EncodedFact:
    """Encodes the fact's track message. `context` is added to the context that every message has."""
    # In each message, not once in the envelope: not every Segment-compatible endpoint merges the envelope's context.
    message = {**track_message(fact), "context": {"library": _LIBRARY, **(context or {})}}
    return EncodedFact(fact.id, msgspec.json.encode(message))


def cut(messages: Iterable[EncodedFact], limits: Limits) -> Iterable[list[EncodedFact]]:
    """Cuts batches, in the order of the messages."""
    batch: list[EncodedFact] = []
    size = _ENVELOPE_ROOM
    for message in messages:
        # A message that is too large makes a batch of its own: it will be refused, and must not take others with it.
        too_large = len(message.body) > limits.event_bytes
        grown = size + len(message.body) + 1
        if batch and (too_large or grown > limits.batch_bytes or len(batch) == limits.batch_events):
            yield batch
            batch, grown = [], _ENVELOPE_ROOM + len(message.body) + 1
        batch.append(message)
        size = grown
        if too_large:
            yield batch
            batch, size = [], _ENVELOPE_ROOM
    if batch:
        yield batch


def envelope(batch: Sequence[EncodedFact], write_key: str, sent_at: datetime) -> bytes:
    # Joined as bytes: each message was encoded once, and is not encoded again when its batch is halved or sent again.
    messages = b",".join(message.body for message in batch)
    rest = msgspec.json.encode({"sentAt": to_iso(sent_at), "writeKey": write_key})
    return b'{"batch":[' + messages + b"]," + rest[1:]


async def post_batch(
    session: aiohttp.ClientSession,
    endpoint: str,
    write_key: str,
    body: bytes,
    *,
    timeout_s: float = TIMEOUT_S,
    clock: Clock = system_clock,
) -> HttpAnswer:
    """Posts one batch. Never raises for what the network or the endpoint does."""
    request = HttpRequest(
        url=f"{endpoint.rstrip('/')}/v1/batch",
        body=body,
        headers=_headers(write_key),
        timeout_s=timeout_s,
        answer_bytes=_ANSWER_BYTES,
    )
    answer = await send(session, request, clock)
    # An endpoint may repeat the write key in a refusal, and refusals are stored and shown.
    return answer._replace(text=answer.text.replace(write_key, "[write key]"))


def _headers(write_key: str) -> Mapping[str, str]:
    # In the header as well as in the body: Segment documents the body's as the primary one, RudderStack's own clients
    # send the header only.
    credentials = base64.b64encode(f"{write_key}:".encode()).decode()
    return {
        "Authorization": f"Basic {credentials}",
        "Content-Type": "application/json",
        "Accept-Encoding": "identity",  # answers are not decompressed (egress/http.py)
        "User-Agent": "tifo",
    }
