"""Webhook subscribers of an application, for its producers. LiveLike has no such resource: its staff set them up."""

from typing import Annotated

import msgspec
from litestar import delete, get, post
from litestar.response.base import ASGIResponse

from tifo.engagement.ports import Page
from tifo.kernel.clock import to_iso
from tifo.kernel.errors import NotFound
from tifo.kernel.ids import ClientId
from tifo.livelike.call import LiveLikeRequest, answer
from tifo.livelike.documented import takes
from tifo.livelike.paging import window
from tifo.livelike.resources import Resource
from tifo.livelike.shapes import Address, Name, Several
from tifo.source.webhooks.outbox import Late, Subscriber, WebhookOutbox

_SHOWN = 1_000


class WebhookInput(msgspec.Struct, frozen=True):
    """Without `events` all six; without `secret` the application's client secret signs."""

    target_url: Address
    client_id: ClientId | None = None
    events: Several[Name] = ()
    secret: Annotated[str, msgspec.Meta(min_length=16, max_length=255)] | None = None


_WEBHOOK = msgspec.json.Decoder(WebhookInput)


@get("/webhooks/")
async def list_webhooks(request: LiveLikeRequest) -> ASGIResponse:
    caller = await request.producer(request.query.one("client_id"))
    found = await request.ask(_outbox(request).subscribers, caller.client_id)
    return request.page(window(request.query).of(list(found)), lambda each: _resource(request, each))


@post("/webhooks/", operation_class=takes(WebhookInput))
async def create_webhook(request: LiveLikeRequest) -> ASGIResponse:
    caller = await request.producer()
    body = await request.decoded(_WEBHOOK)
    caller.must_be_of(body.client_id)
    made = await request.ask(_outbox(request).subscribe, caller.client_id, body.target_url, body.events, body.secret)
    return answer(_resource(request, made), 201)


@get("/webhooks/{webhook_id:str}/")
async def get_webhook(request: LiveLikeRequest) -> ASGIResponse:
    """With how its deliveries fare."""
    caller = await request.producer()
    wanted = request.part("webhook_id")
    found = await request.ask(_outbox(request).subscribers, caller.client_id)
    subscriber = next((each for each in found if each.id == wanted), None)
    if subscriber is None:
        raise NotFound("There is no such webhook.")
    report = await request.ask(_outbox(request).report, caller.client_id, wanted)
    last = None if report.last_delivered_at is None else to_iso(report.last_delivered_at)
    return answer({**_resource(request, subscriber), "deliveries": {**report._asdict(), "last_delivered_at": last}})


@delete("/webhooks/{webhook_id:str}/")
async def delete_webhook(request: LiveLikeRequest) -> None:
    caller = await request.producer()
    await request.ask(_outbox(request).unsubscribe, caller.client_id, request.part("webhook_id"))


@get("/webhooks/{webhook_id:str}/attempts/")
async def list_attempts(request: LiveLikeRequest) -> ASGIResponse:
    """The webhooks that were not delivered at their first attempt and are not delivered yet; at most 1,000."""
    caller = await request.producer()
    late = await request.ask(_outbox(request).late, caller.client_id, request.part("webhook_id"), _SHOWN)
    page: Page[Late] = window(request.query).of(list(late))
    return request.page(page, attempts_of)


def attempts_of(late: Late) -> Resource:
    moments = {name: getattr(late, name) for name in ("first_at", "tried_at", "next_at")}
    return {
        "id": late.fact_id,
        "profile_id": late.profile_id,
        "event": late.event,
        "state": late.state.value,
        "attempts": late.attempts,
        **{name: None if moment is None else to_iso(moment) for name, moment in moments.items()},
        "status": late.status,
        "answer": late.answer,
    }


def _outbox(request: LiveLikeRequest) -> WebhookOutbox:
    outbox: WebhookOutbox = request.app.state["webhooks"]
    return outbox


def _resource(request: LiveLikeRequest, subscriber: Subscriber) -> Resource:
    """Never with the secret."""
    return {
        "id": subscriber.id,
        "url": request.links.to("webhooks", subscriber.id),
        "client_id": subscriber.client_id,
        "target_url": subscriber.url,
        "events": subscriber.events,
        "created_at": to_iso(subscriber.created_at),
        "attempts_url": request.links.to("webhooks", subscriber.id, "attempts"),
    }


ROUTES = (list_webhooks, create_webhook, get_webhook, delete_webhook, list_attempts)
