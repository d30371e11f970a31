"""Bearer tokens of the management API, each with a role."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Protocol

from tifo.kernel.errors import NotFound
from tifo.kernel.values import check_text


class Role(StrEnum):
    VIEWER = "viewer"
    """Reads, without secrets."""
    EDITOR = "editor"
    """Also sees write keys, and creates and changes."""
    OWNER = "owner"
    """Also deletes sources and warehouses."""

    def may(self, needed: "Role") -> bool:
        # Members of an enumeration keep their order: each role may do what the roles before it may.
        order = list(Role)
        return order.index(self) >= order.index(needed)


@dataclass(frozen=True)
class WorkspaceToken:
    """A token's entry. The token itself is never stored, only its digest."""

    id: str
    name: str
    role: Role
    created_at: datetime


class WorkspaceTokens(Protocol):
    """Stores tokens by their digests. Methods block; every process sees a change at once."""

    def add(self, name: str, role: Role, token: str) -> WorkspaceToken:
        """Raises `Rejected` for an empty name."""

    def tokens(self) -> Sequence[WorkspaceToken]: ...

    def revoke(self, token_id: str) -> None:
        """Raises `NotFound`."""

    def role_of(self, token: str) -> Role | None:
        """Looks the token up in constant time. None for an unknown or revoked one."""


def new_token(name: str, role: Role, *, token_id: str, at: datetime) -> WorkspaceToken:
    """Raises `Rejected` for an empty name."""
    return WorkspaceToken(token_id, check_text(name, "name"), role, at)


def no_token(token_id: str) -> NotFound:
    return NotFound(f"There is no token {token_id!r:.100}. See `tifo workspace token list`.", field="token_id")
