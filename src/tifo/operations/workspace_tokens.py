"""Tokens of the management API, each with the role that it has."""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field

from tifo.operations.backend import Backend
from tifo.workspace.tokens import Role, WorkspaceToken


@dataclass(frozen=True)
class IssuedWorkspaceToken:
    """Holds a new token in clear: it is shown this once."""

    info: WorkspaceToken
    token: str = field(repr=False)


def create(backend: Backend, name: str, role: Role) -> IssuedWorkspaceToken:
    """Raises `Rejected` for an empty name."""
    token = secrets.token_urlsafe(32)
    return IssuedWorkspaceToken(backend.workspace_tokens.add(name, role, token), token)


def listed(backend: Backend) -> Sequence[WorkspaceToken]:
    return backend.workspace_tokens.tokens()


def revoke(backend: Backend, token_id: str) -> None:
    """Refuses the token from now on, in every process. Raises `NotFound`."""
    backend.workspace_tokens.revoke(token_id)
