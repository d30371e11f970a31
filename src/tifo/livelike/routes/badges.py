"""Routes of badges, of the fans who earned them, and of a fan's progress towards them."""

from collections.abc import Iterable

import msgspec
from litestar import delete, get, patch, post
from msgspec import UNSET

from tifo.engagement.commands import AwardBadge, CreateBadge, NewProgression, RevokeBadge, UpdateBadge
from tifo.engagement.model import EarnedBadge, live
from tifo.engagement.ports import Page
from tifo.kernel.errors import NotFound, Rejected
from tifo.kernel.ids import BadgeId, EarnedBadgeId, ProfileId
from tifo.livelike.editing import apply_change, archive, body_of_producer
from tifo.livelike.images import MAX_UPLOAD_BYTES, decoded_with_image
from tifo.livelike.inputs.badges import AwardInput, BadgeChange, BadgeInput, ProgressionInput
from tifo.livelike.lists.fans import profiles_of, visible_profiles
from tifo.livelike.lists.paging import Listed, anchor, window
from tifo.livelike.openapi import filters
from tifo.livelike.openapi.description import PRODUCER, describe
from tifo.livelike.request import LiveLikeRequest
from tifo.livelike.resources.badges import (
    BadgeProfileResource,
    BadgeProgressResource,
    BadgeResource,
    EarnedBadgeResource,
    ProfileBadgeResource,
)
from tifo.livelike.responses import JsonResponse, respond
from tifo.livelike.tokens import Caller

_BADGE = msgspec.json.Decoder(BadgeInput)
_BADGE_CHANGE = msgspec.json.Decoder(BadgeChange)
_AWARD = msgspec.json.Decoder(AwardInput)


@post("/badges/", request_max_body_size=MAX_UPLOAD_BYTES)
@describe(callers=PRODUCER, body=BadgeInput, image=True)
async def create_badge(request: LiveLikeRequest) -> JsonResponse[BadgeResource]:
    caller = await request.producer()
    body = await decoded_with_image(request, _BADGE)
    caller.must_be_of(body.client_id)
    command = CreateBadge(
        client_id=caller.client_id,
        key=body.key,
        name=body.name,
        description=body.description,
        image_url=body.image_url,
        progressions=_progressions(body.all_progressions()),
        attributes=body.attributes,
    )
    return await apply_change(request, caller, command, BadgeResource.of, status=201)


@get("/badges/{badge_id:str}/")
@describe()
async def get_badge(request: LiveLikeRequest) -> JsonResponse[BadgeResource]:
    context = await request.context((await request.caller()).client_id)
    badge = context.game.badges.get(BadgeId(request.part("badge_id")))
    if badge is None:
        raise NotFound("There is no such badge.")
    return respond(BadgeResource.of(badge, context))


@get("/applications/{client_id:str}/badges/")
@describe()
async def list_badges(request: LiveLikeRequest) -> JsonResponse[Listed[BadgeResource]]:
    caller = await request.caller(request.part("client_id"))
    context = await request.context(caller.client_id)
    return request.page(
        window(request.query).of(live(context.game.badges)), lambda badge: BadgeResource.of(badge, context)
    )


@get("/profiles/{profile_id:str}/badges/")
@describe()
async def list_profile_badges(request: LiveLikeRequest) -> JsonResponse[Listed[ProfileBadgeResource]]:
    caller = await request.caller()
    profile_id = ProfileId(request.part("profile_id"))
    caller.must_reach(profile_id)
    # Raises NotFound for an unknown profile, whose badges would be an empty list.
    await request.in_thread(request.services.queries.profile, caller.client_id, profile_id)
    found = await _earned(request, caller, profile_id, None)
    context = await request.context(caller.client_id)
    return request.page(found, lambda earned: ProfileBadgeResource.of(earned, context))


@post("/profiles/{profile_id:str}/badges/")
@describe(callers=PRODUCER, body=AwardInput)
async def award_badge(request: LiveLikeRequest) -> JsonResponse[ProfileBadgeResource]:
    caller, body = await body_of_producer(request, _AWARD)
    profile_id = ProfileId(request.part("profile_id"))
    command = AwardBadge(client_id=caller.client_id, profile_id=profile_id, badge_id=body.badge_id)
    return await apply_change(request, caller, command, ProfileBadgeResource.of, status=201)


@get("/profiles/{profile_id:str}/badge-progress/")
@describe(filters.BADGE_ID)
async def list_badge_progress(request: LiveLikeRequest) -> JsonResponse[list[BadgeProgressResource]]:
    """Answers a bare array, as LiveLike does. A badge without a threshold has no progress and is left out."""
    caller = await request.caller()
    profile_id = ProfileId(request.part("profile_id"))
    caller.must_reach(profile_id)
    fan = await request.in_thread(request.services.queries.fan, caller.client_id, profile_id)
    context = await request.context(caller.client_id)
    badge_ids = set(request.query.all("badge_id"))
    badges = [b for b in live(context.game.badges) if b.progressions and (not badge_ids or b.id in badge_ids)]
    # No envelope: LiveLike's SDK expects the array itself.
    return respond([BadgeProgressResource.of(badge, fan, context) for badge in badges])


@get("/badge-profiles/")
@describe(filters.BADGE_ID_REQUIRED)
async def list_badge_profiles(request: LiveLikeRequest) -> JsonResponse[Listed[BadgeProfileResource]]:
    """Lists the fans who have the badge. A fan sees neither the custom id nor the data of other fans."""
    caller = await request.caller()
    found = await _earned(request, caller, None, BadgeId(request.query.required("badge_id")))
    profiles = await profiles_of(request, caller, [earned.profile_id for earned in found.results])

    def resource(earned: EarnedBadge) -> BadgeProfileResource:
        in_full = caller.is_producer or earned.profile_id == caller.profile_id
        return BadgeProfileResource.of(earned, profiles[earned.profile_id], request.links, in_full=in_full)

    return request.page(found, resource)


@get("/earned-badges/")
@describe(filters.PROFILE_ID, filters.BADGE_ID)
async def list_earned_badges(request: LiveLikeRequest) -> JsonResponse[Listed[EarnedBadgeResource]]:
    query = request.query
    caller = await request.caller()
    visible = visible_profiles(caller, query)
    if len(visible) > 1:
        raise Rejected("Name one profile.", field="profile_id")
    badge_id = query.one("badge_id")
    profile_id = visible[0] if visible else None
    found = await _earned(request, caller, profile_id, None if badge_id is None else BadgeId(badge_id))
    profiles = await profiles_of(request, caller, [earned.profile_id for earned in found.results])
    context = await request.context(caller.client_id)
    return request.page(found, lambda earned: EarnedBadgeResource.of(earned, profiles[earned.profile_id], context))


@get("/earned-badges/{earned_badge_id:str}/")
@describe()
async def get_earned_badge(request: LiveLikeRequest) -> JsonResponse[EarnedBadgeResource]:
    caller = await request.caller()
    earned_badge_id = EarnedBadgeId(request.part("earned_badge_id"))
    earned = await request.in_thread(request.services.queries.earned_badge, caller.client_id, earned_badge_id)
    if not caller.is_producer and earned.profile_id != caller.profile_id:
        # Not 403: a fan cannot learn which ids exist.
        raise NotFound("There is no such earned badge.")
    profile = await request.in_thread(request.services.queries.profile, caller.client_id, earned.profile_id)
    return respond(EarnedBadgeResource.of(earned, profile, await request.context(caller.client_id)))


@delete("/earned-badges/{earned_badge_id:str}/")
@describe(callers=PRODUCER)
async def revoke_badge(request: LiveLikeRequest) -> None:
    """A threshold never earns a revoked badge again; an award gives it back."""
    # LiveLike lets the fan revoke her own badge too.
    caller = await request.producer()
    earned_badge_id = EarnedBadgeId(request.part("earned_badge_id"))
    await request.handle(caller, RevokeBadge(client_id=caller.client_id, earned_badge_id=earned_badge_id))


@patch("/badges/{badge_id:str}/", request_max_body_size=MAX_UPLOAD_BYTES)
@describe(callers=PRODUCER, body=BadgeChange, image=True)
async def change_badge(request: LiveLikeRequest) -> JsonResponse[BadgeResource]:
    caller = await request.producer()
    body = await decoded_with_image(request, _BADGE_CHANGE)
    command = UpdateBadge(
        client_id=caller.client_id,
        badge_id=BadgeId(request.part("badge_id")),
        name=body.name,
        key=body.key,
        description=body.description,
        image_url=body.image_url,
        progressions=UNSET if body.progressions is UNSET else _progressions(body.progressions),
        attributes=body.attributes,
    )
    return await apply_change(request, caller, command, BadgeResource.of)


@delete("/badges/{badge_id:str}/")
@describe(callers=PRODUCER)
async def archive_badge(request: LiveLikeRequest) -> None:
    """Fans who have the badge keep it."""
    await archive(request, "badge", request.part("badge_id"))


def _progressions(given: Iterable[ProgressionInput]) -> tuple[NewProgression, ...]:
    return tuple(
        NewProgression(reward_item_id=p.reward_item_id, reward_item_threshold=p.reward_item_threshold) for p in given
    )


async def _earned(
    request: LiveLikeRequest, caller: Caller, profile_id: ProfileId | None, badge_id: BadgeId | None
) -> Page[EarnedBadge]:
    page, size = window(request.query)
    return await request.in_thread(
        request.services.queries.earned_badges,
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
    change_badge,
    archive_badge,
    list_badges,
    list_profile_badges,
    award_badge,
    list_badge_progress,
    list_badge_profiles,
    list_earned_badges,
    get_earned_badge,
    revoke_badge,
)
