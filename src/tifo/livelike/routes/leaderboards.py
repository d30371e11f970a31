"""Leaderboards: who leads, where a fan stands. They are read without a token, as LiveLike's SDK does."""

from collections.abc import Sequence

import msgspec
from litestar import delete, get, patch, post
from litestar.response.base import ASGIResponse

from tifo.engagement.commands import Archive, CreateLeaderboard, UpdateLeaderboard
from tifo.engagement.leaderboards import Standing, known
from tifo.engagement.model import Leaderboard
from tifo.engagement.ports import Page, Queries
from tifo.kernel.errors import NotFound
from tifo.kernel.ids import ClientId, LeaderboardId, ProfileId
from tifo.livelike.call import LiveLikeRequest, answer
from tifo.livelike.documented import takes
from tifo.livelike.leaderboards import LeaderboardChange, LeaderboardInput, entry, leaderboard
from tifo.livelike.paging import PageRequest, window
from tifo.livelike.resources import Resource, Resources

_LEADERBOARD = msgspec.json.Decoder(LeaderboardInput)
_CHANGE = msgspec.json.Decoder(LeaderboardChange)


@get("/leaderboards/")
async def list_leaderboards(request: LiveLikeRequest) -> ASGIResponse:
    caller = await request.caller(request.query.one("client_id"))
    resources = await request.resources(caller.client_id)
    boards = [*resources.game.leaderboards.values()]
    return request.page(window(request.query).of(boards), lambda b: leaderboard(b, resources, request.links))


@post("/leaderboards/", operation_class=takes(LeaderboardInput))
async def create_leaderboard(request: LiveLikeRequest) -> ASGIResponse:
    """Linked to the application's default program where no program is given."""
    caller = await request.producer()
    body = await request.decoded(_LEADERBOARD)
    caller.must_be_of(body.client_id)
    command = CreateLeaderboard(
        client_id=caller.client_id,
        name=body.name,
        reward_item_id=body.reward_item_id,
        custom_id=body.custom_id,
        program_ids=body.program_ids,
        is_locked=body.is_locked,
        attributes=body.attributes,
    )
    board = await request.handle(caller, command)
    return answer(leaderboard(board, await request.resources(caller.client_id), request.links), 201)


@get("/leaderboards/{leaderboard_id:str}/")
async def get_leaderboard(request: LiveLikeRequest) -> ASGIResponse:
    """Needs no token."""
    board, resources = await _board(request)
    return answer(leaderboard(board, resources, request.links))


@patch("/leaderboards/{leaderboard_id:str}/", operation_class=takes(LeaderboardChange))
async def change_leaderboard(request: LiveLikeRequest) -> ASGIResponse:
    """`program_ids` replaces the programs that it is linked to."""
    caller = await request.producer()
    body = await request.decoded(_CHANGE)
    command = UpdateLeaderboard(
        client_id=caller.client_id,
        leaderboard_id=LeaderboardId(request.part("leaderboard_id")),
        name=body.name,
        custom_id=body.custom_id,
        program_ids=body.program_ids,
        is_locked=body.is_locked,
        attributes=body.attributes,
    )
    board = await request.handle(caller, command)
    return answer(leaderboard(board, await request.resources(caller.client_id), request.links))


@delete("/leaderboards/{leaderboard_id:str}/")
async def delete_leaderboard(request: LiveLikeRequest) -> None:
    caller = await request.producer()
    leaderboard_id = LeaderboardId(request.part("leaderboard_id"))
    await request.handle(caller, Archive(client_id=caller.client_id, kind="leaderboard", id=leaderboard_id))


@get("/leaderboards/{leaderboard_id:str}/entries/")
async def list_leaderboard_entries(request: LiveLikeRequest) -> ASGIResponse:
    """Needs no token. With `profile_id` (repeatable) only these fans' entries."""
    board, resources = await _board(request)
    asked = [ProfileId(each) for each in request.query.all("profile_id")]
    page, size = window(request.query)
    found, count = await request.ask(_entries, request.desk.queries, board, asked, page, size)
    ids = [each.profile_id for each in found.results]
    profiles = await request.ask(request.desk.queries.profiles, resources.client_id, ids)
    return request.page(found, lambda standing: entry(standing, count, profiles))


@get("/leaderboards/{leaderboard_id:str}/entries/{profile_id:str}/")
async def get_leaderboard_entry(request: LiveLikeRequest) -> ASGIResponse:
    """Needs no token."""
    board, resources = await _board(request)
    asked = [ProfileId(request.part("profile_id"))]
    found, count = await request.ask(_entries, request.desk.queries, board, asked, 1, 1)
    profiles = await request.ask(request.desk.queries.profiles, resources.client_id, asked)
    if not found.results:
        raise NotFound("This profile is not on the leaderboard.")
    return answer(entry(found.results[0], count, profiles))


@get("/profiles/{profile_id:str}/leaderboards/")
async def list_profile_leaderboards(request: LiveLikeRequest) -> ASGIResponse:
    """Those that the fan is on."""
    return await _of_profile(request, views=False)


@get("/profiles/{profile_id:str}/leaderboard-views/")
async def list_profile_leaderboard_views(request: LiveLikeRequest) -> ASGIResponse:
    """Each leaderboard has one view: itself."""
    return await _of_profile(request, views=True)


async def _of_profile(request: LiveLikeRequest, *, views: bool) -> ASGIResponse:
    caller = await request.caller()
    profile_id = ProfileId(request.part("profile_id"))
    caller.must_reach(profile_id)
    queries = request.desk.queries
    profile = await request.ask(queries.profile, caller.client_id, profile_id)
    resources = await request.resources(caller.client_id)
    places = await request.ask(_places, queries, [*resources.game.leaderboards.values()], profile_id)

    def shape(place: tuple[Leaderboard, Standing, int]) -> Resource:
        board, standing, count = place
        return {
            **({"id": board.id, "name": board.name} if views else {}),
            "client_id": caller.client_id,
            "profile_id": profile_id,
            "profile_nickname": profile.nickname,
            "entry": entry(standing, count, {profile_id: profile}),
            "leaderboard": leaderboard(board, resources, request.links),
        }

    return request.page(window(request.query).of(places), shape)


async def _board(request: LiveLikeRequest) -> tuple[Leaderboard, Resources]:
    leaderboard_id = LeaderboardId(request.part("leaderboard_id"))
    client_id: ClientId = await request.ask(request.desk.queries.client_of_leaderboard, leaderboard_id)
    resources = await request.resources(client_id)
    return known(resources.game, leaderboard_id), resources


def _entries(
    queries: Queries, board: Leaderboard, asked: Sequence[ProfileId], page: int, size: int
) -> tuple[Page[Standing], int]:
    """The entries, and how many the whole leaderboard has."""
    if not asked:
        found = queries.standings(board, page=page, size=size)
        return found, found.count
    return PageRequest(page, size).of(queries.standings_of(board, asked)), queries.standings_count(board)


def _places(
    queries: Queries, boards: Sequence[Leaderboard], profile_id: ProfileId
) -> list[tuple[Leaderboard, Standing, int]]:
    return [
        (board, standing, queries.standings_count(board))
        for board in boards
        for standing in queries.standings_of(board, [profile_id])
    ]


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
