"""What the hottest reads need, asked for many requests at once: one query answers all that wait, in one thread."""

from collections.abc import Mapping, Sequence
from functools import partial

from tifo.engagement.model import Game
from tifo.engagement.ports import Glance, Queries
from tifo.kernel.batching import GroupCommit
from tifo.kernel.ids import ClientId, ProfileId, RewardItemId
from tifo.livelike.asking import patiently

_MAX_BATCH, _MAX_WAITING = 256, 10_000

_Asked = tuple[ClientId, ProfileId | None]


class Reads:
    """Used on one event loop, that of the first read. What is read is never older than the question."""

    def __init__(self, queries: Queries) -> None:
        self._queries = queries
        self._group: GroupCommit[_Asked, Glance] | None = None

    async def game(self, client_id: ClientId) -> Game:
        return (await self._ask(client_id, None)).game

    async def balances(self, client_id: ClientId, profile_id: ProfileId) -> tuple[Game, Mapping[RewardItemId, int]]:
        """`NotFound` for a profile that is none of the application's."""
        glance = await self._ask(client_id, profile_id)
        return glance.game, glance.balances

    async def close(self) -> None:
        if self._group is not None:
            await self._group.close()

    async def _ask(self, client_id: ClientId, profile_id: ProfileId | None) -> Glance:
        if self._group is None:
            self._group = GroupCommit[_Asked, Glance](
                self._answer, max_batch=_MAX_BATCH, max_waiting=_MAX_WAITING, name="reads"
            )
        return await self._group.submit((client_id, profile_id))

    def _answer(self, asked: Sequence[_Asked]) -> Sequence[Glance | Exception]:
        return patiently(partial(self._queries.glances, asked))
