"""Loads games, each version decoded once."""

from collections.abc import Collection
from typing import Any

from sqlalchemy import Connection, bindparam, select

from tifo.engagement.model import Application, Game
from tifo.kernel.ids import ClientId
from tifo.store.engagement import rows as r
from tifo.store.sql.bulk import Given, Lookup
from tifo.store.sql.tables import engagement as t


def _versions(given: Given) -> Any:
    c = t.applications.c
    return select(c.id, c.definitions_version).where(given.among(c.id))


_VERSIONS = Lookup(_versions)
# FOR SHARE in one order: play goes on beside play, and definitions wait.
LOCKED_VERSIONS = Lookup(lambda given: _versions(given).order_by(t.applications.c.id).with_for_update(read=True))
_BODY = select(t.applications.c.body).where(t.applications.c.id == bindparam("client_id"))
_DEFINITIONS = (
    select(t.definitions.c.body)
    .where(t.definitions.c.client_id == bindparam("client_id"))
    .order_by(t.definitions.c.position)
)


class Games:
    """Remembers decoded games by application, and reads one again when its version has changed."""

    def __init__(self) -> None:
        self._known: dict[str, tuple[int, Game]] = {}

    def load(
        self, connection: Connection, client_ids: Collection[ClientId], *, locked: bool = False
    ) -> dict[ClientId, Game]:
        """Loads the games. Unknown applications are not in the answer. One query, if nothing has changed.

        `locked`: on PostgreSQL, nobody changes their definitions before this transaction ends.
        """
        games: dict[ClientId, Game] = {}
        asked = LOCKED_VERSIONS if locked and connection.dialect.name == "postgresql" else _VERSIONS
        for client_id, version in asked.tuples(connection, ids=client_ids):
            known = self._known.get(client_id)
            if known is None or known[0] != version:
                known = self._known[client_id] = (version, _read_game(connection, client_id))
            games[client_id] = known[1]
        return games


def _read_game(connection: Connection, client_id: ClientId) -> Game:
    asked = {"client_id": client_id}
    application = r.decode_definition(connection.execute(_BODY, asked).scalar_one())
    assert isinstance(application, Application)  # noqa: S101 (the column holds nothing else)
    return Game(application, tuple(map(r.decode_definition, connection.execute(_DEFINITIONS, asked).scalars())))
