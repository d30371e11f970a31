"""Lists of several fans' rows share these: the fans that the caller may see, and their profiles."""

from collections.abc import Mapping, Sequence

from tifo.engagement.model import Profile
from tifo.kernel.ids import ProfileId
from tifo.livelike.lists.query import Query
from tifo.livelike.request import LiveLikeRequest
from tifo.livelike.tokens import Caller


def visible_profiles(caller: Caller, query: Query) -> list[ProfileId]:
    """Returns the profiles that `profile_id` names, or else a fan's own. An empty list means the whole application.

    Raises `Forbidden` where a fan names another fan.
    """
    named = [ProfileId(p) for p in query.all("profile_id")]
    for profile_id in named:
        caller.must_reach(profile_id)
    # LiveLike: a producer lists the whole application, a fan's token what is the fan's.
    return named or ([] if caller.is_producer else [caller.own_profile()])


async def profiles_of(
    request: LiveLikeRequest, caller: Caller, ids: Sequence[ProfileId]
) -> Mapping[ProfileId, Profile]:
    return await request.in_thread(request.services.queries.profiles, caller.client_id, [*dict.fromkeys(ids)])
