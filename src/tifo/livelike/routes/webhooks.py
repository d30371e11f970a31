"""Routes of an application's webhook subscribers. LiveLike has no such resource: its staff set subscribers up."""

import msgspec
from litestar import delete, get, post

from tifo.engagement.ports import Page
from tifo.kernel.errors import NotFound
from tifo.livelike.inputs.webhooks import WebhookInput
from tifo.livelike.lists.paging import Listed, window
from tifo.livelike.openapi import filters
from tifo.livelike.openapi.description import PRODUCER, describe
from tifo.livelike.request import LiveLikeRequest
from tifo.livelike.resources.webhooks import WebhookAttemptResource, WebhookResource, WebhookStatusResource
from tifo.livelike.responses import JsonResponse, respond
from tifo.source.webhooks.outbox import UndeliveredWebhook, WebhookOutbox

_MAX_SHOWN = 1_000
"""Late webhooks that a list holds."""

_WEBHOOK = msgspec.json.Decoder(WebhookInput)


@get("/webhooks/")
@describe(filters.CLIENT_ID, callers=PRODUCER)
async def list_webhooks(request: LiveLikeRequest) -> JsonResponse[Listed[WebhookResource]]:
    caller = await request.producer(request.query.one("client_id"))
    found = await request.in_thread(_outbox(request).subscribers, caller.client_id)
    return request.page(window(request.query).of(list(found)), lambda each: WebhookResource.of(each, request.links))


@post("/webhooks/")
@describe(callers=PRODUCER, body=WebhookInput)
async def create_webhook(request: LiveLikeRequest) -> JsonResponse[WebhookResource]:
    caller = await request.producer()
    body = await request.decoded(_WEBHOOK)
    caller.must_be_of(body.client_id)
    made = await request.in_thread(
        _outbox(request).subscribe, caller.client_id, body.target_url, body.events, body.secret
    )
    return respond(WebhookResource.of(made, request.links), 201)


@get("/webhooks/{webhook_id:str}/")
@describe(callers=PRODUCER)
async def get_webhook(request: LiveLikeRequest) -> JsonResponse[WebhookStatusResource]:
    """Answers with the state of the subscriber's deliveries."""
    caller = await request.producer()
    webhook_id = request.part("webhook_id")
    found = await request.in_thread(_outbox(request).subscribers, caller.client_id)
    subscriber = next((each for each in found if each.id == webhook_id), None)
    if subscriber is None:
        raise NotFound("There is no such webhook.")
    report = await request.in_thread(_outbox(request).report, caller.client_id, webhook_id)
    return respond(WebhookStatusResource.with_report(subscriber, report, request.links))


@delete("/webhooks/{webhook_id:str}/")
@describe(callers=PRODUCER)
async def delete_webhook(request: LiveLikeRequest) -> None:
    caller = await request.producer()
    await request.in_thread(_outbox(request).unsubscribe, caller.client_id, request.part("webhook_id"))


@get("/webhooks/{webhook_id:str}/attempts/")
@describe(callers=PRODUCER)
async def list_attempts(request: LiveLikeRequest) -> JsonResponse[Listed[WebhookAttemptResource]]:
    """Lists webhooks that their first attempt did not deliver and that are still undelivered; at most 1,000."""
    caller = await request.producer()
    undelivered = await request.in_thread(
        _outbox(request).undelivered, caller.client_id, request.part("webhook_id"), _MAX_SHOWN
    )
    page: Page[UndeliveredWebhook] = window(request.query).of(list(undelivered))
    return request.page(page, WebhookAttemptResource.of)


def _outbox(request: LiveLikeRequest) -> WebhookOutbox:
    outbox = request.services.outbox
    if outbox is None:
        raise NotFound("There is nothing at this address.")
    return outbox


ROUTES = (list_webhooks, create_webhook, get_webhook, delete_webhook, list_attempts)
