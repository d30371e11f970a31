"""Counts violations of tracking plans by kind, and makes the events that forward them where controls say so."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

import msgspec

from tifo.kernel.clock import to_iso
from tifo.kernel.ids import MessageId, SourceId, TrackingPlanId
from tifo.tracking.envelope import Message
from tifo.tracking.plans.checking import Verdict, Violation
from tifo.tracking.plans.model import TrackingPlan

# A client that makes up event names must fill neither the memory nor the state.
MAX_KINDS = 2_000
"""Kinds of one source that are counted singly in ten minutes, and of all sources between two writes; further ones are
counted together as `OTHER`."""
_MAX_TEXT = 200
"""Characters of a name and a field that tell kinds apart: PostgreSQL refuses a key of more than 2,704 bytes."""
OTHER = "(other)"
NO_PLAN = TrackingPlanId("")
"""Stands for the plan of a source without one: its messages are noted where they were repaired."""
BUCKET_MINUTES = 10
# Segment: violations are forwarded as this track, of this user.
GENERATED = "Violation Generated"
USER = "schema-violations"
SAMPLE_BYTES = 1_024


class ViolationKey(NamedTuple):
    """Identifies one kind of violation of one source in ten minutes."""

    source_id: SourceId
    plan_id: TrackingPlanId
    bucket: int
    """Number of the ten minutes, counted from 1970."""
    type: str
    name: str
    violation: str
    field: str


class ViolationCounts(NamedTuple):
    """Counts the events with one kind of violation, and holds the newest as a sample."""

    total: int
    blocked: int
    omitted: int
    description: str
    message_id: str
    sample: bytes
    at: datetime


def bucket_of(moment: datetime) -> int:
    """Numbers the stretches of `BUCKET_MINUTES` since 1970."""
    return int(moment.timestamp()) // (60 * BUCKET_MINUTES)


def added(before: ViolationCounts | None, noted: ViolationCounts) -> ViolationCounts:
    """Adds the counts up; the newer sample stays."""
    if before is None:
        return noted
    return noted._replace(
        total=before.total + noted.total,
        blocked=before.blocked + noted.blocked,
        omitted=before.omitted + noted.omitted,
    )


class ViolationBuffer:
    """Holds the violations of requests until they are written. Never grows beyond its limit."""

    def __init__(self, limit: int = MAX_KINDS) -> None:
        self._limit = limit
        self._found: dict[ViolationKey, ViolationCounts] = {}
        self._known: dict[SourceId, tuple[int, set[ViolationKey]]] = {}
        """The kinds that each source has in its newest ten minutes."""

    def note(self, source_id: SourceId, plan_id: TrackingPlanId, message: Message, at: datetime) -> None:
        verdict = message.verdict
        if verdict is None:
            return
        bucket = bucket_of(at)
        for violation in verdict.violations:
            kind = ViolationKey(
                source_id=source_id,
                plan_id=plan_id,
                bucket=bucket,
                type=verdict.call,
                name=verdict.name[:_MAX_TEXT],
                violation=violation.type,
                field=violation.field[:_MAX_TEXT],
            )
            is_blocked, is_omitted = verdict.blocked is not None, violation.field in verdict.omitted
            sample = message.body[:SAMPLE_BYTES]
            self._add(
                self._bounded(kind),
                ViolationCounts(
                    total=1,
                    blocked=is_blocked,
                    omitted=is_omitted,
                    description=violation.description,
                    message_id=message.message_id,
                    sample=sample,
                    at=at,
                ),
            )

    def _bounded(self, kind: ViolationKey) -> ViolationKey:
        bucket, known = self._known.get(kind.source_id, (kind.bucket, set()))
        if bucket != kind.bucket:
            known = set()
        self._known[kind.source_id] = (kind.bucket, known)
        if kind not in known and len(known) >= self._limit:
            return _other(kind)
        known.add(kind)
        return kind

    def restore(self, found: Mapping[ViolationKey, ViolationCounts]) -> None:
        """Puts back counts that could not be written, before the newer ones: the newest sample stays."""
        newer, self._found = self._found, dict(found)
        for kind, noted in newer.items():
            self._add(kind, noted)

    def _add(self, kind: ViolationKey, noted: ViolationCounts) -> None:
        # Still counted: the sum of violations stays right.
        if kind not in self._found and len(self._found) >= self._limit:
            kind = _other(kind)
        self._found[kind] = added(self._found.get(kind), noted)

    def drain(self) -> Mapping[ViolationKey, ViolationCounts]:
        """Returns and removes the counts since the last call."""
        found, self._found = self._found, {}
        return found


def _other(kind: ViolationKey) -> ViolationKey:
    return kind._replace(name=OTHER, field=OTHER, violation=OTHER)


@dataclass(frozen=True)
class Origin:
    """Identifies the source of the events."""

    id: SourceId
    name: str
    slug: str


class _Sent(msgspec.Struct, rename="camel"):
    type: str
    sent_at: str | None = None
    timestamp: str | None = None
    context: Any = None


def generated(origin: Origin, plan: TrackingPlan, message: Message, at: datetime) -> Sequence[Message]:
    """Makes a `Violation Generated` track of each violation, with the properties that Segment documents."""
    verdict = message.verdict
    if verdict is None:
        return []
    about = _about(origin, plan, message, verdict)
    return [_track(about, violation, at) for violation in verdict.violations]


def _about(origin: Origin, plan: TrackingPlan, message: Message, verdict: Verdict) -> dict[str, Any]:
    sent = msgspec.json.decode(message.body, type=_Sent)
    app = sent.context.get("app") if isinstance(sent.context, dict) else None
    return {
        "eventName": verdict.name,
        "eventType": sent.type,
        "eventMessageID": message.message_id,
        "eventSentAt": sent.sent_at,
        "eventTimestamp": sent.timestamp,
        "appVersion": app.get("version") if isinstance(app, dict) else None,
        "sourceID": origin.id,
        "sourceName": origin.name,
        "sourceSlug": origin.slug,
        "trackingPlanID": plan.id,
        "trackingPlanName": plan.name,
    }


def _track(about: Mapping[str, Any], violation: Violation, at: datetime) -> Message:
    now = to_iso(at)
    # Follows from the message's id: a message that is sent again gives duplicates, which the log drops.
    made_id = _id("violation", about["sourceID"], about["eventMessageID"], violation.type, violation.field)
    properties = {
        **about,
        "violationType": violation.type,
        "violationField": violation.field,
        "violationDescription": violation.description,
    }
    body = {
        "type": "track",
        "messageId": made_id,
        "userId": USER,
        "event": GENERATED,
        "properties": {name: value for name, value in properties.items() if value is not None},
        "context": {"library": {"name": "tifo"}},
        "integrations": {},
        "timestamp": now,
        "originalTimestamp": now,
        "receivedAt": now,
    }
    return Message(made_id, msgspec.json.encode(body))


def forwarded(origin: Origin, message: Message) -> Message:
    """Makes the event that another source gets of a blocked one: the same, with its source and violations."""
    body = msgspec.json.decode(message.body)
    verdict = message.verdict
    violations = [] if verdict is None else [each._asdict() for each in verdict.violations]
    context = body.get("context") or {}
    # Its source and violations stand in the context: the properties must stay those of the blocked event.
    body["context"] = {**context, "protocols": {"sourceId": origin.id, "violations": violations}}
    made_id = body["messageId"] = _id("blocked", origin.id, message.message_id)
    body["context"]["protocols"]["messageId"] = message.message_id
    return Message(made_id, msgspec.json.encode(body))


def _id(*parts: str) -> MessageId:
    digest = hashlib.blake2b("\0".join(parts).encode(), digest_size=16).hexdigest()
    return MessageId(f"{parts[0]}-{digest}")
