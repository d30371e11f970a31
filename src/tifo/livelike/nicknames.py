"""Caches fans' nicknames, so that the answer to an invoked action needs no read."""

from collections import OrderedDict

from tifo.engagement.ports import Queries
from tifo.kernel.ids import ClientId, ProfileId
from tifo.livelike.blocking import in_thread

CAPACITY = 50_000
"""Nicknames in memory."""


class Nicknames:
    """Holds the nicknames used last. One that another process changed stays stale until it is evicted."""

    # The answer shows the nickname, and nothing depends on it: a read for each action would cost more than it is worth.

    def __init__(self, queries: Queries, *, capacity: int = CAPACITY) -> None:
        self._queries = queries
        self._capacity = capacity
        self._names: OrderedDict[tuple[ClientId, ProfileId], str] = OrderedDict()

    async def of(self, client_id: ClientId, profile_id: ProfileId) -> str:
        name = self._names.get((client_id, profile_id))
        if name is None:
            name = (await in_thread(self._queries.profile, client_id, profile_id)).nickname
            self.remember(client_id, profile_id, name)
        return name

    def remember(self, client_id: ClientId, profile_id: ProfileId, nickname: str) -> None:
        self._names[client_id, profile_id] = nickname
        self._names.move_to_end((client_id, profile_id))
        if len(self._names) > self._capacity:
            self._names.popitem(last=False)
