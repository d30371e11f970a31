"""Reads the balances of many fans, and their games, with two queries."""

from collections import defaultdict
from collections.abc import Sequence

from sqlalchemy import select

from tifo.engagement.ports import Glance
from tifo.kernel.errors import NotFound
from tifo.kernel.ids import ClientId, ProfileId, RewardItemId
from tifo.store.engagement.games import Games
from tifo.store.sql.bulk import Lookup
from tifo.store.sql.database import Database
from tifo.store.sql.tables import engagement as t

_HELD = Lookup(
    lambda given: (
        select(t.profiles.c.id, t.profiles.c.client_id, t.balances.c.reward_item_id, t.balances.c.balance)
        .select_from(t.profiles.outerjoin(t.balances, t.balances.c.profile_id == t.profiles.c.id))
        .where(given.among(t.profiles.c.id))
    )
)


class SqlGlances:
    """Implements the most frequent part of `engagement.ports.Queries`."""

    _database: Database
    _games: Games

    def glances(self, asked: Sequence[tuple[ClientId, ProfileId | None]]) -> Sequence[Glance | Exception]:
        wanted = sorted({profile_id for _, profile_id in asked if profile_id is not None})
        held: dict[tuple[str, str], dict[RewardItemId, int]] = defaultdict(dict)
        with self._database.reading() as connection:
            games = self._games.load(connection, {client_id for client_id, _ in asked})
            for profile_id, client_id, item_id, balance in _HELD.tuples(connection, ids=wanted) if wanted else ():
                balances = held[client_id, profile_id]
                # The outer join gives a fan without balances one row without an item.
                if item_id is not None:
                    balances[item_id] = balance

        def glance(client_id: ClientId, profile_id: ProfileId | None) -> Glance | Exception:
            if client_id not in games:
                return NotFound(f"There is no application {client_id!r:.100}.", field="client_id")
            if profile_id is None:
                return Glance(games[client_id], {})
            if (client_id, profile_id) not in held:
                return NotFound(f"There is no profile {profile_id!r:.100} in this application.", field="profile_id")
            return Glance(games[client_id], held[client_id, profile_id])

        return [glance(*each) for each in asked]
