"""Stores tokens of the management API on SQL, as digests."""

import hashlib
import hmac

from sqlalchemy import delete, insert, select

from tifo.kernel.clock import Clock
from tifo.kernel.ids import NewId
from tifo.store.sql import tables as t
from tifo.store.sql.database import Database
from tifo.store.sql.times import from_micros, to_micros
from tifo.workspace.tokens import Role, WorkspaceToken, new_token, no_token


class SqlWorkspaceTokens:
    """Implements `workspace.tokens.WorkspaceTokens`."""

    def __init__(self, database: Database, clock: Clock, new_id: NewId) -> None:
        self._database = database
        self._clock = clock
        self._new_id = new_id

    def add(self, name: str, role: Role, token: str) -> WorkspaceToken:
        made = new_token(name, role, token_id=self._new_id(), at=self._clock())
        row = {
            "digest": _digest(token),
            "id": made.id,
            "name": name,
            "role": role.value,
            "created_at": to_micros(made.created_at),
        }
        with self._database.writing() as connection:
            connection.execute(insert(t.workspace_tokens), row)
        return made

    def tokens(self) -> list[WorkspaceToken]:
        with self._database.reading() as connection:
            rows = connection.execute(select(t.workspace_tokens).order_by(t.workspace_tokens.c.id)).all()
        return [WorkspaceToken(row.id, row.name, Role(row.role), from_micros(row.created_at)) for row in rows]

    def revoke(self, token_id: str) -> None:
        with self._database.writing() as connection:
            gone = connection.execute(delete(t.workspace_tokens).where(t.workspace_tokens.c.id == token_id)).rowcount
        if not gone:
            raise no_token(token_id)

    def role_of(self, token: str) -> Role | None:
        digest, c = _digest(token), t.workspace_tokens.c
        with self._database.reading() as connection:
            found = connection.execute(select(c.digest, c.role).where(c.digest == digest)).first()
        if found is None or not hmac.compare_digest(found.digest, digest):
            return None
        return Role(found.role)


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()
