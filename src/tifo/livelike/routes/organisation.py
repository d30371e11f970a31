"""Routes for the organisation's token: applications, their producer tokens and their client secrets.

An installation is one organisation. Only the answer that makes a token or a secret shows it.
"""

import msgspec
from litestar import delete, get, post

from tifo.kernel.clock import to_iso
from tifo.kernel.ids import ClientId
from tifo.livelike.inputs.applications import ApplicationInput, TokenInput
from tifo.livelike.lists.paging import Listed, window
from tifo.livelike.openapi.description import ORGANISATION, describe
from tifo.livelike.request import LiveLikeRequest
from tifo.livelike.resources.applications import (
    ApplicationResource,
    ClientSecretResource,
    NewApplicationResource,
    NewTokenResource,
    TokenResource,
)
from tifo.livelike.responses import JsonResponse, respond

_APPLICATION = msgspec.json.Decoder(ApplicationInput)
_TOKEN = msgspec.json.Decoder(TokenInput)


@get("/applications/")
@describe(callers=ORGANISATION)
async def list_applications(request: LiveLikeRequest) -> JsonResponse[Listed[ApplicationResource]]:
    access = await request.organisation()
    found = await request.in_thread(access.applications)
    return request.page(window(request.query).of(found), lambda app: ApplicationResource.of(app, request.links))


@post("/applications/")
@describe(callers=ORGANISATION, body=ApplicationInput)
async def create_application(request: LiveLikeRequest) -> JsonResponse[NewApplicationResource]:
    access = await request.organisation()
    body = await request.decoded(_APPLICATION)
    secret, token = request.new_secret("client_secret"), request.new_secret("producer_token")
    made = await request.in_thread(
        access.create_application, body.name, client_secret=secret, producer_token=token, once=await request.once()
    )
    shown = NewApplicationResource.with_secrets(made, request.links, client_secret=secret, producer_token=token)
    return respond(shown, 201)


@post("/applications/{client_id:str}/client-secret/")
@describe(callers=ORGANISATION)
async def rotate_client_secret(request: LiveLikeRequest) -> JsonResponse[ClientSecretResource]:
    """Replaces the secret. Every fan's token that the old one signed is refused from now on."""
    access = await request.organisation()
    client_id, secret = ClientId(request.part("client_id")), request.new_secret("client_secret")
    await request.in_thread(access.rotate_secret, client_id, secret, await request.once())
    # Otherwise this process would accept the old secret from its cache for up to five seconds.
    request.services.tokens.forget()
    return respond(ClientSecretResource(client_id=client_id, client_secret=secret), 201)


@get("/applications/{client_id:str}/tokens/")
@describe(callers=ORGANISATION)
async def list_tokens(request: LiveLikeRequest) -> JsonResponse[Listed[TokenResource]]:
    access = await request.organisation()
    found = await request.in_thread(access.tokens, ClientId(request.part("client_id")))
    return request.page(window(request.query).of(found), TokenResource.of)


@post("/applications/{client_id:str}/tokens/")
@describe(callers=ORGANISATION, body=TokenInput)
async def create_token(request: LiveLikeRequest) -> JsonResponse[NewTokenResource]:
    access = await request.organisation()
    body = await request.decoded(_TOKEN)
    client_id, token = ClientId(request.part("client_id")), request.new_secret("producer_token")
    made = await request.in_thread(access.add_token, client_id, body.name, token, await request.once())
    return respond(NewTokenResource(id=made.id, name=made.name, created_at=to_iso(made.created_at), token=token), 201)


@delete("/applications/{client_id:str}/tokens/{token_id:str}/")
@describe(callers=ORGANISATION)
async def revoke_token(request: LiveLikeRequest) -> None:
    """Revokes the token: it is refused within five seconds."""
    access = await request.organisation()
    client_id = ClientId(request.part("client_id"))
    await request.in_thread(access.revoke_token, client_id, request.part("token_id"), await request.once())
    request.services.tokens.forget()


ROUTES = (list_applications, create_application, rotate_client_secret, list_tokens, create_token, revoke_token)
