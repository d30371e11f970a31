"""Subscribers of an application's webhooks, in LiveLike's envelope."""

from collections.abc import Sequence
from dataclasses import dataclass

from tifo.kernel.errors import Rejected
from tifo.kernel.ids import ClientId
from tifo.operations.backend import Backend
from tifo.source.webhooks.outbox import OutboxReport, Subscriber, UndeliveredWebhook

MAX_SHOWN = 100


@dataclass(frozen=True)
class SubscriberStatus:
    """Tells how one subscriber's webhooks fare."""

    report: OutboxReport
    undelivered: Sequence[UndeliveredWebhook]
    """At most `MAX_SHOWN` webhooks that the subscriber has not accepted, the oldest facts first."""


def add(backend: Backend, client_id: ClientId, url: str, events: Sequence[str], secret: str | None) -> Subscriber:
    """Subscribes an address to what happens from now on. A `secret` of None signs with the client secret."""
    if secret == "":  # not None: an empty secret would sign nothing, and nobody would notice
        raise Rejected("The secret is empty. Leave it out to sign with the client secret.", field="secret")
    return backend.outbox.subscribe(client_id, url, events, secret)


def listed(backend: Backend, client_id: ClientId) -> Sequence[Subscriber]:
    return backend.outbox.subscribers(client_id)


def remove(backend: Backend, client_id: ClientId, subscriber_id: str) -> None:
    """Drops the subscriber and everything that waits for it. Raises `NotFound`."""
    backend.outbox.unsubscribe(client_id, subscriber_id)


def status(backend: Backend, client_id: ClientId, subscriber_id: str) -> SubscriberStatus:
    report = backend.outbox.report(client_id, subscriber_id)
    return SubscriberStatus(report, backend.outbox.undelivered(client_id, subscriber_id, MAX_SHOWN))


def retry(backend: Backend, client_id: ClientId, subscriber_id: str) -> int:
    """Makes every waiting and dead-lettered webhook due now. Returns how many."""
    return backend.outbox.retry(client_id, subscriber_id)
