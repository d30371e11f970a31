"""Reads the library's answers as outcomes of events, and as exchanges that people may see. Pure."""

import json
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from tifo.destinations.ports import (
    DELIVERED,
    EXCHANGE_CHARACTERS,
    NO_MATCHING_MAPPING,
    Exchange,
    Fate,
    Outcome,
)
from tifo.destinations.settings import MASK
from tifo.egress.waits import retry_after_s

Masking = Callable[[str], str]
"""Replaces every secret in a text."""

# The library's own rule: 408, 429, 5xx and failures of the network are worth another attempt.
_RETRIED = frozenset((408, 429))
_SHOWN = frozenset(("content-type", "user-agent"))


def outcomes_of(answer: Mapping[str, Any], events: int, now: datetime, masked: Masking) -> list[Outcome]:
    """Reads the answer to a request with so many events; returns one outcome for each."""
    exchanges = [_exchange(each, masked) for each in answer["exchanges"]]
    # A batch goes out in fewer requests than it has events: all of them show the last one.
    one_each = len(exchanges) == events
    return [
        _outcome(result, (exchanges[at] if one_each else exchanges[-1]) if exchanges else None, now, masked)
        for at, result in enumerate(answer["results"])
    ]


def joined(found: Sequence[tuple[str, Outcome]]) -> Outcome:
    """Joins the outcomes of one event's mappings, given by the mappings' ids."""
    if not found:
        return NO_MATCHING_MAPPING
    undone = [(mapping_id, outcome) for mapping_id, outcome in found if outcome.fate is not Fate.DELIVERED]
    if not undone:
        return found[-1][1]
    retried = [each for each in undone if each[1].fate is Fate.RETRY]
    # Only mappings that did not deliver are left for the next attempt: the others must not send the event again.
    left = json.dumps([mapping_id for mapping_id, _ in undone]).encode()
    return (retried or undone)[0][1]._replace(left=left)


def _outcome(result: Mapping[str, Any], exchange: Exchange | None, now: datetime, masked: Masking) -> Outcome:
    if result.get("ok"):
        return DELIVERED._replace(exchange=exchange)
    status, code = result.get("status"), result.get("code")
    detail = masked(str(result.get("message") or ""))[:EXCHANGE_CHARACTERS]
    if result.get("name") == "FetchError":  # the library's name for a failure of the network
        return Outcome(Fate.RETRY, str(code or "ECONNRESET"), detail, exchange=exchange)
    if status is None:
        return Outcome(Fate.FAILED, "MESSAGE_REJECTED", detail, exchange=exchange)
    if status in _RETRIED or status >= 500:  # noqa: PLR2004 (HTTP's classes of status)
        after_s = retry_after_s(result.get("retry_after"), now.astimezone(UTC))
        return Outcome(Fate.RETRY, str(status), detail, retry_after_s=after_s, exchange=exchange)
    if code == "PAYLOAD_VALIDATION_FAILED":
        return Outcome(Fate.FAILED, "MESSAGE_REJECTED", detail, exchange=exchange)
    return Outcome(Fate.FAILED, str(status), detail, exchange=exchange)


def _exchange(sent: Mapping[str, Any], masked: Masking) -> Exchange:
    headers = [
        f"{name}: {value if name.lower() in _SHOWN else MASK}" for name, value in sent.get("headers", {}).items()
    ]
    request = "\n".join([f"{sent['method']} {sent['url']}", *headers, "", str(sent.get("body", ""))])
    response = f"{sent.get('status', '')}\n\n{sent.get('response', '')}".lstrip()
    # Masked before it is cut: a secret that the cut goes through would not be found any more.
    return Exchange(masked(request)[:EXCHANGE_CHARACTERS], masked(response)[:EXCHANGE_CHARACTERS])
