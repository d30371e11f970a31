"""Batches the hottest reads: one query in one thread answers all requests that wait."""

from collections.abc import Mapping, Sequence
from functools import partial

from tifo.engagement.model import Game
from tifo.engagement.ports import Glance, Queries
from tifo.kernel.batching import GroupCommit
from tifo.kernel.ids import ClientId, ProfileId, RewardItemId
from tifo.livelike.blocking import repeated

_MAX_BATCH, _MAX_WAITING = 256, 10_000
"""Questions that one query answers, and those that may wait. A request beyond them is answered with 429."""

_Question = tuple[ClientId, ProfileId | None]


class BatchedReads:
    """Belongs to one event loop: that of the first read. A value is never older than the request for it."""

    def __init__(self, queries: Queries) -> None:
        self._queries = queries
        self._group: GroupCommit[_Question, Glance] | None = None

    async def game(self, client_id: ClientId) -> Game:
        return (await self._submit(client_id, None)).game

    async def balances(self, client_id: ClientId, profile_id: ProfileId) -> tuple[Game, Mapping[RewardItemId, int]]:
        """Raises `NotFound` for a profile that the application does not have."""
        glance = await self._submit(client_id, profile_id)
        return glance.game, glance.balances

    async def close(self) -> None:
        if self._group is not None:
            await self._group.close()

    async def _submit(self, client_id: ClientId, profile_id: ProfileId | None) -> Glance:
        # Made here, not in __init__: the group binds itself to the running event loop.
        if self._group is None:
            self._group = GroupCommit[_Question, Glance](
                self._answer, max_batch=_MAX_BATCH, max_waiting=_MAX_WAITING, name="reads"
            )
        # A batch is read after its last question came, so no answer is older than its request.
        return await self._group.submit((client_id, profile_id))

    def _answer(self, questions: Sequence[_Question]) -> Sequence[Glance | Exception]:
        return repeated(partial(self._queries.glances, questions))
