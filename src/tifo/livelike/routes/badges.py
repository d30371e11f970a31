"""Badges, who earned them, and how far fans are."""

import msgspec
from litestar import delete, get, post
from litestar.response.base import ASGIResponse

from tifo.engagement.commands import AwardBadge, CreateBadge, NewProgression, RevokeBadge
from tifo.engagement.model import EarnedBadge, live
from tifo.engagement.ports import Page
from tifo.kernel.errors import NotFound, Rejected
from tifo.kernel.ids import BadgeId, EarnedBadgeId, ProfileId
from tifo.livelike.call import LiveLikeRequest, answer
from tifo.livelike.documented import takes
from tifo.livelike.images import MAX_UPLOAD_BYTES, decoded_with_image
from tifo.livelike.listing import profiles_of, reachable
from tifo.livelike.paging import anchor, window
from tifo.livelike.resources import Resource
from tifo.livelike.shapes import AwardInput, BadgeInput
from tifo.livelike.tokens import Caller

_BADGE = msgspec.json.Decoder(BadgeInput)
_AWARD = msgspec.json.Decoder(AwardInput)


@post("/badges/", operation_class=takes(BadgeInput, image=True), request_max_body_size=MAX_UPLOAD_BYTES)
async def create_badge(request: LiveLikeRequest) -> ASGIResponse:
    caller = await request.producer()
    body = await decoded_with_image(request, _BADGE)
    caller.must_be_of(body.client_id)
    command = CreateBadge(
        client_id=caller.client_id,
        key=body.key,
        name=body.name,
        description=body.description,
        image_url=body.image_url,
        progressions=tuple(
            NewProgression(reward_item_id=p.reward_item_id, reward_item_threshold=p.reward_item_threshold)
            for p in body.all_progressions()
        ),
        attributes=body.attributes,
    )
    badge = await request.handle(caller, command)
    return answer((await request.resources(caller.client_id)).badge(badge), 201)


@get("/badges/{badge_id:str}/")
async def get_badge(request: LiveLikeRequest) -> ASGIResponse:
    resources = await request.resources((await request.caller()).client_id)
    badge = resources.game.badges.get(BadgeId(request.part("badge_id")))
    if badge is None:
        raise NotFound("There is no such badge.")
    return answer(resources.badge(badge))


@get("/applications/{client_id:str}/badges/")
async def list_badges(request: LiveLikeRequest) -> ASGIResponse:
    caller = await request.caller(request.part("client_id"))
    resources = await request.resources(caller.client_id)
    return request.page(window(request.query).of(live(resources.game.badges)), resources.badge)


@get("/profiles/{profile_id:str}/badges/")
async def list_profile_badges(request: LiveLikeRequest) -> ASGIResponse:
    caller = await request.caller()
    profile_id = ProfileId(request.part("profile_id"))
    caller.must_reach(profile_id)
    await request.ask(request.desk.queries.profile, caller.client_id, profile_id)
    found = await _earned(request, caller, profile_id, None)
    return request.page(found, (await request.resources(caller.client_id)).profile_badge)


@post("/profiles/{profile_id:str}/badges/", operation_class=takes(AwardInput))
async def award_badge(request: LiveLikeRequest) -> ASGIResponse:
    caller = await request.producer()
    body = await request.decoded(_AWARD)
    profile_id = ProfileId(request.part("profile_id"))
    command = AwardBadge(client_id=caller.client_id, profile_id=profile_id, badge_id=body.badge_id)
    earned = await request.handle(caller, command)
    return answer((await request.resources(caller.client_id)).profile_badge(earned), 201)


@get("/profiles/{profile_id:str}/badge-progress/")
async def list_badge_progress(request: LiveLikeRequest) -> ASGIResponse:
    """A bare array, as LiveLike answers it; badges without a threshold have no progress."""
    caller = await request.caller()
    profile_id = ProfileId(request.part("profile_id"))
    caller.must_reach(profile_id)
    fan = await request.ask(request.desk.queries.fan, caller.client_id, profile_id)
    resources = await request.resources(caller.client_id)
    wanted = set(request.query.all("badge_id"))
    badges = [b for b in live(resources.game.badges) if b.progressions and (not wanted or b.id in wanted)]
    return answer([resources.badge_progress(badge, fan) for badge in badges])


@get("/badge-profiles/")
async def list_badge_profiles(request: LiveLikeRequest) -> ASGIResponse:
    """Who has a badge. A fan sees all who have it too, but of the others neither custom id nor data."""
    caller = await request.caller()
    found = await _earned(request, caller, None, BadgeId(request.query.required("badge_id")))
    profiles = await profiles_of(request, caller, [earned.profile_id for earned in found.results])
    resources = await request.resources(caller.client_id)

    def shape(earned: EarnedBadge) -> Resource:
        in_full = caller.is_producer or earned.profile_id == caller.profile_id
        return resources.badge_profile(earned, profiles[earned.profile_id], in_full=in_full)

    return request.page(found, shape)


@get("/earned-badges/")
async def list_earned_badges(request: LiveLikeRequest) -> ASGIResponse:
    query = request.query
    caller = await request.caller()
    reached = reachable(caller, query)
    if len(reached) > 1:
        raise Rejected("Name one profile.", field="profile_id")
    badge_id = query.one("badge_id")
    profile_id = reached[0] if reached else None
    found = await _earned(request, caller, profile_id, None if badge_id is None else BadgeId(badge_id))
    profiles = await profiles_of(request, caller, [earned.profile_id for earned in found.results])
    resources = await request.resources(caller.client_id)
    return request.page(found, lambda earned: resources.earned_badge(earned, profiles[earned.profile_id]))


@get("/earned-badges/{earned_badge_id:str}/")
async def get_earned_badge(request: LiveLikeRequest) -> ASGIResponse:
    caller = await request.caller()
    earned_badge_id = EarnedBadgeId(request.part("earned_badge_id"))
    earned = await request.ask(request.desk.queries.earned_badge, caller.client_id, earned_badge_id)
    if not caller.is_producer and earned.profile_id != caller.profile_id:
        raise NotFound("There is no such earned badge.")
    profile = await request.ask(request.desk.queries.profile, caller.client_id, earned.profile_id)
    return answer((await request.resources(caller.client_id)).earned_badge(earned, profile))


@delete("/earned-badges/{earned_badge_id:str}/")
async def revoke_badge(request: LiveLikeRequest) -> None:
    """No threshold earns it again; an award gives it back."""
    caller = await request.producer()
    earned_badge_id = EarnedBadgeId(request.part("earned_badge_id"))
    await request.handle(caller, RevokeBadge(client_id=caller.client_id, earned_badge_id=earned_badge_id))


async def _earned(
    request: LiveLikeRequest, caller: Caller, profile_id: ProfileId | None, badge_id: BadgeId | None
) -> Page[EarnedBadge]:
    page, size = window(request.query)
    return await request.ask(
        request.desk.queries.earned_badges,
        caller.client_id,
        profile_id=profile_id,
        badge_id=badge_id,
        page=page,
        size=size,
        anchor=anchor(request.query),
    )


ROUTES = (
    create_badge,
    get_badge,
    list_badges,
    list_profile_badges,
    award_badge,
    list_badge_progress,
    list_badge_profiles,
    list_earned_badges,
    get_earned_badge,
    revoke_badge,
)
