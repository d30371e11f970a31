"""Standings on leaderboards in memory: a plain sort of all balances."""

from collections.abc import Sequence

from tifo.engagement.leaderboards import Places, Standing, ranked
from tifo.engagement.memory.paging import page_of
from tifo.engagement.memory.state import InMemoryState
from tifo.engagement.model import Leaderboard
from tifo.engagement.ports import Page
from tifo.kernel.errors import NotFound
from tifo.kernel.ids import ClientId, LeaderboardId, ProfileId


class InMemoryStandings:
    """Implements `engagement.ports.Standings`."""

    _state: InMemoryState

    def client_of_leaderboard(self, leaderboard_id: LeaderboardId) -> ClientId:
        for client_id, application in self._state.applications.items():
            if leaderboard_id in application.game.leaderboards:
                return client_id
        raise NotFound(f"There is no leaderboard {leaderboard_id!r:.100}.", field="leaderboard_id")

    def standings(self, leaderboard: Leaderboard, *, page: int = 1, size: int = 20) -> Page[Standing]:
        return page_of(self._standings(leaderboard), page, size)

    def standings_of(self, leaderboard: Leaderboard, profile_ids: Sequence[ProfileId]) -> Places:
        everyone = self._standings(leaderboard)
        return Places([each for each in everyone if each.profile_id in profile_ids], len(everyone))

    def _standings(self, leaderboard: Leaderboard) -> list[Standing]:
        item_id = leaderboard.reward_item_id
        for application in self._state.applications.values():
            if leaderboard.is_locked and leaderboard.id in application.locked:
                return ranked(application.locked[leaderboard.id])
            if not leaderboard.is_locked and item_id in application.game.ranked_items:
                return ranked(application.scores(item_id))
        return []
