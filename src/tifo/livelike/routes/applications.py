"""An application (the discovery document, from which clients find all else) and its programs."""

import msgspec
from litestar import get, patch, post
from litestar.response.base import ASGIResponse

from tifo.engagement.commands import CreateProgram, UpdateApplication
from tifo.engagement.model import live
from tifo.kernel.errors import NotFound, Rejected, Unauthorized
from tifo.kernel.ids import ClientId, ProgramId
from tifo.livelike.call import LiveLikeRequest, answer
from tifo.livelike.documented import takes
from tifo.livelike.paging import window
from tifo.livelike.resources import application
from tifo.livelike.shapes import ApplicationSettings, ProgramInput
from tifo.livelike.tokens import Caller

_SETTINGS = msgspec.json.Decoder(ApplicationSettings)
_PROGRAM = msgspec.json.Decoder(ProgramInput)


@get("/applications/{client_id:str}/")
async def discover(request: LiveLikeRequest) -> ASGIResponse:
    """Needs no token."""
    game = await request.ask(request.desk.queries.game, ClientId(request.part("client_id")))
    return answer(application(game.application, request.links))


@patch("/applications/{client_id:str}/", operation_class=takes(ApplicationSettings))
async def change_settings(request: LiveLikeRequest) -> ASGIResponse:
    """By a producer token of the application, or by the organisation's."""
    client_id = ClientId(request.part("client_id"))
    if await request.is_organisation():
        caller = Caller(client_id, is_producer=True)
    else:
        caller = await request.producer(client_id)
    body = await request.decoded(_SETTINGS)
    command = UpdateApplication(
        client_id=caller.client_id,
        name=body.name,
        automatic_quest_processing=body.automatic_quest_processing,
        auto_claim_quest_rewards=body.auto_claim_quest_rewards,
    )
    return answer(application(await request.handle(caller, command), request.links))


@get("/programs/")
async def list_programs(request: LiveLikeRequest) -> ASGIResponse:
    caller = await request.caller(request.query.one("client_id"))
    resources = await request.resources(caller.client_id)
    return request.page(window(request.query).of(live(resources.game.programs)), resources.program)


@post("/programs/", operation_class=takes(ProgramInput))
async def create_program(request: LiveLikeRequest) -> ASGIResponse:
    caller = await request.producer()
    body = await request.decoded(_PROGRAM)
    caller.must_be_of(body.client_id)
    name = body.name or body.title
    if name is None:
        raise Rejected("This field is required.", field="name")
    program = await request.handle(caller, CreateProgram(client_id=caller.client_id, key=body.key, name=name))
    return answer((await request.resources(caller.client_id)).program(program), 201)


@get("/programs/{program_id:str}/")
async def get_program(request: LiveLikeRequest) -> ASGIResponse:
    """Needs no token where the query names the application, as the SDK reads programs without one."""
    caller = await request.caller_or_none()
    named = request.query.one("client_id")
    if caller is not None:
        caller.must_be_of(named)
    client_id = caller.client_id if caller else named
    if client_id is None:
        raise Unauthorized("Send a token, or name the application: ?client_id=….")
    resources = await request.resources(ClientId(client_id))
    program = resources.game.programs.get(ProgramId(request.part("program_id")))
    if program is None:
        raise NotFound("There is no such program.")
    return answer(resources.program(program))


ROUTES = (discover, change_settings, list_programs, create_program, get_program)
