"""Routes of profiles: sign-up, the caller's own, by id, by the integrator's id."""

import msgspec
from litestar import get, patch, post

from tifo.engagement.commands import CreateProfile, UpdateProfile
from tifo.engagement.model import Profile
from tifo.kernel.errors import Forbidden, Rejected
from tifo.kernel.ids import ClientId, ProfileId
from tifo.livelike.inputs.profiles import ProfileInput
from tifo.livelike.openapi.description import ANYONE, FAN_ONLY, PRODUCER, describe
from tifo.livelike.request import MIN_ANONYMOUS_KEY_LENGTH, LiveLikeRequest
from tifo.livelike.resources.profiles import NewProfileResource, ProfileResource
from tifo.livelike.responses import JsonResponse, respond
from tifo.livelike.tokens import Caller

_PROFILE = msgspec.json.Decoder(ProfileInput)


@post("/applications/{client_id:str}/profile/")
@describe(callers=(*ANYONE, *PRODUCER), body=ProfileInput, body_required=False)
async def sign_up(request: LiveLikeRequest) -> JsonResponse[NewProfileResource]:
    """Needs no token: LiveLike's SDK sends an empty `Bearer`, and no body unless the fan has a nickname."""
    client_id = ClientId(request.part("client_id"))
    caller = await request.caller_or_none()
    if caller is not None:
        caller.must_be_of(client_id)
    body = await request.decoded(_PROFILE, empty_is=b"{}")
    command = _create(client_id, body, body.custom_id)
    if caller is not None and caller.is_producer:
        return await _created(request, await request.handle(caller, command))
    if body.custom_id is not None:
        raise Forbidden("A custom_id can be set with a producer token only.")
    key = request.header(b"idempotency-key")
    if key is None:
        return await _created(request, await request.services.engine.handle(command))
    if len(key) < MIN_ANONYMOUS_KEY_LENGTH:
        raise Rejected(f"To sign up, an Idempotency-Key needs {MIN_ANONYMOUS_KEY_LENGTH} characters or more.")
    # There is no caller to scope the key with, so all anonymous sign-ups of an application share one scope.
    once = await request.idempotency("anonymous", key)
    return await _created(request, await request.services.engine.handle(command, once))


@get("/applications/{client_id:str}/profile/")
@describe(callers=FAN_ONLY)
async def get_own_profile(request: LiveLikeRequest) -> JsonResponse[ProfileResource]:
    """Creates the profile of an integrator's own token at its first request."""
    caller = await request.caller(request.part("client_id"))
    # LiveLike's SDK asks for nothing else with a token that it was given, so this request makes the profile.
    if caller.profile_id is None and caller.custom_id is not None:
        command = CreateProfile(client_id=caller.client_id, custom_id=caller.custom_id, existing_is_fine=True)
        profile = await request.services.engine.handle(command)
    else:
        profile = await request.in_thread(request.services.queries.profile, caller.client_id, caller.own_profile())
    return respond(ProfileResource.of(profile, request.links))


@patch("/applications/{client_id:str}/profile/")
@describe(callers=FAN_ONLY, body=ProfileInput)
async def change_own_profile(request: LiveLikeRequest) -> JsonResponse[ProfileResource]:
    caller = await request.caller(request.part("client_id"))
    return await _change(request, caller, caller.own_profile())


@get("/profiles/{profile_id:str}/")
@describe()
async def get_profile(request: LiveLikeRequest) -> JsonResponse[ProfileResource]:
    caller = await request.caller()
    profile_id = ProfileId(request.part("profile_id"))
    caller.must_reach(profile_id)
    profile = await request.in_thread(request.services.queries.profile, caller.client_id, profile_id)
    return respond(ProfileResource.of(profile, request.links))


@patch("/profiles/{profile_id:str}/")
@describe(body=ProfileInput)
async def change_profile(request: LiveLikeRequest) -> JsonResponse[ProfileResource]:
    caller = await request.caller()
    profile_id = ProfileId(request.part("profile_id"))
    caller.must_reach(profile_id)
    return await _change(request, caller, profile_id)


@post("/profile-by-custom-id/{client_id:str}/{custom_id:str}/")
@describe(callers=PRODUCER, body=ProfileInput, body_required=False)
async def create_by_custom_id(request: LiveLikeRequest) -> JsonResponse[NewProfileResource]:
    caller = await request.producer(request.part("client_id"))
    body = await request.decoded(_PROFILE, empty_is=b"{}")
    command = _create(caller.client_id, body, request.part("custom_id"))
    return await _created(request, await request.handle(caller, command))


@get("/profile-by-custom-id/{client_id:str}/{custom_id:str}/")
@describe()
async def get_by_custom_id(request: LiveLikeRequest) -> JsonResponse[ProfileResource]:
    caller = await request.caller(request.part("client_id"))
    custom_id = request.part("custom_id")
    queries = request.services.queries
    if caller.is_producer:
        profile = await request.in_thread(queries.profile_by_custom_id, caller.client_id, custom_id)
    else:
        # Read by the token, not by the custom id, so that a fan cannot probe which custom ids exist.
        profile = await request.in_thread(queries.profile, caller.client_id, caller.own_profile())
        if profile.custom_id != custom_id:
            raise Forbidden("This custom_id is not the fan's own.")
    return respond(ProfileResource.of(profile, request.links))


def _create(client_id: ClientId, body: ProfileInput, custom_id: str | None) -> CreateProfile:
    return CreateProfile(
        client_id=client_id,
        nickname=body.nickname,
        custom_id=custom_id,
        custom_data=body.custom_data,
        attributes=body.attributes or (),
    )


async def _created(request: LiveLikeRequest, profile: Profile) -> JsonResponse[NewProfileResource]:
    # The fan's first action needs no read of the nickname then.
    request.services.nicknames.remember(profile.client_id, profile.id, profile.nickname)
    access_token = await request.services.tokens.mint(profile)
    return respond(NewProfileResource.with_token(profile, request.links, access_token), 201)


async def _change(request: LiveLikeRequest, caller: Caller, profile_id: ProfileId) -> JsonResponse[ProfileResource]:
    body = await request.decoded(_PROFILE)
    # The custom id is the userId of the fan's events: a fan who chose it could pass for another person.
    if body.custom_id is not None and not caller.is_producer:
        raise Forbidden("A custom_id can be set with a producer token only.")
    command = UpdateProfile(
        client_id=caller.client_id,
        profile_id=profile_id,
        nickname=body.nickname,
        custom_data=body.custom_data,
        custom_id=body.custom_id,
        attributes=body.attributes,
    )
    profile = await request.handle(caller, command)
    request.services.nicknames.remember(profile.client_id, profile.id, profile.nickname)
    return respond(ProfileResource.of(profile, request.links))


ROUTES = (
    sign_up,
    get_own_profile,
    change_own_profile,
    get_profile,
    change_profile,
    create_by_custom_id,
    get_by_custom_id,
)
