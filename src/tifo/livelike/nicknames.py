"""Nicknames of fans seen lately, so that answering an invoked action needs no read."""

from collections import OrderedDict

from tifo.engagement.ports import Queries
from tifo.kernel.ids import ClientId, ProfileId
from tifo.livelike.asking import ask

CAPACITY = 50_000


class Nicknames:
    """A nickname changed through another process may be shown as it was until it drops out or is changed here."""

    def __init__(self, queries: Queries, *, capacity: int = CAPACITY) -> None:
        self._queries = queries
        self._capacity = capacity
        self._names: OrderedDict[tuple[ClientId, ProfileId], str] = OrderedDict()

    async def of(self, client_id: ClientId, profile_id: ProfileId) -> str:
        name = self._names.get((client_id, profile_id))
        if name is None:
            name = (await ask(self._queries.profile, client_id, profile_id)).nickname
            self.remember(client_id, profile_id, name)
        return name

    def remember(self, client_id: ClientId, profile_id: ProfileId, nickname: str) -> None:
        self._names[client_id, profile_id] = nickname
        self._names.move_to_end((client_id, profile_id))
        if len(self._names) > self._capacity:
            self._names.popitem(last=False)
