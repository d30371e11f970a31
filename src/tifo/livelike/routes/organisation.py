"""What the organisation's token opens: applications, their producer tokens and their client secrets.

An installation is one organisation. Tokens and secrets are shown in the one answer that makes them.
"""

import msgspec
from litestar import delete, get, post
from litestar.response.base import ASGIResponse

from tifo.engagement.access import TokenInfo
from tifo.kernel.clock import to_iso
from tifo.kernel.ids import ClientId
from tifo.livelike.call import LiveLikeRequest, answer
from tifo.livelike.documented import takes
from tifo.livelike.paging import window
from tifo.livelike.resources import Resource, application
from tifo.livelike.shapes import ApplicationInput, TokenInput

_APPLICATION = msgspec.json.Decoder(ApplicationInput)
_TOKEN = msgspec.json.Decoder(TokenInput)


@get("/applications/")
async def list_applications(request: LiveLikeRequest) -> ASGIResponse:
    access = await request.organisation()
    found = await request.ask(access.applications)
    return request.page(window(request.query).of(found), lambda app: application(app, request.links))


@post("/applications/", operation_class=takes(ApplicationInput))
async def create_application(request: LiveLikeRequest) -> ASGIResponse:
    access = await request.organisation()
    body = await request.decoded(_APPLICATION)
    shown = {name: request.new_secret(name) for name in ("client_secret", "producer_token")}
    made = await request.ask(access.create_application, body.name, **shown, once=await request.once())
    return answer({**application(made, request.links), **shown}, 201)


@post("/applications/{client_id:str}/client-secret/")
async def rotate_client_secret(request: LiveLikeRequest) -> ASGIResponse:
    """Replaces the secret. Every fan's token was signed with the old one and is refused from now on."""
    access = await request.organisation()
    client_id, secret = ClientId(request.part("client_id")), request.new_secret("client_secret")
    await request.ask(access.rotate_secret, client_id, secret, await request.once())
    request.desk.tokens.forget()
    return answer({"client_id": client_id, "client_secret": secret}, 201)


@get("/applications/{client_id:str}/tokens/")
async def list_tokens(request: LiveLikeRequest) -> ASGIResponse:
    access = await request.organisation()
    found = await request.ask(access.tokens, ClientId(request.part("client_id")))
    return request.page(window(request.query).of(found), _shape)


@post("/applications/{client_id:str}/tokens/", operation_class=takes(TokenInput))
async def create_token(request: LiveLikeRequest) -> ASGIResponse:
    access = await request.organisation()
    body = await request.decoded(_TOKEN)
    client_id, token = ClientId(request.part("client_id")), request.new_secret("producer_token")
    made = await request.ask(access.add_token, client_id, body.name, token, await request.once())
    return answer({**_shape(made), "token": token}, 201)


@delete("/applications/{client_id:str}/tokens/{token_id:str}/")
async def revoke_token(request: LiveLikeRequest) -> None:
    """At once in this process; others believe the token for five seconds more at most."""
    access = await request.organisation()
    client_id = ClientId(request.part("client_id"))
    await request.ask(access.revoke_token, client_id, request.part("token_id"), await request.once())
    request.desk.tokens.forget()


def _shape(info: TokenInfo) -> Resource:
    return {"id": info.id, "name": info.name, "created_at": to_iso(info.created_at)}


ROUTES = (list_applications, create_application, rotate_client_secret, list_tokens, create_token, revoke_token)
