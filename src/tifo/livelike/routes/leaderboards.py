"""Routes of leaderboards and their entries. LiveLike's SDK reads them without a token."""

from collections.abc import Sequence

import msgspec
from litestar import delete, get, patch, post

from tifo.engagement.commands import CreateLeaderboard, UpdateLeaderboard
from tifo.engagement.leaderboards import Standing, known
from tifo.engagement.model import Leaderboard
from tifo.engagement.ports import Page, Queries
from tifo.kernel.errors import NotFound
from tifo.kernel.ids import ClientId, LeaderboardId, ProfileId
from tifo.livelike.editing import apply_change, archive, body_of_producer, new_definition
from tifo.livelike.inputs.leaderboards import LeaderboardChange, LeaderboardInput
from tifo.livelike.lists.paging import Listed, PageRequest, window
from tifo.livelike.openapi import filters
from tifo.livelike.openapi.description import ANYONE, PRODUCER, describe
from tifo.livelike.request import LiveLikeRequest
from tifo.livelike.resources.context import ResourceContext
from tifo.livelike.resources.leaderboards import (
    LeaderboardEntryResource,
    LeaderboardResource,
    LeaderboardViewResource,
    ProfileLeaderboardResource,
)
from tifo.livelike.responses import JsonResponse, respond

_LEADERBOARD = msgspec.json.Decoder(LeaderboardInput)
_CHANGE = msgspec.json.Decoder(LeaderboardChange)


@get("/leaderboards/")
@describe(filters.CLIENT_ID)
async def list_leaderboards(request: LiveLikeRequest) -> JsonResponse[Listed[LeaderboardResource]]:
    caller = await request.caller(request.query.one("client_id"))
    context = await request.context(caller.client_id)
    boards = [*context.game.leaderboards.values()]
    return request.page(window(request.query).of(boards), lambda board: LeaderboardResource.of(board, context))


@post("/leaderboards/")
@describe(callers=PRODUCER, body=LeaderboardInput)
async def create_leaderboard(request: LiveLikeRequest) -> JsonResponse[LeaderboardResource]:
    """Links the leaderboard to the application's default program where the body names none."""
    caller, body = await new_definition(request, _LEADERBOARD)
    command = CreateLeaderboard(
        client_id=caller.client_id,
        name=body.name,
        reward_item_id=body.reward_item_id,
        custom_id=body.custom_id,
        program_ids=body.program_ids,
        is_locked=body.is_locked,
        attributes=body.attributes,
    )
    return await apply_change(request, caller, command, LeaderboardResource.of, status=201)


@get("/leaderboards/{leaderboard_id:str}/")
@describe(callers=ANYONE)
async def get_leaderboard(request: LiveLikeRequest) -> JsonResponse[LeaderboardResource]:
    """Needs no token."""
    board, context = await _board(request)
    return respond(LeaderboardResource.of(board, context))


@patch("/leaderboards/{leaderboard_id:str}/")
@describe(callers=PRODUCER, body=LeaderboardChange)
async def change_leaderboard(request: LiveLikeRequest) -> JsonResponse[LeaderboardResource]:
    """`program_ids` replaces all programs that the leaderboard is linked to."""
    caller, body = await body_of_producer(request, _CHANGE)
    command = UpdateLeaderboard(
        client_id=caller.client_id,
        leaderboard_id=LeaderboardId(request.part("leaderboard_id")),
        name=body.name,
        custom_id=body.custom_id,
        program_ids=body.program_ids,
        is_locked=body.is_locked,
        attributes=body.attributes,
    )
    return await apply_change(request, caller, command, LeaderboardResource.of)


@delete("/leaderboards/{leaderboard_id:str}/")
@describe(callers=PRODUCER)
async def delete_leaderboard(request: LiveLikeRequest) -> None:
    await archive(request, "leaderboard", request.part("leaderboard_id"))


@get("/leaderboards/{leaderboard_id:str}/entries/")
@describe(filters.LEADERBOARD_PROFILE_ID, callers=ANYONE)
async def list_leaderboard_entries(request: LiveLikeRequest) -> JsonResponse[Listed[LeaderboardEntryResource]]:
    """Needs no token. `profile_id` (repeatable) lists only these fans' entries."""
    board, context = await _board(request)
    # LiveLike's SDK leaves a stray `&` behind it.
    named = [ProfileId(each) for each in request.query.all("profile_id")]
    page, size = window(request.query)
    found, count = await request.in_thread(_entries, request.services.queries, board, named, page, size)
    ids = [each.profile_id for each in found.results]
    profiles = await request.in_thread(request.services.queries.profiles, context.client_id, ids)
    return request.page(found, lambda standing: LeaderboardEntryResource.of(standing, count, profiles))


@get("/leaderboards/{leaderboard_id:str}/entries/{profile_id:str}/")
@describe(callers=ANYONE)
async def get_leaderboard_entry(request: LiveLikeRequest) -> JsonResponse[LeaderboardEntryResource]:
    """Needs no token."""
    board, context = await _board(request)
    named = [ProfileId(request.part("profile_id"))]
    found, count = await request.in_thread(_entries, request.services.queries, board, named, 1, 1)
    profiles = await request.in_thread(request.services.queries.profiles, context.client_id, named)
    if not found.results:
        raise NotFound("This profile is not on the leaderboard.")
    return respond(LeaderboardEntryResource.of(found.results[0], count, profiles))


@get("/profiles/{profile_id:str}/leaderboards/")
@describe()
async def list_profile_leaderboards(request: LiveLikeRequest) -> JsonResponse[Listed[ProfileLeaderboardResource]]:
    """Lists the leaderboards that the fan is on."""
    return request.page(await _places_of_profile(request), lambda place: place)


@get("/profiles/{profile_id:str}/leaderboard-views/")
@describe()
async def list_profile_leaderboard_views(request: LiveLikeRequest) -> JsonResponse[Listed[LeaderboardViewResource]]:
    """Lists the leaderboards that the fan is on as views: each has one, itself."""
    # LiveLike's views are resources of their own; here a leaderboard is its own only view.
    return request.page(await _places_of_profile(request), LeaderboardViewResource.of)


async def _places_of_profile(request: LiveLikeRequest) -> Page[ProfileLeaderboardResource]:
    caller = await request.caller()
    profile_id = ProfileId(request.part("profile_id"))
    caller.must_reach(profile_id)
    queries = request.services.queries
    profile = await request.in_thread(queries.profile, caller.client_id, profile_id)
    context = await request.context(caller.client_id)
    places = await request.in_thread(_places, queries, [*context.game.leaderboards.values()], profile_id)
    return window(request.query).of(
        [ProfileLeaderboardResource.of(*place, profile=profile, context=context) for place in places]
    )


async def _board(request: LiveLikeRequest) -> tuple[Leaderboard, ResourceContext]:
    leaderboard_id = LeaderboardId(request.part("leaderboard_id"))
    # The request has no token and its address names no application, so the leaderboard must lead to it.
    client_id: ClientId = await request.in_thread(request.services.queries.client_of_leaderboard, leaderboard_id)
    context = await request.context(client_id)
    return known(context.game, leaderboard_id), context


def _entries(
    queries: Queries, board: Leaderboard, named: Sequence[ProfileId], page: int, size: int
) -> tuple[Page[Standing], int]:
    """Returns the entries (of the named fans, or all), and the number of entries of the whole leaderboard."""
    if not named:
        found = queries.standings(board, page=page, size=size)
        return found, found.count
    places = queries.standings_of(board, named)
    return PageRequest(page, size).of(places.standings), places.total


def _places(
    queries: Queries, boards: Sequence[Leaderboard], profile_id: ProfileId
) -> list[tuple[Leaderboard, Standing, int]]:
    found = [(board, queries.standings_of(board, [profile_id])) for board in boards]
    return [(board, standing, places.total) for board, places in found for standing in places.standings]


ROUTES = (
    list_leaderboards,
    create_leaderboard,
    get_leaderboard,
    change_leaderboard,
    delete_leaderboard,
    list_leaderboard_entries,
    get_leaderboard_entry,
    list_profile_leaderboards,
    list_profile_leaderboard_views,
)
