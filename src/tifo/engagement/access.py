"""Access: who may act for an application or for the installation, and the contract of those who store it."""

import hashlib
import secrets
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Protocol

import msgspec

from tifo.engagement.model import Application
from tifo.engagement.ports import Idempotency, NewApplication
from tifo.kernel.ids import ClientId


class TokenInfo(msgspec.Struct, frozen=True, kw_only=True):
    """Describes a token without the token itself, of which only a digest is stored."""

    id: str
    name: str
    created_at: datetime


class Access(Protocol):
    """Stores applications and tokens. Methods block.

    Secrets come from the caller: so a repeated request gets the first answer again, by its `once`, although the store
    cannot recover a token from its digest. `client_id` None means the organisation's own tokens.
    Raises `NotFound` for an unknown application or token.
    """

    def is_organisation_token(self, token: str) -> bool:
        """Compares the token in constant time."""

    def applications(self) -> Sequence[Application]:
        """Returns all applications, in the order of making."""

    def create_application(
        self, name: str, *, client_secret: str, producer_token: str, once: Idempotency | None = None
    ) -> Application:
        """Makes an application with its default program and its first token. See also `create_application` below."""

    def tokens(self, client_id: ClientId | None) -> Sequence[TokenInfo]:
        """Returns the tokens in the order of making."""

    def add_token(
        self, client_id: ClientId | None, name: str, token: str, once: Idempotency | None = None
    ) -> TokenInfo: ...
    def revoke_token(self, client_id: ClientId | None, token_id: str, once: Idempotency | None = None) -> None: ...
    # LiveLike: the client secret signs the tokens of fans, also those that an integrator makes.
    def rotate_secret(self, client_id: ClientId, client_secret: str, once: Idempotency | None = None) -> None:
        """Replaces the secret that fans' tokens are signed with: every earlier token is invalid from now on."""


def new_secret() -> str:
    """Makes a secret or token that nobody can guess: 256 random bits."""
    return secrets.token_urlsafe(32)


def create_application(access: Access, name: str, make_secret: Callable[[], str] = new_secret) -> NewApplication:
    """Makes an application with fresh secrets. This value is the only place where its producer token can be read."""
    secret, token = make_secret(), make_secret()
    application = access.create_application(name, client_secret=secret, producer_token=token)
    return NewApplication(application=application, client_secret=secret, producer_token=token)


def token_digest(token: str) -> bytes:
    """Returns a token's digest, which is stored in its place."""
    # No salt and no slow hash: a token is 256 random bits, which nobody guesses, and each request looks one up.
    return hashlib.sha256(token.encode()).digest()
