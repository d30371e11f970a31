"""Tokens of the management API in memory."""

import hashlib
import threading

from tifo.kernel.clock import Clock, system_clock
from tifo.kernel.ids import NewId, uuid7
from tifo.workspace.tokens import Role, WorkspaceToken, new_token, no_token


class InMemoryWorkspaceTokens:
    """Implements `workspace.tokens.WorkspaceTokens`. Stores digests only, as the SQL implementation does."""

    def __init__(self, *, clock: Clock = system_clock, new_id: NewId = uuid7) -> None:
        self._clock = clock
        self._new_id = new_id
        self._lock = threading.Lock()
        self._tokens: dict[bytes, WorkspaceToken] = {}

    def add(self, name: str, role: Role, token: str) -> WorkspaceToken:
        made = new_token(name, role, token_id=self._new_id(), at=self._clock())
        with self._lock:
            self._tokens[_digest(token)] = made
        return made

    def tokens(self) -> list[WorkspaceToken]:
        with self._lock:
            # Ids grow with time, so this is the order of making.
            return sorted(self._tokens.values(), key=lambda each: each.id)

    def revoke(self, token_id: str) -> None:
        with self._lock:
            left = {digest: each for digest, each in self._tokens.items() if each.id != token_id}
            if len(left) == len(self._tokens):
                raise no_token(token_id)
            self._tokens = left

    def role_of(self, token: str) -> Role | None:
        with self._lock:
            found = self._tokens.get(_digest(token))
        return None if found is None else found.role


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()
