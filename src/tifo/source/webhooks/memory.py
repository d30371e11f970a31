"""Implements the webhooks' inbox and outbox in memory: the twins of those on SQL, for tests."""

import threading
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from tifo.engagement.facts import AnyFact
from tifo.kernel.clock import Clock, system_clock
from tifo.kernel.errors import NotFound
from tifo.kernel.ids import ClientId, FactId, NewId, ProfileId, SourceId, uuid7
from tifo.leases.ports import Lease
from tifo.source.webhooks.inbox import (
    DONE,
    HeldWebhook,
    Intake,
    ReceivedWebhook,
    WaitingWebhook,
    WebhookOutcome,
    WebhookState,
)
from tifo.source.webhooks.outbox import (
    OutboxReport,
    PlacedFact,
    Subscriber,
    UndeliveredWebhook,
    UndeliveredWebhookState,
)
from tifo.source.webhooks.outgoing import FactContext, checked_events
from tifo.workspace.rules import checked_address


@dataclass
class _StoredWebhook:
    number: int
    received: ReceivedWebhook
    state: WebhookState = WebhookState.WAITING
    attempts: int = 0
    reason: str | None = None
    next_at: datetime | None = None


class InMemoryWebhookInbox:
    """Implements `source.webhooks.inbox.WebhookInbox`.

    `require` raises `LeaseLost`, as `InMemoryLeases.require` does.
    """

    def __init__(self, require: Callable[[Lease], None] = lambda _: None) -> None:
        self._require = require
        self._lock = threading.Lock()
        self._intakes: dict[SourceId, Intake] = {}
        self._stored: dict[tuple[SourceId, str], _StoredWebhook] = {}
        self._numbers = 0

    def intakes(self) -> Sequence[Intake]:
        with self._lock:
            return [self._intakes[source_id] for source_id in sorted(self._intakes)]

    def configure(self, intake: Intake) -> None:
        with self._lock:
            earlier = self._intakes.get(intake.source_id, intake)
            merged = replace(intake, api=intake.api or earlier.api, token=intake.token or earlier.token)
            self._intakes[intake.source_id] = merged

    def replace(self, intake: Intake) -> None:
        """Replaces the settings as a whole, as a workspace file does."""
        with self._lock:
            self._intakes[intake.source_id] = intake

    def snapshot(self) -> Callable[[], None]:
        """Returns a function that restores the present settings."""
        before = dict(self._intakes)

        def restore() -> None:
            self._intakes = before

        return restore

    def add(self, batch: Sequence[ReceivedWebhook]) -> list[bool]:
        with self._lock:
            return [self._add(received) for received in batch]

    def due(self, source_id: SourceId, now: datetime, limit: int) -> Sequence[WaitingWebhook]:
        with self._lock:
            due = [each for each in self._of(source_id) if each.state is WebhookState.WAITING and _is_due(each, now)]
            return [_waiting(each) for each in due[:limit]]

    def settle(self, outcomes: Sequence[WebhookOutcome], *, under: Lease | None = None) -> None:
        with self._lock:
            if under is not None:
                self._require(under)
            by_number = {each.number: each for each in self._stored.values()}
            for outcome in outcomes:
                each = by_number[outcome.number]
                each.state, each.reason, each.next_at = outcome.state, outcome.reason, outcome.next_at
                # The body is a fan's data; the id alone finds copies.
                if outcome.state in DONE:
                    each.received = each.received._replace(body=b"")
                else:
                    each.attempts += 1

    def held(self, source_id: SourceId, limit: int) -> Sequence[HeldWebhook]:
        with self._lock:
            held = [each for each in self._of(source_id) if each.state not in DONE and each.attempts]
            return [_held(each) for each in held[:limit]]

    def counts(self, source_id: SourceId) -> dict[WebhookState, int]:
        with self._lock:
            found = Counter(each.state for each in self._of(source_id))
            return {state: found[state] for state in WebhookState}

    def retry(self, source_id: SourceId, at: datetime) -> int:
        with self._lock:
            retried = [each for each in self._of(source_id) if each.state not in DONE]
            for each in retried:
                each.state, each.next_at, each.attempts = WebhookState.WAITING, at, 0
            return len(retried)

    def forget(self, before: datetime) -> int:
        with self._lock:
            old = [
                key for key, each in self._stored.items() if each.state in DONE and each.received.received_at < before
            ]
            for key in old:
                del self._stored[key]
            return len(old)

    def _add(self, received: ReceivedWebhook) -> bool:
        key = (received.source_id, received.webhook_id)
        if key in self._stored:
            return False
        self._numbers += 1
        self._stored[key] = _StoredWebhook(self._numbers, received)
        return True

    def _of(self, source_id: SourceId) -> list[_StoredWebhook]:
        return [each for (owner, _), each in self._stored.items() if owner == source_id]


def _is_due(each: _StoredWebhook, now: datetime) -> bool:
    return each.next_at is None or each.next_at <= now


def _waiting(each: _StoredWebhook) -> WaitingWebhook:
    received = each.received
    return WaitingWebhook(
        number=each.number,
        webhook_id=received.webhook_id,
        event=received.event,
        body=received.body,
        received_at=received.received_at,
        attempts=each.attempts,
    )


def _held(each: _StoredWebhook) -> HeldWebhook:
    received = each.received
    return HeldWebhook(
        webhook_id=received.webhook_id,
        event=received.event,
        state=each.state,
        received_at=received.received_at,
        attempts=each.attempts,
        reason=each.reason,
        next_at=each.next_at,
    )


@dataclass
class _Subscription:
    subscriber: Subscriber
    cursor: int
    undelivered: dict[int, UndeliveredWebhook] = field(default_factory=dict)
    delivered: int = 0
    last_delivered: FactId | None = None
    last_delivered_at: datetime | None = None
    failed_in_a_row: int = 0


class InMemoryWebhookOutbox:
    """Implements `source.webhooks.outbox.WebhookOutbox`. `commit` adds facts, as the engine's transactions do on SQL.

    `context_of` and `secret_of` stand for the state that the SQL implementation reads; `secret_of` raises `NotFound`
    for an unknown application. `require` raises `LeaseLost`, as `InMemoryLeases.require` does.
    """

    def __init__(
        self,
        *,
        clock: Clock = system_clock,
        new_id: NewId = uuid7,
        context_of: Callable[[AnyFact], FactContext] = lambda _: FactContext(),
        secret_of: Callable[[ClientId], str],
        require: Callable[[Lease], None] = lambda _: None,
    ) -> None:
        self._require = require
        self._clock = clock
        self._new_id = new_id
        self._context_of = context_of
        self._secret_of = secret_of
        self._lock = threading.Lock()
        self._facts: list[AnyFact] = []
        self._subscriptions: dict[str, _Subscription] = {}

    def commit(self, *facts: AnyFact) -> None:
        with self._lock:
            self._facts += facts

    def subscribe(self, client_id: ClientId, url: str, events: Sequence[str], secret: str | None) -> Subscriber:
        address, wanted = checked_address(url, "target_url"), checked_events(events)
        with self._lock:
            own_secret = self._secret_of(client_id)
            subscriber = Subscriber(
                id=self._new_id(),
                client_id=client_id,
                url=address,
                events=wanted,
                secret=secret or own_secret,
                created_at=self._clock(),
            )
            # A new subscriber gets what happens from now on, not the application's whole past.
            self._subscriptions[subscriber.id] = _Subscription(subscriber, cursor=len(self._facts))
            return subscriber

    def subscribers(self, client_id: ClientId | None = None) -> Sequence[Subscriber]:
        with self._lock:
            if client_id is not None:
                self._secret_of(client_id)
            found = [each.subscriber for each in self._subscriptions.values()]
            return [each for each in found if client_id is None or each.client_id == client_id]

    def sign_with(self, subscriber: Subscriber, secret: str | None) -> None:
        with self._lock:
            found = self._subscriptions[subscriber.id]
            own = secret or self._secret_of(subscriber.client_id)
            found.subscriber = found.subscriber._replace(secret=own)

    def snapshot(self) -> Callable[[], None]:
        """Returns a function that restores the present subscribers."""
        before = {key: replace(each) for key, each in self._subscriptions.items()}

        def restore() -> None:
            self._subscriptions = before

        return restore

    def unsubscribe(self, client_id: ClientId, subscriber_id: str) -> None:
        with self._lock:
            self._known(client_id, subscriber_id)
            del self._subscriptions[subscriber_id]

    def new(self, subscriber: Subscriber, limit: int) -> Sequence[PlacedFact]:
        with self._lock:
            found = self._subscriptions.get(subscriber.id)
            return [] if found is None else self._beyond(found)[:limit]

    def due(self, subscriber: Subscriber, now: datetime, limit: int) -> Sequence[PlacedFact]:
        with self._lock:
            # One of each profile: its later ones must not overtake it.
            first: dict[ProfileId, UndeliveredWebhook] = {}
            for each in self._waiting(subscriber):
                first.setdefault(each.profile_id, each)
            due = [each for each in first.values() if each.next_at is None or each.next_at <= now]
            due.sort(key=lambda each: (each.next_at is not None, each.next_at or now, each.position))
            return [
                PlacedFact(each.position, self._facts[each.position - 1], each.attempts, each.first_at)
                for each in due[:limit]
            ]

    def waiting_profiles(self, subscriber: Subscriber, profile_ids: Sequence[ProfileId]) -> set[ProfileId]:
        with self._lock:
            return {each.profile_id for each in self._waiting(subscriber)} & set(profile_ids)

    def contexts(self, facts: Sequence[AnyFact]) -> Sequence[FactContext]:
        return [self._context_of(fact) for fact in facts]

    def settle(
        self,
        subscriber: Subscriber,
        *,
        through: int | None = None,
        delivered: Sequence[PlacedFact] = (),
        undelivered: Sequence[UndeliveredWebhook] = (),
        failed_in_a_row: int,
        at: datetime,
        under: Lease | None = None,
    ) -> None:
        with self._lock:
            if under is not None:
                self._require(under)
            found = self._subscriptions.get(subscriber.id)
            if found is None:  # unsubscribed while its webhooks were under way
                return
            found.cursor = max(found.cursor, found.cursor if through is None else through)
            found.failed_in_a_row = failed_in_a_row
            for placed in delivered:
                found.undelivered.pop(placed.position, None)
            found.undelivered |= {each.position: each for each in undelivered}
            if delivered:
                found.delivered += len(delivered)
                newest = max(delivered, key=lambda placed: placed.position)
                found.last_delivered, found.last_delivered_at = newest.fact.id, at

    def undelivered(self, client_id: ClientId, subscriber_id: str, limit: int) -> Sequence[UndeliveredWebhook]:
        with self._lock:
            found = self._known(client_id, subscriber_id)
            return [found.undelivered[position] for position in sorted(found.undelivered)][:limit]

    def retry(self, client_id: ClientId, subscriber_id: str) -> int:
        with self._lock:
            found = self._known(client_id, subscriber_id)
            for position, each in found.undelivered.items():
                found.undelivered[position] = each._replace(
                    state=UndeliveredWebhookState.WAITING, attempts=0, first_at=None, tried_at=None, next_at=None
                )
            return len(found.undelivered)

    def report(self, client_id: ClientId, subscriber_id: str) -> OutboxReport:
        with self._lock:
            found = self._known(client_id, subscriber_id)
            states = Counter(each.state for each in found.undelivered.values())
            return OutboxReport(
                to_send=len(self._beyond(found)),
                waiting=states[UndeliveredWebhookState.WAITING],
                dead_lettered=states[UndeliveredWebhookState.DEAD_LETTERED],
                delivered=found.delivered,
                last_delivered=found.last_delivered,
                last_delivered_at=found.last_delivered_at,
                failed_in_a_row=found.failed_in_a_row,
            )

    def _beyond(self, found: _Subscription) -> list[PlacedFact]:
        placed = [PlacedFact(number, fact) for number, fact in enumerate(self._facts, start=1)]
        own = found.subscriber.client_id
        return [each for each in placed[found.cursor :] if each.fact.client_id == own]

    def _waiting(self, subscriber: Subscriber) -> list[UndeliveredWebhook]:
        found = self._subscriptions.get(subscriber.id)
        undelivered = {} if found is None else found.undelivered
        in_order = [undelivered[position] for position in sorted(undelivered)]
        return [each for each in in_order if each.state is UndeliveredWebhookState.WAITING]

    def _known(self, client_id: ClientId, subscriber_id: str) -> _Subscription:
        found = self._subscriptions.get(subscriber_id)
        if found is None or found.subscriber.client_id != client_id:
            raise NotFound(f"The application has no webhook subscriber {subscriber_id!r:.100}.", field="id")
        return found
