"""Applications and tokens, on SQL."""

import hmac
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import msgspec
from sqlalchemy import Connection, delete, insert, select, update

from tifo.engagement.access import TokenInfo
from tifo.engagement.model import Application
from tifo.engagement.ports import Idempotency
from tifo.engagement.values import check_text
from tifo.kernel.clock import Clock
from tifo.kernel.errors import KeyReused, NotFound
from tifo.kernel.ids import ClientId, NewId
from tifo.store.engagement import rows as r
from tifo.store.engagement.engine import insert_application, insert_token, token_digest
from tifo.store.sql import tables as t
from tifo.store.sql.database import Database
from tifo.store.sql.times import from_micros, to_micros

T = TypeVar("T")
_ORGANISATION = "organisation"
"""Stands for an application where answers are kept by idempotency key."""


class SqlAccess:
    """Implements `engagement.access.Access`."""

    def __init__(self, database: Database, clock: Clock, new_id: NewId) -> None:
        self._database = database
        self._clock = clock
        self._new_id = new_id

    def is_organisation_token(self, token: str) -> bool:
        digest = token_digest(token)
        where = (t.tokens.c.digest == digest, t.tokens.c.client_id.is_(None))
        with self._database.reading() as connection:
            found = connection.execute(select(t.tokens.c.digest).where(*where)).scalar()
        return found is not None and hmac.compare_digest(found, digest)

    def applications(self) -> list[Application]:
        with self._database.reading() as connection:
            bodies = connection.execute(select(t.applications.c.body).order_by(t.applications.c.id)).scalars()
            return [msgspec.json.decode(body, type=Application) for body in bodies]

    def create_application(
        self, name: str, *, client_secret: str, producer_token: str, once: Idempotency | None = None
    ) -> Application:
        check_text(name, "name")

        def create(connection: Connection) -> Application:
            return insert_application(
                connection,
                name,
                client_secret=client_secret,
                producer_token=producer_token,
                now=self._clock(),
                new_id=self._new_id,
            )

        return self._once(once, Application, create)

    def tokens(self, client_id: ClientId | None) -> Sequence[TokenInfo]:
        with self._database.reading() as connection:
            _must_be_there(connection, client_id)
            found = connection.execute(select(t.tokens).where(_of(client_id)).order_by(t.tokens.c.id)).all()
        return [TokenInfo(id=row.id, name=row.name, created_at=from_micros(row.created_at)) for row in found]

    def add_token(
        self, client_id: ClientId | None, name: str, token: str, once: Idempotency | None = None
    ) -> TokenInfo:
        check_text(name, "name")

        def add(connection: Connection) -> TokenInfo:
            _must_be_there(connection, client_id)
            info = TokenInfo(id=self._new_id(), name=name, created_at=self._clock())
            insert_token(connection, client_id, token, info)
            return info

        return self._once(once, TokenInfo, add)

    def revoke_token(self, client_id: ClientId | None, token_id: str, once: Idempotency | None = None) -> None:
        def revoke(connection: Connection) -> None:
            if connection.execute(delete(t.tokens).where(_of(client_id), t.tokens.c.id == token_id)).rowcount == 0:
                raise NotFound(f"There is no token {token_id!r:.100} here.", field="token_id")

        self._once(once, type(None), revoke)

    def rotate_secret(self, client_id: ClientId, client_secret: str, once: Idempotency | None = None) -> None:
        def rotate(connection: Connection) -> None:
            _must_be_there(connection, client_id)
            change = update(t.applications).where(t.applications.c.id == client_id)
            connection.execute(change.values(client_secret=client_secret))

        self._once(once, type(None), rotate)

    def _once(self, once: Idempotency | None, answers: Any, work: Callable[[Connection], T]) -> T:
        with self._database.writing() as connection:
            if once is None:
                return work(connection)
            c = t.idempotency.c
            where = (c.client_id == _ORGANISATION, c.key == once.key)
            earlier = connection.execute(select(t.idempotency).where(*where)).first()
            if earlier is not None:
                if earlier.digest != once.digest:
                    raise KeyReused("This Idempotency-Key came with another request before. Use a new key.")
                result: T = msgspec.json.decode(earlier.answer, type=answers)
                return result
            result = work(connection)
            row = {
                "client_id": _ORGANISATION,
                "key": once.key,
                "digest": once.digest,
                "answer": r.body(result),
                "created_at": to_micros(self._clock()),
            }
            connection.execute(insert(t.idempotency), row)
            return result


def _of(client_id: ClientId | None) -> Any:
    return t.tokens.c.client_id.is_(None) if client_id is None else t.tokens.c.client_id == client_id


def _must_be_there(connection: Connection, client_id: ClientId | None) -> None:
    if client_id is None:
        return
    if connection.execute(select(t.applications.c.id).where(t.applications.c.id == client_id)).first() is None:
        raise NotFound(f"There is no application {client_id!r:.100}.", field="client_id")
