"""Webhook subscribers, and the state of their deliveries."""

import msgspec

from tifo.kernel.clock import to_iso
from tifo.livelike.links import Links
from tifo.livelike.resources.base import Id, Resource, Time, Url, time_or_none
from tifo.source.webhooks.outbox import OutboxReport, Subscriber, UndeliveredWebhook


class WebhookResource(Resource, frozen=True, kw_only=True):
    """A subscriber without its secret."""

    id: Id
    url: Url
    client_id: Id
    target_url: Url
    events: tuple[str, ...]
    created_at: Time
    attempts_url: Url

    @classmethod
    def of(cls, subscriber: Subscriber, links: Links) -> "WebhookResource":
        return cls(
            id=subscriber.id,
            url=links.to("webhooks", subscriber.id),
            client_id=subscriber.client_id,
            target_url=subscriber.url,
            events=subscriber.events,
            created_at=to_iso(subscriber.created_at),
            attempts_url=links.to("webhooks", subscriber.id, "attempts"),
        )


class WebhookDeliveriesResource(Resource, frozen=True, kw_only=True):
    """Counts a subscriber's webhooks: `waiting` have a next attempt, `aside` (the dead-lettered ones) have none."""

    to_send: int
    waiting: int
    aside: int
    delivered: int
    last_delivered: Id | None
    last_delivered_at: Time | None
    failed_in_a_row: int

    @classmethod
    def of(cls, report: OutboxReport) -> "WebhookDeliveriesResource":
        return cls(
            to_send=report.to_send,
            waiting=report.waiting,
            aside=report.dead_lettered,
            delivered=report.delivered,
            last_delivered=report.last_delivered,
            last_delivered_at=time_or_none(report.last_delivered_at),
            failed_in_a_row=report.failed_in_a_row,
        )


class WebhookStatusResource(WebhookResource, frozen=True, kw_only=True):
    """A subscriber with the state of its deliveries."""

    deliveries: WebhookDeliveriesResource

    @classmethod
    def with_report(cls, subscriber: Subscriber, report: OutboxReport, links: Links) -> "WebhookStatusResource":
        shown = msgspec.structs.asdict(WebhookResource.of(subscriber, links))
        return cls(**shown, deliveries=WebhookDeliveriesResource.of(report))


class WebhookAttemptResource(Resource, frozen=True, kw_only=True):
    """A webhook that its first attempt did not deliver; `status` and `answer` are those of the newest attempt."""

    id: Id
    profile_id: Id
    event: str
    state: str
    attempts: int
    first_at: Time | None
    tried_at: Time | None
    next_at: Time | None
    status: int | None
    answer: str | None

    @classmethod
    def of(cls, undelivered: UndeliveredWebhook) -> "WebhookAttemptResource":
        return cls(
            id=undelivered.fact_id,
            profile_id=undelivered.profile_id,
            event=undelivered.event,
            state=undelivered.state.value,
            attempts=undelivered.attempts,
            first_at=time_or_none(undelivered.first_at),
            tried_at=time_or_none(undelivered.tried_at),
            next_at=time_or_none(undelivered.next_at),
            status=undelivered.status,
            answer=undelivered.answer,
        )
