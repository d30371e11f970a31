"""Stores applications and tokens on SQL."""

import hmac
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import msgspec
from sqlalchemy import Connection, delete, insert, select, update

from tifo.engagement.access import TokenInfo, token_digest
from tifo.engagement.idempotency import FirstAnswers
from tifo.engagement.model import Application, Program
from tifo.engagement.ports import Idempotency
from tifo.engagement.values import check_text
from tifo.kernel.clock import Clock
from tifo.kernel.errors import NotFound
from tifo.kernel.ids import ClientId, NewId, ProgramId
from tifo.store.engagement import rows as r
from tifo.store.engagement.answers import load_answers
from tifo.store.engagement.writing import write_answers
from tifo.store.sql.database import Database
from tifo.store.sql.tables import engagement as t
from tifo.store.sql.times import from_micros, to_micros

T = TypeVar("T")
_ORGANISATION = "organisation"
"""The scope of answers that belong to no application."""


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
        # The look-up is by a hash, so its time says nothing of the token; comparing in constant time keeps it so.
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
            program = Program(id=ProgramId(self._new_id()), name="Default", created_at=self._clock())
            client_id = ClientId(self._new_id())
            application = Application(
                id=client_id, name=name, default_program_id=program.id, created_at=program.created_at
            )
            insert_application(connection, application, program, client_secret)
            info = TokenInfo(id=self._new_id(), name="first", created_at=program.created_at)
            _insert_token(connection, client_id, producer_token, info)
            return application

        return self._once(once, Application, create)

    def tokens(self, client_id: ClientId | None) -> Sequence[TokenInfo]:
        with self._database.reading() as connection:
            check_application(connection, client_id)
            # Ids sort by the time at which they were made.
            found = connection.execute(select(t.tokens).where(_owned_by(client_id)).order_by(t.tokens.c.id)).all()
        return [TokenInfo(id=row.id, name=row.name, created_at=from_micros(row.created_at)) for row in found]

    def add_token(
        self, client_id: ClientId | None, name: str, token: str, once: Idempotency | None = None
    ) -> TokenInfo:
        check_text(name, "name")

        def add(connection: Connection) -> TokenInfo:
            check_application(connection, client_id)
            info = TokenInfo(id=self._new_id(), name=name, created_at=self._clock())
            _insert_token(connection, client_id, token, info)
            return info

        return self._once(once, TokenInfo, add)

    def revoke_token(self, client_id: ClientId | None, token_id: str, once: Idempotency | None = None) -> None:
        def revoke(connection: Connection) -> None:
            if (
                connection.execute(delete(t.tokens).where(_owned_by(client_id), t.tokens.c.id == token_id)).rowcount
                == 0
            ):
                raise NotFound(f"There is no token {token_id!r:.100} here.", field="token_id")

        self._once(once, type(None), revoke)

    def rotate_secret(self, client_id: ClientId, client_secret: str, once: Idempotency | None = None) -> None:
        def rotate(connection: Connection) -> None:
            check_application(connection, client_id)
            change = update(t.applications).where(t.applications.c.id == client_id)
            connection.execute(change.values(client_secret=client_secret))

        self._once(once, type(None), rotate)

    def _once(self, once: Idempotency | None, answer_type: Any, work: Callable[[Connection], T]) -> T:
        with self._database.writing() as connection:
            if once is None:
                return work(connection)
            # Read under the write lock: of two equal requests at once, the second finds the answer of the first.
            answers = FirstAnswers(load_answers(connection, [(_ORGANISATION, once.key)]))
            result: T = answers.once(_ORGANISATION, once, answer_type, lambda: work(connection))
            write_answers(connection, answers.new, self._clock())
            return result


def insert_application(connection: Connection, application: Application, program: Program, client_secret: str) -> None:
    row = {
        "id": application.id,
        "body": r.body(application),
        "client_secret": client_secret,
        "definitions_version": 1,
    }
    connection.execute(insert(t.applications), row)
    # A reward table that is made without a program is linked to this one, so every application has it from the start.
    connection.execute(insert(t.definitions), {"id": program.id, "client_id": application.id, "body": r.body(program)})


def _insert_token(connection: Connection, client_id: ClientId | None, token: str, info: TokenInfo) -> None:
    row = {
        "digest": token_digest(token),
        "client_id": client_id,
        "id": info.id,
        "name": info.name,
        "created_at": to_micros(info.created_at),
    }
    connection.execute(insert(t.tokens), row)


def _owned_by(client_id: ClientId | None) -> Any:
    return t.tokens.c.client_id.is_(None) if client_id is None else t.tokens.c.client_id == client_id


def check_application(connection: Connection, client_id: ClientId | None) -> None:
    """Raises `NotFound` for an application that does not exist. None stands for the organisation."""
    if client_id is None:
        return
    if connection.execute(select(t.applications.c.id).where(t.applications.c.id == client_id)).first() is None:
        raise NotFound(f"There is no application {client_id!r:.100}.", field="client_id")
