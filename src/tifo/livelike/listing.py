"""What lists of fans' things share: whose may be seen, and the profiles that rows show."""

from collections.abc import Mapping, Sequence

from tifo.engagement.model import Profile
from tifo.kernel.ids import ProfileId
from tifo.livelike.call import LiveLikeRequest
from tifo.livelike.query import Query
from tifo.livelike.tokens import Caller


def reachable(caller: Caller, query: Query) -> list[ProfileId]:
    """The profiles that `profile_id` names, or those that the caller reaches: [] is every one of the application."""
    asked = [ProfileId(p) for p in query.all("profile_id")]
    for profile_id in asked:
        caller.must_reach(profile_id)
    return asked or ([] if caller.is_producer else [caller.own_profile()])


async def profiles_of(
    request: LiveLikeRequest, caller: Caller, ids: Sequence[ProfileId]
) -> Mapping[ProfileId, Profile]:
    return await request.ask(request.desk.queries.profiles, caller.client_id, [*dict.fromkeys(ids)])
