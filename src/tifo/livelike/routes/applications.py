"""Routes of an application: the discovery document, its settings and its programs."""

import msgspec
from litestar import delete, get, patch, post

from tifo.engagement.commands import CreateProgram, UpdateApplication, UpdateProgram
from tifo.engagement.model import live
from tifo.kernel.errors import NotFound, Rejected, Unauthorized
from tifo.kernel.ids import ClientId, ProgramId
from tifo.livelike.editing import apply_change, archive, body_of_producer, new_definition
from tifo.livelike.inputs.applications import ApplicationSettings, ProgramChange, ProgramInput
from tifo.livelike.lists.paging import Listed, window
from tifo.livelike.openapi import filters
from tifo.livelike.openapi.description import ANYONE, FAN_OR_PRODUCER, ORGANISATION, PRODUCER, describe
from tifo.livelike.request import LiveLikeRequest
from tifo.livelike.resources.applications import ApplicationResource
from tifo.livelike.resources.programs import ProgramResource
from tifo.livelike.responses import JsonResponse, respond
from tifo.livelike.tokens import Caller

_SETTINGS = msgspec.json.Decoder(ApplicationSettings)
_PROGRAM = msgspec.json.Decoder(ProgramInput)
_PROGRAM_CHANGE = msgspec.json.Decoder(ProgramChange)


@get("/applications/{client_id:str}/")
@describe(callers=ANYONE)
async def discover(request: LiveLikeRequest) -> JsonResponse[ApplicationResource]:
    """Needs no token."""
    # LiveLike's SDK begins with this request, before it has a token.
    game = await request.in_thread(request.services.queries.game, ClientId(request.part("client_id")))
    return respond(ApplicationResource.of(game.application, request.links))


@patch("/applications/{client_id:str}/")
@describe(callers=(*PRODUCER, *ORGANISATION), body=ApplicationSettings)
async def change_settings(request: LiveLikeRequest) -> JsonResponse[ApplicationResource]:
    """Needs a producer token of the application, or the organisation's token."""
    client_id = ClientId(request.part("client_id"))
    # The organisation may change every application, so its token acts as a producer of the named one.
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
    return respond(ApplicationResource.of(await request.handle(caller, command), request.links))


@get("/programs/")
@describe(filters.CLIENT_ID)
async def list_programs(request: LiveLikeRequest) -> JsonResponse[Listed[ProgramResource]]:
    caller = await request.caller(request.query.one("client_id"))
    context = await request.context(caller.client_id)
    return request.page(
        window(request.query).of(live(context.game.programs)), lambda program: ProgramResource.of(program, context)
    )


@post("/programs/")
@describe(callers=PRODUCER, body=ProgramInput)
async def create_program(request: LiveLikeRequest) -> JsonResponse[ProgramResource]:
    caller, body = await new_definition(request, _PROGRAM)
    # LiveLike's word is title.
    name = body.name or body.title
    if name is None:
        raise Rejected("This field is required.", field="name")
    command = CreateProgram(client_id=caller.client_id, key=body.key, name=name)
    return await apply_change(request, caller, command, ProgramResource.of, status=201)


@get("/programs/{program_id:str}/")
@describe(filters.CLIENT_ID, callers=(*ANYONE, *FAN_OR_PRODUCER))
async def get_program(request: LiveLikeRequest) -> JsonResponse[ProgramResource]:
    """Needs no token where the query names the application: LiveLike's SDK reads programs without one."""
    caller = await request.caller_or_none()
    named = request.query.one("client_id")
    if caller is not None:
        caller.must_be_of(named)
    client_id = caller.client_id if caller else named
    if client_id is None:
        raise Unauthorized("Send a token, or name the application: ?client_id=….")
    context = await request.context(ClientId(client_id))
    program = context.game.programs.get(ProgramId(request.part("program_id")))
    if program is None:
        raise NotFound("There is no such program.")
    return respond(ProgramResource.of(program, context))


@patch("/programs/{program_id:str}/")
@describe(callers=PRODUCER, body=ProgramChange)
async def change_program(request: LiveLikeRequest) -> JsonResponse[ProgramResource]:
    caller, body = await body_of_producer(request, _PROGRAM_CHANGE)
    command = UpdateProgram(
        client_id=caller.client_id, program_id=ProgramId(request.part("program_id")), name=body.name, key=body.key
    )
    return await apply_change(request, caller, command, ProgramResource.of)


@delete("/programs/{program_id:str}/")
@describe(callers=PRODUCER)
async def archive_program(request: LiveLikeRequest) -> None:
    await archive(request, "program", request.part("program_id"))


ROUTES = (
    discover,
    change_settings,
    list_programs,
    create_program,
    get_program,
    change_program,
    archive_program,
)
