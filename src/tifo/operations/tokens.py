"""Producer tokens of an application, the organisation's own tokens, and an application's client secret."""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field

from tifo.engagement.access import TokenInfo
from tifo.kernel.ids import ClientId
from tifo.operations.backend import Backend


@dataclass(frozen=True)
class IssuedToken:
    """Holds a new token in clear: it is shown this once."""

    info: TokenInfo
    token: str = field(repr=False)


def create(backend: Backend, client_id: ClientId | None, name: str) -> IssuedToken:
    """Issues a token; a `client_id` of None makes it the organisation's. Raises `NotFound`."""
    token = secrets.token_urlsafe(32)
    return IssuedToken(backend.access.add_token(client_id, name, token), token)


def listed(backend: Backend, client_id: ClientId | None) -> Sequence[TokenInfo]:
    return backend.access.tokens(client_id)


def revoke(backend: Backend, client_id: ClientId | None, token_id: str) -> None:
    """A running api refuses the token after five seconds at most. Raises `NotFound`."""
    backend.access.revoke_token(client_id, token_id)


def rotate_secret(backend: Backend, client_id: ClientId) -> str:
    """Replaces the client secret and returns the new one. Every fan's token is refused from then on."""
    secret = secrets.token_urlsafe(32)
    backend.access.rotate_secret(client_id, secret)
    return secret
